"""The clients, each with what it does to get the file, and how one sees that it is right."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from lib.clients import PIPS, UVS, Result, make_client
from lib.conda.world import CLIENTS as CONDAS
from lib.conda.world import World as CondaWorld
from lib.engines import drivers
from lib.engines.kinds import AGES, HERE, Kind, why_not
from lib.index import JSON
from lib.serving.ports import held_port
from lib.waiting import HANG
from lib.world import World
from matrix import stages
from matrix.stages import NAME, Stage

__all__ = ["CLIENTS", "Client", "Got", "Lane"]


@dataclass(frozen=True, slots=True)
class Got:
    """What a client made of a cell."""

    result: Result
    right: bool
    """What it says that it has is what the origin named."""
    older: bool = False
    """It is right, and an older release than the origin has."""


class Lane(Protocol):
    """A client that runs, for one cell after the other."""

    port: int
    """Where it expects the gateway; 0: anywhere."""

    def get(self, stage: Stage, root: Path) -> Got:
        """Let it get the file, as its user would."""

    def forget(self) -> None:
        """Throw away what it got."""


@dataclass(frozen=True, slots=True)
class Client:
    """One client."""

    name: str
    ecosystem: str
    open: Callable[[], contextlib.AbstractContextManager[Lane]]
    why_not: Callable[[], str | None] = lambda: None
    """Says why it cannot run here."""


@dataclass(slots=True)
class _Installer:
    """pip or uv: a new environment each time, with a cache of its own."""

    name: str
    port: int = 0

    def get(self, stage: Stage, root: Path) -> Got:
        client = make_client(root / "client", self.name)
        client.point_at(stage.gateway.index)
        result = client.install(NAME)
        holds = client.environment.holds
        if holds(stages.wheel(stage.size).files()):
            return Got(result, right=True)
        # While the origin is slow, a mirror's page may stand in for its own: what that one leads
        # to is confirmed by the origin, and may be an older release.
        older = stage.of_pages and holds(stages.OLDER_WHEEL.files())
        return Got(result, right=older, older=older)

    def forget(self) -> None:
        """Nothing: the environment goes with the cell."""


@dataclass(slots=True)
class _Curl:
    """curl, which follows a link of the page and neither resumes nor looks at a digest."""

    port: int = 0

    def get(self, stage: Stage, root: Path) -> Got:
        assert isinstance(stage.world, World)
        gateway, built, file = stage.gateway, stages.wheel(stage.size), root / "file"
        gateway.get(f"/simple/{NAME}/", {"Accept": JSON})
        path = stage.world.index.path(built.name)
        words = ("curl", "-sSfL", "-o", str(file), gateway.url + path)
        started = time.monotonic()
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=HANG)
        seconds = time.monotonic() - started
        right = file.exists() and file.read_bytes() == built.data
        return Got(Result(words, done.returncode, done.stdout, done.stderr, seconds), right)

    def forget(self) -> None:
        """Nothing: the file goes with the cell."""


@dataclass(slots=True)
class _CondaClient:
    """conda or py-rattler, with a new home each time."""

    name: str
    port: int = 0

    def get(self, stage: Stage, root: Path) -> Got:
        del root
        assert isinstance(stage.world, CondaWorld)
        client = stage.world.client(self.name)
        result = stage.world.install(client, "env", NAME)
        made = stages.conda_package(stage.size)
        return Got(result, right=made.installed_in(client.prefix("env")))

    def forget(self) -> None:
        """Nothing: the home goes with the cell."""


@dataclass(slots=True)
class _EngineLane:
    """An engine, which stays while gateways come and go on its port."""

    engine: drivers.Engine
    port: int

    def get(self, stage: Stage, root: Path) -> Got:
        del root
        assert stage.gateway.port == self.port
        name, started = f"library/{NAME}:v1", time.monotonic()
        done = self.engine.pull(name)
        seconds = time.monotonic() - started
        words = tuple(self.engine.words(name))
        result = Result(words, done.returncode, done.stdout, done.stderr, seconds)
        return Got(result, right=not done.returncode and self._right(stage, name))

    def _right(self, stage: Stage, name: str) -> bool:
        made = stages.image(stage.size)
        if made.digest not in self.engine.digest(name):
            return False
        if self.engine.kind.program != "skopeo":
            return True  # it names nothing that it did not check
        layer = self.engine.root / "pulled" / made.layer.digest.partition(":")[2]
        return hashlib.sha256(layer.read_bytes()).hexdigest() == layer.name

    def forget(self) -> None:
        """Remove the image and all that belongs to it."""
        self.engine.remove(f"library/{NAME}:v1")


# ---------------------------------------------------------------------- the table


def _opened(lane: Lane) -> contextlib.AbstractContextManager[Lane]:
    return contextlib.nullcontext(lane)


@contextlib.contextmanager
def _engine(kind: Kind) -> Iterator[Lane]:
    with held_port() as port, drivers.engine(kind, port) as running:
        yield _EngineLane(running, port)


def _all() -> Iterator[Client]:
    for name in (f"pip-{PIPS[-1]}", f"pip-{PIPS[0]}", f"uv-{UVS[-1]}"):
        yield Client(name, "python", partial(_opened, _Installer(name)))
    yield Client("curl", "python", partial(_opened, _Curl()))
    for name in CONDAS:
        yield Client(name, "conda", partial(_opened, _CondaClient(name)))
    for kind in (*HERE.values(), *AGES):
        yield Client(kind.name, "images", partial(_engine, kind), partial(why_not, kind))


CLIENTS: Mapping[str, Client] = {client.name: client for client in _all()}
