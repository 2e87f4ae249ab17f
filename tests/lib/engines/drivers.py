"""Real engines, each led to a gateway as its own configuration has it, with a store of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from headrace.interface.hookspecs import FileEdit
from headrace_docker.config_files import hosts_toml
from headrace_docker.registry_api.registries import known
from lib.engines.homes import enter, home
from lib.engines.kinds import Kind
from lib.waiting import HANG, until

__all__ = ["Engine", "engine"]

#: PATH inside a root.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class Engine:
    """One engine."""

    kind: Kind
    root: Path
    port: int
    pid: int | None = None
    """The process whose mounts it runs in; None: this machine's."""
    partial: bool = False
    """podman takes of a layer what it lacks: with the overlay driver, from zstd:chunked layers."""
    daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        """An environment without the machine's own settings."""
        return {
            "PATH": _PATH if self.kind.suite else os.environ.get("PATH", os.defpath),
            "HOME": str(self.root / "home"),
            "XDG_RUNTIME_DIR": str(self.root / "run"),
            "DOCKER_CONFIG": str(self.root / "home"),
            "CONTAINERS_REGISTRIES_CONF": str(self.root / "registries.conf"),
            "REGISTRY_AUTH_FILE": str(self.root / "auth.json"),
            **(
                {"CONTAINERS_STORAGE_CONF": str(self.root / "storage.conf")} if self.partial else {}
            ),
            "LANG": "C.UTF-8",
        }

    def run(self, *words: object, timeout: float = HANG) -> subprocess.CompletedProcess[str]:
        """Run a program."""
        return subprocess.run(
            enter(self.kind.suite, self.pid, [str(word) for word in words]),
            env=self.env,
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def pull(self, name: str, *, timeout: float = HANG) -> subprocess.CompletedProcess[str]:
        """Pull an image of docker.io by its usual name: ``library/hello:v1``."""
        return self.run(*self.words(name), timeout=timeout)

    def words(self, name: str) -> list[str]:
        """Give the command that pulls."""
        target = self.root / "pulled"
        return {
            "skopeo": [
                *("skopeo", "copy", "--all", "--src-tls-verify=false", "--insecure-policy"),
                *(f"docker://127.0.0.1:{self.port}/{_full(name)}", f"dir:{target}"),
            ],
            "podman": [*self._podman(), "pull", "-q", _full(name)],
            "buildah": [*self._buildah(), "pull", "-q", _full(name)],
            "containerd": [*self._ctr(), "pull", *self._hosts(), _full(name)],
            "dockerd": [*self.docker(), "pull", "-q", _short(name)],
        }[self.kind.program]

    def digest(self, name: str) -> str:
        """Return the digest of an image that was pulled, as the engine tells it."""
        if self.kind.program == "skopeo":
            import hashlib  # noqa: PLC0415

            data = (self.root / "pulled" / "manifest.json").read_bytes()
            return f"sha256:{hashlib.sha256(data).hexdigest()}"
        if self.kind.program == "podman":
            words = [*self._podman(), "image", "inspect", "--format", "{{json .RepoDigests}}"]
            return self.run(*words, _full(name)).stdout
        if self.kind.program == "buildah":
            return self.run(*self._buildah(), "images", "--digests").stdout
        if self.kind.program == "containerd":
            return self.run(*self._ctr(), "ls", f"name=={_full(name)}").stdout
        words = [*self.docker(), "image", "inspect", "--format", "{{json .RepoDigests}}"]
        return self.run(*words, _short(name)).stdout

    def remove(self, name: str) -> None:
        """Remove an image with its content, if it is there."""
        words = {
            "podman": [*self._podman(), "rmi", "-af"],
            "buildah": [*self._buildah(), "rmi", "-af"],
            "containerd": [*self._ctr(), "rm", "--sync", _full(name)],
            "dockerd": [*self.docker(), "image", "rm", "-f", _short(name)],
        }
        if self.kind.program == "skopeo":
            shutil.rmtree(self.root / "pulled", ignore_errors=True)
        else:
            self.run(*words[self.kind.program])

    # ------------------------------------------------------------ each one's own

    def _podman(self) -> list[str]:
        store = [f"--root={self.root}/store", f"--runroot={self.root}/runroot"]
        driver = "overlay" if self.partial else "vfs"
        return ["podman", *store, f"--storage-driver={driver}", "--events-backend=none"]

    def _buildah(self) -> list[str]:
        store = [f"--root={self.root}/store", f"--runroot={self.root}/runroot"]
        return ["buildah", *store, "--storage-driver=vfs"]

    def _ctr(self) -> list[str]:
        return ["ctr", "-a", f"{self.root}/run/containerd.sock", "image"]

    def _hosts(self) -> list[str]:
        return ["--hosts-dir", str(self.root / "hosts"), "--local"][:2]

    def docker(self) -> list[str]:
        """Begin a command of docker's."""
        return ["docker", "-H", f"unix://{self.root}/run/docker.sock"]

    def prepare(self) -> None:
        """Write its configuration, and start it."""
        for folder in ("home", "run", "hosts/docker.io"):
            (self.root / folder).mkdir(parents=True)
        where = f"127.0.0.1:{self.port}"
        (self.root / "auth.json").write_text("{}")
        (self.root / "storage.conf").write_text(
            '[storage]\ndriver = "overlay"\n'
            f'graphroot = "{self.root}/store"\nrunroot = "{self.root}/runroot"\n'
            '[storage.options]\npull_options = {enable_partial_images = "true"}\n'
        )
        (self.root / "registries.conf").write_text(
            'unqualified-search-registries = []\n[[registry]]\nprefix = "docker.io"\n'
            'location = "docker.io"\n[[registry.mirror]]\n'
            f'location = "{where}/docker.io"\ninsecure = true\n'
        )
        (self.root / "hosts" / "docker.io" / "hosts.toml").write_text(
            'server = "https://registry-1.docker.io"\n'
            f'[host."http://{where}"]\ncapabilities = ["pull", "resolve"]\n'
        )
        if self.kind.program == "containerd":
            self._start_containerd()
        elif self.kind.program == "dockerd":
            self._start_dockerd(where)

    def _start_containerd(self) -> None:
        config = self.root / "containerd.toml"
        config.write_text(
            f'version = 2\nroot = "{self.root}/data"\nstate = "{self.root}/state"\n'
            'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
            f'[grpc]\naddress = "{self.root}/run/containerd.sock"\n'
        )
        self._daemon("containerd", "--config", str(config))
        self._wait(*self._ctr(), "ls")

    def _start_dockerd(self, where: str) -> None:
        if self.kind.version >= (28,):  # as `headrace on` has it for registries but docker.io
            base = self.root / "docker" / "certs.d"
            edit = hosts_toml.describe(
                "docker", base, known("ghcr.io"), f"http://{where}", lambda _: None
            )
            assert isinstance(edit, FileEdit)
            edit.path.parent.mkdir(parents=True)
            edit.path.write_bytes(edit.after or b"")
        config = self.root / "daemon.json"
        settings = {
            "registry-mirrors": [f"http://{where}"],
            **({} if self.kind.store else {"storage-driver": "vfs"}),
            **({"features": {"containerd-snapshotter": True}} if self.kind.store else {}),
            "iptables": False,
            "bridge": "none",
            "ip-forward": False,
        }
        config.write_text(json.dumps(settings))
        self._daemon(
            *("dockerd", "--data-root", f"{self.root}/data", "--exec-root", f"{self.root}/exec"),
            *("-H", f"unix://{self.root}/run/docker.sock", "--pidfile", f"{self.root}/docker.pid"),
            *("--config-file", str(config)),
        )
        self._wait(*self.docker(), "info")

    def start_again(self) -> None:
        """Start a dockerd that was ended."""
        self._start_dockerd(f"127.0.0.1:{self.port}")

    def end(self) -> None:
        """End what it started."""
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(HANG)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait(HANG)
        self.daemons.clear()

    def _daemon(self, *words: str) -> None:
        with (self.root / "log").open("ab") as log:
            inside = enter(self.kind.suite, self.pid, words)
            process = subprocess.Popen(inside, env=self.env, stdout=log, stderr=log)
        self.daemons.append(process)

    def _wait(self, *words: str) -> None:
        until(
            lambda: not self.run(*words).returncode,
            lambda: (self.root / "log").read_text(errors="replace")[-3000:],
            pause=0.1,
        )


@contextlib.contextmanager
def engine(kind: Kind, port: int, *, partial: bool = False) -> Iterator[Engine]:
    """Start an engine that asks the gateway on a port; whatever it started ends with it."""
    # Sockets and podman's run-time folder may not have long names.
    root = Path(tempfile.mkdtemp(prefix="hr"))
    try:
        with home(kind.suite, root) as pid:
            made = Engine(kind, root, port, pid, partial)
            try:
                made.prepare()
                yield made
            finally:
                made.end()
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _full(name: str) -> str:
    """Return an image's whole name; the first part of one is a registry when it has a dot."""
    return name if "." in name.partition("/")[0] else f"docker.io/{name}"


def _short(name: str) -> str:
    return name.removeprefix("library/")
