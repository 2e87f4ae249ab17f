"""Slim folders really built, of small wheels in torch's layout: by each engine twice, in storage of
its own, from folders of other times and umasks; what comes of it, started.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lib.capabilities import lacks
from lib.engines.homes import enter, home
from lib.engines.roots import root_of
from lib.gateway import headrace
from lib.images import debian_root
from lib.images.families import shaped
from lib.images.torch_wheels import ASK
from lib.images.torch_wheels import made as made_wheels
from lib.images.workplace import LIMITS, Site, podman, started, unmount
from lib.waiting import HANG, until

#: Each build unpacks a Debian with a compiler.
pytestmark = pytest.mark.nightly

TORCH, PYTHON = "2.15.0-cuda13.2-cudnn9-runtime", "3.13.5-slim-trixie"
#: In the shape of Python's own slim image. Wheels lie in it, as no index is on this network.
BASE = """\
FROM localhost/plain
RUN rm -f /usr/lib/python3*/EXTERNALLY-MANAGED && : > /etc/apt/sources.list \\
 && ln -s /usr/bin/python3 /usr/local/bin/python3
COPY wheels /wheels
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin \\
    PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels
CMD ["python3"]
"""
SECONDS = 315532800
#: The age of Debian with a BuildKit that rewrites times, and buildx.
NEWER = "forky"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """On a network of its own, with a registry that has the base and torch's tag."""
    with contextlib.ExitStack() as stack:
        made = started(stack, alone=True, suite=debian_root.SLIM)
        base, scratch = made.root / "base", made.root / "scratch"
        base.joinpath("wheels").mkdir(parents=True)
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


def under(site: Site, umask: int, *words: object, **variables: str) -> None:
    """Run a program of a user with that umask."""
    lines = [f"umask {umask:04o}", *(f"export {name}={value}" for name, value in variables.items())]
    site.run("sh", "-c", "; ".join([*lines, 'exec "$@"']), "sh", *words)


def write(site: Site, name: str, umask: int) -> Path:
    folder = site.root / name
    words = ("image", "write", "pytorch", folder, "--slim", "--for", "driver=595,gpu=A100")
    if not folder.exists():
        under(site, umask, *headrace(), *words)
    return folder


# ------------------------------------------------------------------ the engines

Build = Callable[[Site, Path, Path, int], list[str]]


def by_podman(site: Site, store: Path, folder: Path, umask: int, *words: str) -> list[str]:
    engine = podman(store)
    build = ("build", "--network=host", "--format=docker", *LIMITS, *words, "--tag=localhost/lab")
    under(site, umask, *engine, *build, folder)
    (told,) = json.loads(site.run(*engine, "image", "inspect", "localhost/lab").stdout)
    return list(told["RootFS"]["Layers"])


def by_buildah(site: Site, store: Path, folder: Path, umask: int, *words: str) -> list[str]:
    if shutil.which("buildah") is None:
        pytest.skip(lacks("engines", "there is no buildah"))
    engine = ("buildah", f"--root={store}", f"--runroot={store}-run", "--storage-driver=overlay")
    runtime = ("--runtime=runc",) if shutil.which("runc") else ()
    build = ("build", *runtime, "--network=host", *LIMITS, *words, "--tag=localhost/lab")
    under(site, umask, *engine, *build, folder)
    told = json.loads(site.run(*engine, "inspect", "--type=image", "localhost/lab").stdout)
    return list(told["OCIv1"]["rootfs"]["diff_ids"])


@contextlib.contextmanager
def dockerd(
    site: Site, store: Path, suite: str, settings: dict[str, Any]
) -> Iterator[tuple[str, ...]]:
    """Run the one of this machine, or of another Debian, with all that it keeps in a folder."""
    if shutil.which("dockerd") is None:
        pytest.skip(lacks("engines", "there is no dockerd"))
    if not buildx().exists():
        pytest.skip(lacks("engines of other ages", "there is no buildx"))
    store.joinpath("config/cli-plugins").mkdir(parents=True)
    store.joinpath("config/cli-plugins/docker-buildx").symlink_to(buildx())
    where = f"unix://{store}/docker.sock"
    mirrors = {"registry-mirrors": [site.registry.url]}
    store.joinpath("daemon.json").write_text(json.dumps({**mirrors, **settings}))
    words = ["dockerd", f"--data-root={store}/data", f"--exec-root={store}/exec", "-H", where]
    words += [f"--pidfile={store}/pid", f"--config-file={store}/daemon.json"]
    with contextlib.ExitStack() as stack:
        stack.callback(unmount, store)
        pid = stack.enter_context(home(suite, store))
        log = stack.enter_context((store / "log").open("wb"))
        program = enter(suite, pid, [*words, "--bridge=none", "--iptables=false"])
        daemon = subprocess.Popen(program, env={"PATH": _PATH}, stdout=log, stderr=log)
        stack.callback(daemon.wait, HANG)
        stack.callback(daemon.terminate)
        engine = ("docker", "-H", where)
        until(
            lambda: site.run(*engine, "info", code=None).returncode == 0,
            lambda: (store / "log").read_text(errors="replace")[-3000:],
            pause=0.1,
        )
        yield engine


def buildx() -> Path:
    return root_of(NEWER) / "usr/libexec/docker/cli-plugins/docker-buildx"


def by_docker(
    site: Site, store: Path, folder: Path, umask: int, *, kit: bool, suite: str = ""
) -> list[str]:
    with dockerd(site, store, suite, {}) as engine:
        variables = {"DOCKER_BUILDKIT": str(int(kit)), "DOCKER_CONFIG": f"{store}/config"}
        build = ("build", "--network=host", "--tag=lab", folder)
        under(site, umask, *engine, *build, **variables)
        (told,) = json.loads(site.run(*engine, "image", "inspect", "lab").stdout)
        return list(told["RootFS"]["Layers"])


