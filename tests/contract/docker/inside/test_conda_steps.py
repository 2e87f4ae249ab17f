"""`RUN conda install` in a build, with a base image that has a condarc of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
ENV CONDA_PKGS_DIRS=/tmp/pkgs CONDA_REPORT_ERRORS=false CONDA_SOLVER={solver}
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
    builder.dockerfile(
        _DOCKERFILE.format(condarc=condarc, conda=base.python, solver=base.solvers[0])
    )
    volumes = [f"--volume={base.root}:{base.root}:ro", *_interpreter(base), *_libraries()]
    done = builder.build("led", "--no-cache", *volumes)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "large-1.0" in done.stdout


def _libraries() -> Iterator[str]:
    """Give what a solver needs and a small base image has not, as it has no other program."""
    for name in ("libdl.so.2", "libpthread.so.0", "librt.so.1", "libgcc_s.so.1", "libm.so.6"):
        for path in Path("/lib").glob(f"*-linux-gnu/{name}"):
            yield f"--volume={path.resolve()}:{path}:ro"


def _interpreter(base: Base) -> Iterator[str]:
    """Give the names that lead from a base to an interpreter elsewhere, as one made here has."""
    path, real = base.python, base.python.resolve()
    while path.is_symlink():
        path = path.parent / path.readlink()
        if not path.is_relative_to(base.root):
            yield f"--volume={real}:{path}:ro"


@pytest.mark.parametrize("more", ["", ", ssl_verify: /etc/ssl/certs/ca-certificates.crt"])
def test_a_step_takes_conda_packages_from_mirrors_whatever_its_condarc_trusts(
    podman: Builder, channel: CondaWorld, more: str
) -> None:
    """The variable that names our authority goes before ``ssl_verify`` (conda 26.7)."""
    built(podman, f"{{channels: [{channel.channel}]{more}}}")
    assert channel.mirror.bytes_sent("*.conda")
    # What is no package and no document (notices) is passed on as conda asks it.
    packages = [seen for seen in channel.origin.seen if seen.path.endswith(".conda")]
    assert {seen.headers["user-agent"].partition("/")[0] for seen in packages} == {"headrace"}
    assert channel.own_words() < len(large().data)
