"""The indexes, the gateway that serves all hosts, and pips."""

from __future__ import annotations

import contextlib
import json
import queue
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import lib
from headrace.config import EnvVars
from headrace.interface.hookspecs import GatewayAddress
from headrace.variants.host_paths import base_of
from lib import wheels
from lib.clients import PIPS, Environment, Pip, Result
from lib.gateway import Gateway
from lib.gpu.explained import context_at
from lib.gpu.torch_family import Family, family
from lib.index import normalised
from lib.waiting import HANG
from lib.world import World, make_world
from variants_study.asked import LIBRARIES, Asked
from variants_study.facts import FACTS
from variants_study.hosts import StudyHost

__all__ = ["Listed", "Stage", "Took"]

_LOOKING = ("--dry-run", "--quiet", "--report", "-")


@dataclass(frozen=True, slots=True)
class Listed:
    """One file that an index lists."""

    project: str
    version: str
    """With its local part."""
    requires: str
    """Specifier of torch in its metadata."""
    uploaded: str


@dataclass(frozen=True, slots=True)
class Took:
    """What one pip would install, or why it would not."""

    versions: Mapping[str, str]
    """By project."""
    urls: Mapping[str, str]
    code: int
    told: str = ""

    @property
    def fine(self) -> bool:
        """Say whether pip succeeded."""
        return self.code == 0