def by_buildkit_that_rewrites(site: Site, store: Path, folder: Path, umask: int) -> list[str]:
    """Only with containerd's store does dockerd's BuildKit write such an archive."""
    settings = {"features": {"containerd-snapshotter": True}}
    with dockerd(site, store, NEWER, settings) as engine:
        archive = store / "lab.tar"
        words = ("buildx", "build", "--network=host", f"--build-arg=SOURCE_DATE_EPOCH={SECONDS}")
        to = f"--output=type=oci,dest={archive},rewrite-timestamp=true"
        under(site, umask, *engine, *words, to, folder, DOCKER_CONFIG=f"{store}/config")
    with tarfile.open(archive) as tar:

        def read(name: str) -> dict[str, Any]:
            content = tar.extractfile(name)
            assert content is not None
            found: dict[str, Any] = json.load(content)
            return found

        table = read("index.json")
        while "manifests" in table:
            table = read("blobs/" + table["manifests"][0]["digest"].replace(":", "/"))
        config = read("blobs/" + table["config"]["digest"].replace(":", "/"))
    return list(config["rootfs"]["diff_ids"])


def twice(site: Site, build: Build) -> tuple[list[str], list[str]]:
    """Build in fresh storage from two folders, of which the second one is written later."""
    made: list[list[str]] = []
    for name, umask in (("first", 0o022), ("second", 0o077)):
        folder = write(site, name, umask)
        if made:
            # A file's time has a resolution of a second in a layer.
            since = site.root.joinpath("first", "start.py").stat().st_mtime
            until(lambda: time.time() > since + 1)  # noqa: B023 - it is awaited here
        # Engines take no long names.
        store = Path(tempfile.mkdtemp(prefix="s", dir=site.root))
        made.append(build(site, store / "x", folder, umask))
        unmount(store)
        shutil.rmtree(store)
    return made[0], made[1]


#: Each keeps times of files in layers, so that those of torch are as slim.py left them.
OF_TORCH: dict[str, Build] = {
    "podman": by_podman,
    "buildah --layers": lambda *words: by_buildah(*words, "--layers"),
    "docker, without BuildKit": partial(by_docker, kit=False),
    "docker, BuildKit": partial(by_docker, kit=True),
    "docker 28, without BuildKit": partial(by_docker, kit=False, suite=NEWER),
    "docker 28, BuildKit": partial(by_docker, kit=True, suite=NEWER),
}
#: What was made in a step gets the time that was asked for.
OF_ALL: dict[str, Build] = {
    "podman --timestamp": lambda *words: by_podman(*words, f"--timestamp={SECONDS}"),
    "buildah --timestamp": lambda *words: by_buildah(*words, f"--timestamp={SECONDS}"),
    "docker 28, rewrite-timestamp": by_buildkit_that_rewrites,
}


@pytest.mark.parametrize("engine", OF_TORCH)
def test_layers_of_torch_are_the_same_at_another_time_and_umask(engine: str, site: Site) -> None:
    first, second = twice(site, OF_TORCH[engine])
    (told,) = json.loads(site.podman("image", "inspect", "localhost/base").stdout)
    before = len(told["RootFS"]["Layers"])
    assert first[before : before + 2] == second[before : before + 2]
    assert len(set(first[: before + 2])) == before + 2
    # Here the engine's own time is in what a step has made.
    assert first != second


@pytest.mark.parametrize("engine", OF_ALL)
def test_all_layers_are_the_same_where_an_engine_is_told_a_time(engine: str, site: Site) -> None:
    first, second = twice(site, OF_ALL[engine])
    assert first == second


# ------------------------------------------------------------------ what comes of it


def test_what_was_taken_out_says_so_and_comes_back_where_it_is_wanted(site: Site) -> None:
    folder = write(site, "started", 0o022)
    lines = folder.joinpath("requirements.txt").read_text()
    folder.joinpath("requirements.txt").write_text(f"{lines}beside-torch\nkernels-in-triton\n")
    site.podman("build", "--network=host", *LIMITS, "--tag=localhost/started", folder)
    run = ("run", "--rm", "--network=none", *LIMITS, "localhost/started")
    told = site.podman(*run, "python3", "-c", ASK)
    assert told.stdout.strip() == "3 this image has it not: slim.toml took it out 10"
    assert "libnccl.so.2: this image has it not: slim.toml took it out" in told.stderr
    listed = site.podman(*run, "python3", "-m", "pip", "list", "--format=freeze").stdout.split()
    assert {"torch==2.15.0", "triton==3.9.0", "kernels-in-triton==1.0"} <= set(listed)
    site.podman(*run, "python3", "-m", "pip", "check")
    # A date of today's would be in no second build.
    held = site.podman(*run[:-1], "--user=0", run[-1], "getent", "shadow", "me").stdout
    assert held.split(":")[2] == str(SECONDS // 86400)
    found = site.podman(*run, "sh", "-c", "find / -xdev -name '*.pyc' -path '*torch*'", code=None)
    assert [line for line in found.stdout.splitlines() if line.endswith(".pyc")] == []


def test_who_adds_what_is_to_be_compiled_is_told_how_to_keep_what_it_needs(site: Site) -> None:
    folder = write(site, "compiled", 0o022)
    folder.joinpath("requirements.txt").write_text("no-wheel-of-this\n")
    build = ("build", "--network=host", *LIMITS, "--tag=localhost/compiled", folder)
    done = site.podman(*build, code=None)
    assert done.returncode
    assert "delete the row of headers in" in done.stdout + done.stderr
