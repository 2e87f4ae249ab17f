"""A gateway that runs, known to the command line as the user's own, and what the commands say."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headrace.config import Folders
from headrace.interface.hookspecs import GatewayAddress
from headrace.system import download_record
from headrace.system.state import State
from lib import wheels
from lib.gateway import headrace
from lib.waiting import until
from lib.world import World, make_world

THING = wheels.wheel("thing", "1.0", size=3_000_000)


@dataclass(slots=True)
class Bench:
    """A world, and the command line of its user."""

    world: World

    @property
    def root(self) -> Path:
        """The user's HEADRACE_HOME."""
        return self.world.gateway.root

    @property
    def settings(self) -> Path:
        """The user's settings file."""
        return self.root / "config" / "config.toml"

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run one command, its output piped."""
        return subprocess.run(
            [*headrace(), *words],
            env={**self.world.gateway.env, "HEADRACE_LOG": "warning", **env},
            capture_output=True,
            text=True,
            check=False,
            cwd=self.root,
        )

    def ok(self, *words: str, **env: str) -> str:
        """Run one that must succeed; give what it says."""
        done = self.run(*words, **env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def json(self, *words: str) -> Any:
        """Give what a command says in JSON, however it ends."""
        return json.loads(self.run(*words, "--json").stdout)

    def recorded(self, count: int) -> None:
        """Wait until so many downloads are written down."""
        path = self.root / "state" / download_record.NAME
        until(lambda: len(list(download_record.entries(path))) >= count, self.world.gateway.told)

    def stored(self, count: int) -> None:
        """Wait until so many files are in the store: on a busy disk they come there later than to
        the client.
        """
        folder = self.root / "cache" / "store" / "sha256"
        until(lambda: len(list(folder.rglob("?" * 64))) >= count, self.world.gateway.told)

    def fetch(self, name: str = THING.name, agent: str = "pip/26.3 {}") -> bytes:
        """Take a file as an installer does."""
        path = self.world.index.path(name)
        self.world.gateway.get(f"/simple/{name.partition('-')[0]}/", {"User-Agent": agent})
        status, _, body = self.world.gateway.get(path, {"User-Agent": agent})
        assert status == 200, body[:200]
        return body


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """One origin and two mirrors of it, with one file."""
    with ExitStack() as stack:
        made = make_world(tmp_path, stack, mirrors=2)
        made.index.add(THING)
        gateway = made.gateway
        root = gateway.root
        state = State(Folders(root / "config", root / "state", root / "cache"))
        state.record_gateway(GatewayAddress("127.0.0.1", gateway.port))
        yield Bench(made)
