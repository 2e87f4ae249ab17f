"""Somebody who builds images on a network of a test's own, from an index and its mirrors there."""

from __future__ import annotations

import contextlib
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from lib.engines import rootless as rootless_account
from lib.engines.homes import enter, home
from lib.engines.kinds import AGES, HERE, why_not
from lib.engines.network import ADDRESS, own_network
from lib.engines.roots import root_of
from lib.gateway import free_port, headrace
from lib.holders import none_left
from lib.images import python_root
from lib.serving.certificates import authority
from lib.serving.faults import large
from lib.waiting import HANG, until
from lib.wheels import wheel
from lib.world import World, make_world

DOCKERFILE = """\
FROM localhost/base
RUN python3 -m pip install --no-cache-dir --no-compile large
RUN ["/usr/bin/python3", "-m", "pip", "install", "--no-cache-dir", "--no-compile", "other"]
"""


@dataclass
class Builder:
    """One user."""

    world: World
    root: Path
    """Of the engine and of the user; short, because sockets are below it."""
    variables: dict[str, str] = field(default_factory=dict)
    engine: tuple[str, ...] = ()
    """The engine's program, and its own options."""
    options: tuple[str, ...] = ()
    """Of each build: what this machine needs."""
    tls: ssl.SSLContext | None = None
    """For more servers that its base images trust."""
    before: tuple[str, ...] = ()
    """What stands before each command: who runs it, and where."""

    def run(
        self, *words: object, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as this user."""
        return subprocess.run(
            [*self.before, *(str(word) for word in words)],
            env={**self.variables, **(env or {})},
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=HANG,
            check=False,
        )

    def build(
        self, name: str, *more: str, led: bool = True, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Build the image of the folder ``context``."""
        before = [*headrace(), "build", "--"] if led else []
        words = [*before, *self.engine, "build", *self.options, *more, "-t", name]
        return self.run(*words, self.root / "context", env=env)

    def dockerfile(self, text: str) -> Path:
        """Write what is built."""
        path = self.root / "context" / "Dockerfile"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def own_words(self) -> int:
        """Bytes of files that the origin gave."""
        return self.world.files.bytes_sent("*.whl")


def somebody(root: Path, stack: contextlib.ExitStack, tmp_path: Path) -> Builder:
    """Make one, without an engine."""
    company = authority(tmp_path / "authority", ADDRESS)
    world = make_world(tmp_path, stack, host=ADDRESS, tls=company.server)
    world.index.add(large(), wheel("small", "1.0"), wheel("other", "1.0"), wheel("pip", "1.0"))
    for folder in ("home", "run", "tmp"):
        (root / folder).mkdir()
    variables = {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "HOME": str(root / "home"),
        "TMPDIR": str(root / "tmp"),
        "XDG_RUNTIME_DIR": str(root / "run"),
        "LANG": "C.UTF-8",
        "HEADRACE_HOME": str(root / "headrace"),
        "HEADRACE_PORT": str(free_port()),
        "HEADRACE_CONDA_BASE": str(root / "no-conda"),
        "SSL_CERT_FILE": str(company.certificate),
        "PIP_INDEX_URL": world.origin,
    }
    lines = ["catalogue = false", f'public_origins = ["{world.origin}"]']
    for mirror in world.described:
        lines += ["[[mirror]]", f'id = "{mirror.id}"', f'url = "{mirror.url}"']
        lines += [f'layout = "{mirror.layout}"']
    path = root / "headrace" / "config" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return Builder(world, root, variables, tls=company.server)


def base_image(builder: Builder, root: Path, tmp_path: Path) -> Path:
    """Pack a base image that trusts the world's authority and has a pip.conf of its own."""
    own = {
        "/etc/pip.conf": f"[global]\nindex-url = {builder.world.origin}\n",
        "/etc/ssl/certs/ca-certificates.crt": Path(builder.variables["SSL_CERT_FILE"]).read_text(),
    }
    return python_root.with_own(root, tmp_path / "base.tar", own)


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What all base images begin with."""
    return python_root.packed(tmp_path_factory.mktemp("python"))


@pytest.fixture
def alone() -> Iterator[Path]:
    """A short folder, on a network of its own."""
    if reason := why_not(HERE["podman"]):
        pytest.skip(reason)
    root = Path(tempfile.mkdtemp(prefix="hr"))
    try:
        with own_network():
            yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(params=["podman", pytest.param("buildah", marks=pytest.mark.nightly)])
def family(
    request: pytest.FixtureRequest, alone: Path, python: Path, tmp_path: Path
) -> Iterator[Builder]:
    """Somebody with podman or buildah."""
    yield from _of_family(str(request.param), alone, python, tmp_path)


@pytest.fixture
def podman(alone: Path, python: Path, tmp_path: Path) -> Iterator[Builder]:
    """Somebody with podman."""
    yield from _of_family("podman", alone, python, tmp_path)


def _of_family(program: str, alone: Path, python: Path, tmp_path: Path) -> Iterator[Builder]:
    """Make one. Nothing of a build may be left in the end."""
    if reason := why_not(HERE[program]):
        pytest.skip(reason)
    with contextlib.ExitStack() as stack:
        made = somebody(alone, stack, tmp_path)
        store = (f"--root={alone}/store", f"--runroot={alone}/runroot", "--storage-driver=overlay")
        podman = ("podman", *store, "--events-backend=none", "--cgroup-manager=cgroupfs")
        made.run(
            *podman, "import", base_image(made, python, tmp_path), "localhost/base"
        ).check_returncode()
        made.engine = podman if program == "podman" else ("buildah", *store)
        made.options = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096")
        made.dockerfile(DOCKERFILE)
        yield made
        until(lambda: not list((alone / "tmp").glob("headrace-run-*")))
        none_left(str(alone))
        stack.callback(partial(_unmount, alone))


@pytest.fixture
def rootless(alone: Path, python: Path, tmp_path: Path) -> Iterator[Builder]:
    """Somebody who is not root, with podman."""
    if reason := rootless_account.why_not():
        pytest.skip(reason)
    with contextlib.ExitStack() as stack:
        made = somebody(alone, stack, tmp_path)
        # Of pytest's own folders nobody else sees anything.
        trusted = shutil.copy(made.variables["SSL_CERT_FILE"], alone / "authority.pem")
        image = shutil.copy(base_image(made, python, tmp_path), alone / "base.tar")
        made.variables |= {"SSL_CERT_FILE": str(trusted), "LOGNAME": "rootless", "USER": "rootless"}
        made.dockerfile(DOCKERFILE)
        for path in (alone, *alone.rglob("*")):
            os.chown(path, rootless_account.NUMBER, rootless_account.NUMBER)
        made.before = stack.enter_context(rootless_account.account(alone))
        made.engine = ("podman", "--events-backend=none", "--cgroup-manager=cgroupfs")
        made.options = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096")
        made.run(*made.engine, "import", image, "localhost/base").check_returncode()
        yield made
        until(lambda: not list((alone / "tmp").glob("headrace-run-*")))


@pytest.fixture
def docker(alone: Path, python: Path, tmp_path: Path) -> Iterator[Builder]:
    """Somebody with a dockerd of Debian forky, and its buildx."""
    kind = next(each for each in AGES if each.name == "dockerd-28.5-classic")
    reason = why_not(kind) or why_not(HERE["dockerd"])
    if reason:
        pytest.skip(reason)
    with contextlib.ExitStack() as stack:
        made = somebody(alone, stack, tmp_path)
        pid = stack.enter_context(home(kind.suite, alone))
        plugins = alone / "home" / ".docker" / "cli-plugins"
        plugins.mkdir(parents=True)
        for each in ("docker-buildx", "docker-compose"):
            (plugins / each).symlink_to(
                root_of(kind.suite) / "usr/libexec/docker/cli-plugins" / each
            )
        where = f"unix://{alone}/run/docker.sock"
        (alone / "daemon.json").write_text("{}")
        words = ["dockerd", f"--data-root={alone}/data", f"--exec-root={alone}/exec", "-H", where]
        words += [f"--pidfile={alone}/docker.pid", f"--config-file={alone}/daemon.json"]
        log = stack.enter_context((alone / "log").open("wb"))
        inside = enter(kind.suite, pid, words)
        daemon = subprocess.Popen(inside, env={"PATH": _PATH}, stdout=log, stderr=log)
        stack.callback(daemon.wait, HANG)
        stack.callback(daemon.terminate)
        made.engine = ("docker", "-H", where)
        until(
            lambda: made.run(*made.engine, "info").returncode == 0,
            lambda: (alone / "log").read_text(errors="replace")[-3000:],
            pause=0.1,
        )
        made.run(
            *made.engine, "import", base_image(made, python, tmp_path), "localhost/base"
        ).check_returncode()
        made.dockerfile(DOCKERFILE)
        yield made
        until(lambda: not list((alone / "tmp").glob("headrace-run-*")))


@pytest.fixture
def dockerd(alone: Path, python: Path, tmp_path: Path) -> Iterator[Builder]:
    """Somebody with the dockerd of this machine, of whichever age."""
    if reason := why_not(HERE["dockerd"]):
        pytest.skip(reason)
    with contextlib.ExitStack() as stack:
        made = somebody(alone, stack, tmp_path)
        where = f"unix://{alone}/run/docker.sock"
        (alone / "daemon.json").write_text("{}")
        words = ["dockerd", f"--data-root={alone}/data", f"--exec-root={alone}/exec", "-H", where]
        words += [f"--pidfile={alone}/docker.pid", f"--config-file={alone}/daemon.json"]
        log = stack.enter_context((alone / "log").open("wb"))
        daemon = subprocess.Popen(words, stdout=log, stderr=log)
        stack.callback(daemon.wait, HANG)
        stack.callback(daemon.terminate)
        made.engine = ("docker", "-H", where)
        made.variables["DOCKER_HOST"] = where
        until(
            lambda: made.run(*made.engine, "info").returncode == 0,
            lambda: (alone / "log").read_text(errors="replace")[-3000:],
            pause=0.1,
        )
        made.run(
            *made.engine, "import", base_image(made, python, tmp_path), "localhost/base"
        ).check_returncode()
        yield made


#: PATH inside a root of another suite.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _unmount(root: Path) -> None:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        if (place := line.split()[1]).startswith(str(root)):
            subprocess.run(["umount", "-l", place], check=False)