@dataclass
class Stage:
    """One world for a whole study. A context manager."""

    root: Path
    side_by_side: int = 2
    pip: str = PIPS[-1]
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _pips: queue.SimpleQueue[Path] = field(default_factory=queue.SimpleQueue)
    _plain: dict[Asked, Took] = field(default_factory=dict)
    _locks: dict[Asked, threading.Lock] = field(default_factory=dict)

    def __enter__(self) -> Self:
        """Start it."""
        # Servers that run keep a process from its end.
        with contextlib.ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._stack.close()

    def _start(self, stack: contextlib.ExitStack) -> None:
        self.world: World = make_world(self.root, stack, mirrors=0, origin_rate=None)
        self.variants: Family = family(self.world.index)
        for name, requires in LIBRARIES.items():
            self.world.index.add(wheels.wheel(name, "1.0", requires))
        self.world.index.add(wheels.backend())
        self._date()
        self.whl = self.variants.mount(self.world.pages, self.world.files)
        self.world.named["pytorch"] = self.whl
        gateway = Gateway(
            self.root / "gateway",
            origins=[self.world.origin],
            named=self.world.named,
            env={"PYTHONPATH": str(Path(lib.__file__).parents[1])},
        )
        gateway.command = [sys.executable, "-m", "variants_study.patient_gateway"]
        self.world.running = stack.enter_context(gateway)
        for number in range(self.side_by_side):
            self._pips.put(self.root / f"pip-{number}")

    def _date(self) -> None:
        for each in self.world.index.files:
            if day := FACTS.released.get((each.built.project, each.built.version)):
                each.upload_time = f"{day}T00:00:00.000000Z"
        for found in self.variants.files.values():
            for built in found:
                # What such a build carries along (a compiler) is as old as any of them.
                day = FACTS.released.get(
                    (built.project, built.version.partition("+")[0]), min(FACTS.released.values())
                )
                self.variants.times[built.name] = f"{day}T00:00:00Z"

    @cached_property
    def listed(self) -> list[Listed]:
        """All files of the family, on whichever index."""
        own = [each.built for each in self.world.index.files]
        every = [*own, *(built for found in self.variants.files.values() for built in found)]
        return [
            Listed(built.project, built.version, _torch_of(built), day)
            for built in every
            if (day := FACTS.released.get((built.project, built.version.partition("+")[0])))
        ]

    # ------------------------------------------------------------------ pips

    def plain(self, asked: Asked) -> Took:
        """Ask the indexes themselves, once for all hosts."""
        with self._locks.setdefault(asked, threading.Lock()):
            if asked not in self._plain:
                self._plain[asked] = self._ask(asked, f"{self.world.origin}/")
            return self._plain[asked]

    def through(self, asked: Asked, host: StudyHost) -> Took:
        """Ask headrace, for a host."""
        base = base_of({EnvVars.HEADRACE_TARGET: host.target})
        gateway = GatewayAddress("127.0.0.1", self.world.gateway.port, base=base)
        return self._ask(asked, gateway.url(f"{base}/simple/"))

    def explained(self, asked: Asked, host: StudyHost) -> dict[str, str] | None:
        """Return what `explain` says that pip takes of each project, as the gateway's path, ""
        for nothing; None where it cannot be asked.
        """
        from headrace.cli.explaining.builds import explain  # noqa: PLC0415 - start-up time

        if not asked.explained:
            return None
        python = f"{sys.version_info[0]}.{sys.version_info[1]}"
        address = GatewayAddress("127.0.0.1", self.world.gateway.port)
        found = {}
        for project, specifier in asked.needs:
            told = explain(
                project,
                specifier,
                self._context,
                address,
                host.target,
                python=python,
                companions=[each for each in asked.needs if each[0] != project],
            )
            found[project] = "".join(told.paths) if told else ""
        return found

    @cached_property
    def _context(self) -> Any:
        return context_at(self.world, self.root / "explain")

    def _ask(self, asked: Asked, index: str) -> Took:
        with self._lane(asked) as pip:
            pip.point_at(index)
            newest = next(e for e in self.world.index.of("torch") if e.built.version == "2.15.0")
            named = {
                "{whl}": self.whl,
                "{hash}": newest.built.sha256,
                "{newest}": self.world.files.url + newest.path,
            }

            def filled(text: str) -> str:
                for name, meant in named.items():
                    text = text.replace(name, meant)
                return text

            for name, text in asked.files:
                pip.environment.write(name, filled(text))
            there = () if asked.installed else ("--ignore-installed",)
            words = (*_LOOKING, *there, *map(filled, asked.words))
            env = {name: filled(value) for name, value in asked.variables}
            return self._took(pip.run("install", *words, env=env))

    @contextlib.contextmanager
    def _lane(self, asked: Asked) -> Iterator[Pip]:
        """Lend a pip that nobody else uses meanwhile."""
        folder = self._pips.get()
        try:
            name = asked.installed.replace("+", "-") or "empty"
            yield self._pip(folder / name, asked.installed)
        finally:
            self._pips.put(folder)

    def _pip(self, folder: Path, installed: str) -> Pip:
        known: dict[Path, Pip] = self.__dict__.setdefault("_made", {})
        if folder not in known:
            known[folder] = Pip(self.pip, Environment(folder))
            known[folder].environment.variables["PIP_DEFAULT_TIMEOUT"] = f"{HANG:.0f}"
            if installed:
                _put(known[folder].environment, installed)
        return known[folder]

    def _took(self, ran: Result) -> Took:
        if ran.code:
            return Took({}, {}, ran.code, ran.told())
        items = json.loads(ran.out)["install"]
        versions = {normalised(i["metadata"]["name"]): i["metadata"]["version"] for i in items}
        urls = {
            normalised(i["metadata"]["name"]): str(i["download_info"]["url"]).removeprefix(
                self.world.gateway.url
            )
            for i in items
        }
        return Took(versions, urls, 0, ran.told())


def _put(environment: Environment, version: str) -> None:
    """Install torch as far as installers look."""
    folder = environment.packages / f"torch-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_bytes(wheels.metadata("torch", version))
    (folder / "INSTALLER").write_text("pip\n", "utf-8")
    (folder / "RECORD").write_text("", "utf-8")


def _torch_of(built: wheels.Built) -> str:
    lines = (built.metadata or b"").decode().splitlines()
    needs = [line.removeprefix("Requires-Dist: torch") for line in lines if "Dist: torch" in line]
    return needs[0] if needs else ""
