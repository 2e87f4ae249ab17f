"""Slim images of torch's real wheels, from the index that pip uses here, and what they still do."""

from __future__ import annotations

import contextlib
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace_docker.writing.slim.stages import shipped
from lib.capabilities import lacks
from lib.gateway import headrace
from lib.images import debian_root
from lib.images.families import shaped
from lib.images.workplace import LIMITS, Site, started

#: Gigabytes come, twelve of them are on the disk while an image is built.
pytestmark = [pytest.mark.nightly, pytest.mark.network]

TAGS = ("2.15.0-cuda13.2-cudnn9-runtime", "2.10.0-cuda12.8-cudnn9-runtime")
PYTHON = "3.13.5-slim-trixie"
BASE = """\
FROM localhost/plain
RUN rm -f /usr/lib/python3*/EXTERNALLY-MANAGED && ln -s /usr/bin/python3 /usr/local/bin/python3
COPY authorities.crt /etc/ssl/certs/ca-certificates.crt
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin \\
    PIP_CERT=/etc/ssl/certs/ca-certificates.crt
"""
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """On this machine's network, where pip has an index."""
    with contextlib.ExitStack() as stack:
        made = started(stack, alone=False, suite=debian_root.SLIM)
        base = made.root / "base"
        base.mkdir()
        base.joinpath("Dockerfile").write_text(BASE)
        base.joinpath("authorities.crt").write_bytes(AUTHORITIES.read_bytes())
        made.podman("import", debian_root.packed(debian_root.SLIM), "localhost/plain")
        made.podman("build", *LIMITS, "--tag", "localhost/base", base)
        to = f"docker://127.0.0.1:{made.registry.port}/library/python:{PYTHON}"
        made.podman("push", "--tls-verify=false", "localhost/base", to)
        for tag in TAGS:
            made.registry.put("pytorch/pytorch", tag, shaped(tag, {}))
        yield made


def built(site: Site, name: str, *words: str) -> tuple[Path, int]:
    """Write and build; give the folder, and the bytes that lie above the base."""
    folder = site.root / name
    site.run(*headrace(), "image", "write", words[0], folder, "--slim", *words[1:])
    build = ("build", "--network=host", "--layers=false", *LIMITS)
    site.podman(*build, f"--tag=localhost/{name}", folder)
    sizes = [
        json.loads(site.podman("image", "inspect", f"localhost/{each}").stdout)[0]["Size"]
        for each in (name, "base")
    ]
    return folder, sizes[0] - sizes[1]


def checked(site: Site, name: str, folder: Path) -> str:
    """Try it as its user would, without a network."""
    run = ("run", "--rm", "--network=none", *LIMITS, f"--volume={folder}:/workspace")
    site.podman(*run, f"localhost/{name}", "python3", "-m", "pip", "check")
    done = site.podman(*run, f"localhost/{name}", "python3", "check.py", code=None)
    site.podman("rmi", "--force", f"localhost/{name}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed" not in done.stdout
    return done.stdout


#: Python's own image has some 130 MB.
@pytest.mark.parametrize(
    ("what", "host", "cuda", "most"),
    [
        ("torch==2.15", "driver=595,gpu=A100", "CUDA 13.2", 3_700_000_000),
        # The newest release whose default on the index is CUDA 12.
        ("torch==2.10", "driver=550,gpu=A100", "CUDA 12.8", 4_870_000_000),
    ],
)
def test_image_is_small_and_does_all_that_needs_no_gpu(
    what: str, host: str, cuda: str, most: int, site: Site
) -> None:
    folder, size = built(site, "cuda", what, "--for", host)
    told = checked(site, "cuda", folder)
    assert cuda in told
    assert "libnccl.so.2" in told
    assert size < most


def test_image_for_processors_has_less_than_a_gigabyte(site: Site) -> None:
    index = f"{shipped()['torch']['index']}/cpu/torch/"
    try:
        context = ssl.create_default_context(cafile=AUTHORITIES)
        urllib.request.urlopen(index, context=context, timeout=60).close()
    except (urllib.error.URLError, OSError) as error:
        pytest.skip(lacks("index", f"{index}: {error}"))
    folder, size = built(site, "plain", "torch==2.15", "--for", "gpu=none")
    assert "CUDA None" in checked(site, "plain", folder)
    assert size < 850_000_000
