"""Slim folders really built: by each engine twice, in fresh storage, at other times and umasks."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from lib.capabilities import lacks
from lib.images import debian_root
from lib.images.families import shaped
from lib.images.torch_wheels import ASK
from lib.images.torch_wheels import made as made_wheels
from lib.images.workplace import LIMITS, Site, podman, started, unmount
from lib.waiting import HANG, until
from lib.engines.roots import root_of
from lib.engines.homes import enter, home

#: Each build is of an image of 500 MB, in storage of its own.
pytestmark = pytest.mark.nightly

TORCH = "2.15.0-cuda13.2-cudnn9-runtime"
PYTHON = "3.13.5-slim-trixie"
#: In the shape of Python's own slim image; wheels lie in it, as no index is on this network.
BASE = """\
FROM localhost/plain
RUN rm -f /usr/lib/python3*/EXTERNALLY-MANAGED && : > /etc/apt/sources.list \\
 && ln -s /usr/bin/python3 /usr/local/bin/python3
COPY wheels /wheels
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin \\
    PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels
CMD ["python3"]
"""
BUILDX = root_of("forky") / "usr/libexec/docker/cli-plugins/docker-buildx"
LATER = 1_700_000_000


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """On a network of its own, with a registry that has the base and torch's tag."""
    with contextlib.ExitStack() as stack:
        made = started(stack, alone=True, suite=debian_root.SLIM)
        base = made.root / "base"
        base.joinpath("wheels").mkdir(parents=True)
        scratch = made.root / "scratch"
        scratch.mkdir()
        for built in made_wheels(scratch):
            base.joinpath("wheels", built.name).write_bytes(built.data)
        base.joinpath("Dockerfile").write_text(BASE)
        made.podman("import", debian_root.packed(debian_root.SLIM), "localhost/plain")
        made.podman("build", *LIMITS, "--tag", "localhost/base", base)
        to = f"docker://127.0.0.1:{made.registry.port}/library/python:{PYTHON}"
        made.podman("push", "--tls-verify=false", "localhost/base", to)
        made.registry.put("pytorch/pytorch", TORCH, shaped("torch", {}))
        yield made


def write(site: Site, name: str, umask: int, *words: str) -> Path:
    """Write a folder under an umask."""
    folder = site.root / name
    script = f'umask {umask:04o}; exec "$@"'
    from lib.gateway import headrace

    wishes = ("--slim", "--for", "driver=595,gpu=A100", *words)
    site.run("sh", "-c", script, "sh", *headrace(), "image", "write", "pytorch", folder, *wishes)
    return folder


Build = Callable[[Path, Path, int], list[str]]


def by_podman(site: Site, store: Path, folder: Path, umask: int, *words: str) -> list[str]:
    engine = podman(store)
    build = (*engine, "build", "--network=host", "--format=docker", *LIMITS, *words)
    site.run(
        "sh", "-c", f'umask {umask:04o}; exec "$@"', "sh", *build, "--tag=localhost/lab", folder
    )
    said = site.run(*engine, "image", "inspect", "localhost/lab").stdout
    return list(json.loads(said)[0]["RootFS"]["Layers"])


def by_buildah(site: Site, store: Path, folder: Path, umask: int, *words: str) -> list[str]:
    engine = ("buildah", f"--root={store}", f"--runroot={store}-run", "--storage-driver=overlay")
    runtime = ("--runtime=runc",) if shutil.which("runc") else ()
    build = (*engine, "build", *runtime, "--network=host", *LIMITS, *words)
    site.run(
        "sh", "-c", f'umask {umask:04o}; exec "$@"', "sh", *build, "--tag=localhost/lab", folder
    )
    said = site.run(*engine, "inspect", "--type=image", "localhost/lab").stdout
    return list(json.loads(said)["OCIv1"]["rootfs"]["diff_ids"])


@contextlib.contextmanager
def dockerd(site: Site, store: Path, suite: str = "") -> Iterator[tuple[str, ...]]:
    store.mkdir()
    where = f"unix://{store}/docker.sock"
    mirror = f"http://127.0.0.1:{site.registry.port}"
    store.joinpath("daemon.json").write_text(json.dumps({"registry-mirrors": [mirror]}))
    words = ["dockerd", f"--data-root={store}/data", f"--exec-root={store}/exec", "-H", where]
    words += [f"--pidfile={store}/pid", f"--config-file={store}/daemon.json"]
    words += ["--bridge=none", "--iptables=false"]
    with contextlib.ExitStack() as stack:
        stack.callback(unmount, store)
        pid = stack.enter_context(home(suite, store))
        log = stack.enter_context((store / "log").open("wb"))
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        daemon = subprocess.Popen(
            enter(suite, pid, words), env={"PATH": path}, stdout=log, stderr=log
        )
        stack.callback(daemon.wait, HANG)
        stack.callback(daemon.terminate)
        engine = ("docker", "-H", where)
        until(
            lambda: site.run(*engine, "info", code=None).returncode == 0,
            lambda: (store / "log").read_text(errors="replace")[-3000:],
            pause=0.1,
        )
        yield engine


def by_docker(
    site: Site, store: Path, folder: Path, umask: int, *words: str, kit: int, suite: str = ""
) -> list[str]:
    with dockerd(site, store, suite) as engine:
        config = store / "config"
        config.joinpath("cli-plugins").mkdir(parents=True)
        config.joinpath("cli-plugins/docker-buildx").symlink_to(BUILDX)
        build = (*engine, "build", "--network=host", *words, "--tag=lab", folder)
        script = (
            f'umask {umask:04o}; export DOCKER_BUILDKIT={kit} DOCKER_CONFIG={config}; exec "$@"'
        )
        site.run("sh", "-c", script, "sh", *build)
        said = site.run(*engine, "image", "inspect", "lab").stdout
    return list(json.loads(said)[0]["RootFS"]["Layers"])
