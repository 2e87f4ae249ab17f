"""Somebody who writes, builds and runs images with podman, and a registry that has their base."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from headrace.config import Folders
from headrace.interface.hookspecs import GatewayAddress
from headrace.system.state import State
from lib.capabilities import lacks
from lib.engines.kinds import HERE, why_not
from lib.engines.network import own_network
from lib.gateway import Gateway, headrace
from lib.images import debian_root
from lib.images.plain_registry import Running
from lib.waiting import HANG, until

__all__ = ["ACCOUNT", "LIMITS", "Site", "keys", "login", "made", "podman", "started", "unmount"]

TAG = "2.14.1-cuda12.6-cudnn9-runtime"
#: What this machine needs, where more than the limits of a container would be asked for.
LIMITS = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096")
BASE = """\
FROM localhost/plain
RUN useradd --uid 1000 --create-home ubuntu
ENV CUDA_VERSION=12.6.3 PYTORCH_VERSION=2.14.1 LD_LIBRARY_PATH=/usr/local/nvidia/lib
"""
ACCOUNT = 4321
SSH = (
    *("ssh", "-p", "2222", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"),
    *("-o", "LogLevel=ERROR"),
)


@dataclass
class Site:
    """Somebody with podman, and a registry that has the base."""

    root: Path
    gateway: Gateway
    engine: tuple[str, ...]
    registry: Running
    built: dict[str, Path] = field(default_factory=dict)

    def run(self, *words: object, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(word) for word in words],
            env={**self.gateway.env, "CONTAINERS_REGISTRIES_CONF": f"{self.root}/registries.conf"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=HANG,
            check=False,
        )
        assert code is None or done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
        return done

    def podman(self, *words: object, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        return self.run(*self.engine, *words, code=code)

    def write(self, name: str, *words: str) -> Path:
        folder = self.root / name
        self.run(
            *headrace(), "image", "write", "pytorch", folder, "--for", "driver=550,gpu=A100", *words
        )
        return folder

    def build(self, name: str, *words: str) -> None:
        """Write and build, once for all tests."""
        if name not in self.built:
            folder = self.built[name] = self.write(name, *words)
            numbers = (f"--build-arg=USER_ID={ACCOUNT}", f"--build-arg=GROUP_ID={ACCOUNT}")
            options = ("--network=host", "--format=docker", *numbers, *LIMITS)
            self.podman("build", *options, "--tag", f"localhost/{name}", folder)

    @contextlib.contextmanager
    def running(self, image: str, *options: object) -> Iterator[str]:
        """A container without a command, until it is healthy."""
        words = ("run", "--detach", "--network=host", *LIMITS, *options, f"localhost/{image}")
        name = self.podman(*words).stdout.strip()
        try:
            until(
                lambda: self.podman("exec", name, "start", "health", code=None).returncode == 0,
                lambda: self.podman("logs", name, code=None).stdout[-3000:],
                pause=0.1,
            )
            yield name
        finally:
            self.podman("rm", "--force", "--time=0", name, code=None)

    def stopped(self, name: str) -> int:
        """Stop it with far more time than it needs; the code says whether it was killed."""
        self.podman("stop", "--time=60", name)
        return int(self.podman("inspect", "--format={{.State.ExitCode}}", name).stdout)

    def logs(self, name: str) -> list[str]:
        done = self.podman("logs", name)
        return (done.stdout + done.stderr).splitlines()


def made(stack: contextlib.ExitStack, *, alone: bool) -> Site:
    """Somebody whose registry has the base of a family, as podman builds it."""
    if missing := [name for name in ("ssh", "ssh-keygen") if not shutil.which(name)]:
        pytest.skip(lacks("engines", f"{', '.join(missing)} is not installed here"))
    site = started(stack, alone=alone, suite=debian_root.SUITE)
    root, registry = site.root, site.registry
    site.podman("import", debian_root.packed(), "localhost/plain")
    (root / "base").mkdir()
    # All that apt is asked for is there, and to look for an archive in vain takes its time.
    offline = "RUN : > /etc/apt/sources.list\n" if alone else ""
    (root / "base" / "Dockerfile").write_text(BASE + offline)
    site.podman("build", *LIMITS, "--tag", "localhost/base", root / "base")
    to = f"docker://127.0.0.1:{registry.port}/pytorch/pytorch:{TAG}"
    site.podman("push", "--tls-verify=false", "localhost/base", to)
    site.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", root / "key")
    return site


def started(stack: contextlib.ExitStack, *, alone: bool, suite: str) -> Site:
    """Somebody with an empty registry, and what a base of a Debian's suite is made of."""
    if reason := why_not(HERE["podman"]):
        pytest.skip(reason)
    if not shutil.which("docker-registry"):
        pytest.skip(lacks("engines", "docker-registry is not installed here"))
    if reason := debian_root.why_not(suite):
        pytest.skip(lacks("engines of other ages", reason))
    if alone:
        stack.enter_context(own_network())
    root = Path(tempfile.mkdtemp(prefix="hr"))
    stack.callback(shutil.rmtree, root, ignore_errors=True)
    stack.callback(unmount, root)
    registry = Running(root, "hub", root / "storage", stack)
    gateway = Gateway(root / "home", ecosystem="docker", named={"docker.io": registry.url})
    stack.enter_context(gateway)
    home = gateway.root
    state = State(Folders(home / "config", home / "state", home / "cache"))
    state.record_gateway(GatewayAddress("127.0.0.1", gateway.port))
    (root / "registries.conf").write_text(
        f'[[registry]]\nprefix = "docker.io"\nlocation = "127.0.0.1:{registry.port}"\n'
        "insecure = true\n"
    )
    return Site(root, gateway, podman(root / "store"), registry)


def podman(store: Path) -> tuple[str, ...]:
    """Return the words of a podman that keeps its images in a folder of its own."""
    # crun refuses the cgroups of some machines.
    runtime = ("--runtime=runc",) if shutil.which("runc") else ()
    where = (f"--root={store}", f"--runroot={store}-run", "--storage-driver=overlay")
    return ("podman", *runtime, *where, "--events-backend=none", "--cgroup-manager=cgroupfs")


def unmount(root: Path) -> None:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        if (place := line.split()[1]).startswith(str(root)):
            subprocess.run(["umount", "-l", place], check=False)


def keys(site: Site) -> str:
    return f"--env=AUTHORIZED_KEYS={(site.root / 'key.pub').read_text().strip()}"


def login(
    site: Site, *words: str, user: str = "me", options: Sequence[object] = ()
) -> list[object]:
    known = ("-o", f"UserKnownHostsFile={site.root}/known")
    return [*SSH, *known, "-i", site.root / "key", *options, f"{user}@127.0.0.1", *words]
