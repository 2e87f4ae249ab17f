"""`RUN conda install` in a build, with a base image that has a condarc of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lib.conda.channels import Channel
from lib.conda.clients import Base, need_base
from lib.conda.world import large, small
from lib.engines.network import ADDRESS
from lib.serving.servers import RecordingServer

from .conftest import Builder

pytestmark = pytest.mark.nightly

_DOCKERFILE = """\
FROM localhost/base
RUN mkdir -p /root && echo '{condarc}' > /root/.condarc
ENV CONDA_PKGS_DIRS=/tmp/pkgs CONDA_REPORT_ERRORS=false
RUN {conda} -m conda create --yes --quiet --prefix /tmp/env large small
RUN ls /tmp/env/conda-meta && rm -r /tmp/pkgs
"""


@dataclass
class CondaWorld:
    """A channel that is public here, and a mirror of it."""

    origin: RecordingServer
    mirror: RecordingServer
    channel: str

    def own_words(self) -> int:
        """Bytes of packages that the origin gave."""
        return self.origin.bytes_sent("*.conda")


@pytest.fixture
def channel(podman: Builder) -> Iterator[CondaWorld]:
    need_base()
    made = Channel("chan")
    made.add(large(), small())
    with (
        RecordingServer(name="channel", host=ADDRESS, tls=podman.tls) as origin,
        RecordingServer(name="other", host=ADDRESS) as mirror,
    ):
        url = made.mount_origin(origin)
        path = podman.root / "headrace" / "config" / "config.toml"
        text = path.read_text().replace("public_origins = [", f'public_origins = ["{origin.url}", ')
        lines = [f'origins = ["conda/channel={origin.url}"]', text, "[[mirror]]", 'id = "other"']
        lines += [f'url = "{made.mount_mirror(mirror)}"', 'layout = "same-path"']
        path.write_text("\n".join([*lines, 'ecosystem = "conda"', ""]))
        yield CondaWorld(origin, mirror, url)


def built(builder: Builder, condarc: str) -> None:
    base = need_base()
    # One line, as the shell of such an image writes it.
    builder.dockerfile(_DOCKERFILE.format(condarc=condarc, conda=base.python))
    volumes = [f"--volume={base.root}:{base.root}:ro", *_interpreter(base)]
    done = builder.build("led", "--no-cache", *volumes)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "large-1.0" in done.stdout


def _interpreter(base: Base) -> Iterator[str]:
    """Give the names that lead from a base to an interpreter elsewhere, as one made here has."""
    path, real = base.python, base.python.resolve()
    while path.is_symlink():
        path = path.parent / path.readlink()
        if not path.is_relative_to(base.root):
            yield f"--volume={real}:{path}:ro"


def test_a_step_takes_conda_packages_from_mirrors(podman: Builder, channel: CondaWorld) -> None:
    built(podman, f"{{channels: [{channel.channel}]}}")
    assert channel.own_words() < len(large().data) / 2
    agents = {seen.headers["user-agent"].partition("/")[0] for seen in channel.origin.seen}
    assert agents == {"headrace"}


def test_a_condarc_that_trusts_a_file_of_its_own_is_tunnelled_and_installs(
    podman: Builder, channel: CondaWorld
) -> None:
    trusts = "/etc/ssl/certs/ca-certificates.crt"
    built(podman, f"{{channels: [{channel.channel}], ssl_verify: {trusts}}}")
    assert channel.own_words() >= len(large().data)
