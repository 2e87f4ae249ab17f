"""Somebody with a conda of his own and headrace from elsewhere, a channel and its mirror."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lib.clients import Result
from lib.conda.bases import site_of, throw_away
from lib.conda.channels import Channel, package
from lib.conda.clients import Base, Conda, _run
from lib.gateway import headrace
from lib.holders import none_left
from lib.serving.ports import free_port
from lib.serving.servers import RecordingServer

MB = 1 << 20
ALPHA = package("alpha", "1.0", depends=["beta"], size=3 * MB)
BETA = package("beta", "1.0", size=1000)
OWN = "channel_priority: flexible\n"


class User:
    """Somebody with a base, a condarc, a drop-in of his own, and headrace from elsewhere."""

    def __init__(self, root: Path, real: Base, origin: RecordingServer) -> None:
        self.root, self.origin = root, origin
        self.channel = Channel("conda-forge")
        self.channel.add(ALPHA, BETA)
        self.url = self.channel.mount_origin(origin)
        self.mirror = RecordingServer(name="mirror").start()
        base = throw_away(root / "base", real)
        self.conda = Conda(base, root / "home", real.solvers[0])
        self.conda.configure(channels=[self.url], more="# mine")
        self.port = free_port()
        self.conda.variables |= {
            "PATH": f"{base.root / 'bin'}:/usr/bin:/bin",
            "CONDA_ROOT": str(base.root),
            "HEADRACE_ACCEPT_SHARED_PORT": "1",
            "HEADRACE_CONDA_BASE": str(base.root),
            "HEADRACE_HOME": str(root / "headrace"),
            "HEADRACE_PORT": str(self.port),
        }
        own = self.home / ".conda" / "condarc.d" / "own.yml"
        own.parent.mkdir(parents=True)
        own.write_text(OWN)
        copies = self.channel.mount_mirror(self.mirror, prefix="/copies")
        settings = root / "headrace" / "config" / "config.toml"
        settings.parent.mkdir(parents=True)
        settings.write_text(
            f'catalogue = false\npublic_origins = ["{origin.url}"]\n'
            f'[[mirror]]\nid = "mirror"\necosystem = "conda"\nurl = "{copies}"\n'
            'layout = "same-path"\n'
        )

    @property
    def home(self) -> Path:
        return self.conda.home

    @property
    def site(self) -> Path:
        return site_of(self.conda.base.root)

    def run(self, *words: str, env: dict[str, str] | None = None) -> Result:
        """Run a program as this user."""
        return _run(words, {**self.conda.variables, **(env or {})}, self.home, 120)

    def headrace(self, *words: str, env: dict[str, str] | None = None) -> Result:
        return self.run(*headrace(), *words, env=env)

    def row(self) -> dict[str, Any]:
        """What status says of conda."""
        table = json.loads(self.headrace("status", "--json").out)
        (row,) = [tool for tool in table["tools"] if tool["tool"] == "conda"]
        found: dict[str, Any] = row
        return found

    def files(self) -> dict[str, tuple[bytes, int, int]]:
        """Every file that could be touched: the home's, and the base's but for conda's caches."""
        passed = ("envs/", "pkgs/", "tmp/", ".cache/", ".conda/environments.txt")
        roots = (self.home, self.conda.base.root)
        return {
            str(path): (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode)
            for root in roots
            for path in sorted(root.rglob("*"))
            if path.is_file() and not str(path.relative_to(root)).startswith(passed)
        }

    def folders(self) -> set[str]:
        """Every folder of the base and of conda's settings."""
        roots = (self.home / ".conda", self.conda.base.root)
        found = {str(path) for root in roots for path in root.rglob("*") if path.is_dir()}
        return found - {str(self.conda.base.root / "envs")}  # conda's own doing

    def assert_through(self, *, stored: bool = False) -> None:
        """The gateway alone came to the origin; `stored`: it has all by now, so nobody came."""
        assert bool(self.origin.seen) is not stored
        for seen in self.origin.seen:
            assert seen.headers["user-agent"].startswith("headrace/"), seen
        given = self.origin.bytes_sent("*.conda") + self.mirror.bytes_sent("*.conda")
        assert (given >= 3 * MB) is not stored

    def assert_past(self) -> None:
        """conda itself came to the origin."""
        assert self.origin.seen
        for seen in self.origin.seen:
            assert seen.headers["user-agent"].startswith("conda/"), seen

    def anew(self) -> None:
        """Forget what was downloaded."""
        for folder in ("pkgs", "envs", "headrace-cache"):
            shutil.rmtree(self.home / folder, ignore_errors=True)
        self.origin.forget()
        self.mirror.forget()

    def assert_installed(self, env: str) -> None:
        assert ALPHA.installed_in(self.conda.prefix(env))
        meta = self.conda.meta(env)
        assert meta["alpha"]["url"] == f"{self.url}/{ALPHA.path}"
        told = self.conda.mentions(f"127.0.0.1:{self.port}")
        assert [name for name in told if name.startswith("envs/")] == []


def ended(tmp_path: Path) -> None:
    """Assert that no process of the test is left."""
    none_left(str(tmp_path))


@contextlib.contextmanager
def somebody(tmp_path: Path, real: Base, origin: RecordingServer) -> Iterator[User]:
    """Give a user; what a test leaves on is switched off."""
    user = User(tmp_path / "user", real, origin)
    try:
        yield user
    finally:
        user.headrace("off")
        user.headrace("gateway", "--stop")
        user.mirror.close()
    ended(tmp_path)
