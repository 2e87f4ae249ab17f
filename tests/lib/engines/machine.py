"""A machine with engines as a test wants them, its files below a folder of the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace.interface.hookspecs import Activation, FileEdit, Place
from headrace.system.edits.journal import Journal
from headrace_docker.engines.running import Daemon, Machine
from headrace_docker.registry_api.registries import known_registries
from lib.places import GATEWAY

__all__ = [
    "ORIGINS",
    "URL",
    "Engines",
    "assert_one_place",
    "daemon",
    "edits_of",
    "put",
    "read",
    "round_trip",
]

ORIGINS = [registry.origin for registry in known_registries()]
#: Where GATEWAY is, as engines write it.
URL = "http://127.0.0.1:17223"


def daemon(
    *arguments: str,
    mine: bool = True,
    rootless: bool = False,
    here: bool = True,
    same_files: bool = True,
) -> Daemon:
    """Give a daemon that runs."""
    return Daemon(17, arguments, mine, rootless, here, same_files)


@dataclass
class Engines:
    """What is there."""

    root: Path
    programs: Sequence[str] = ()
    running: dict[str, list[Daemon]] = field(default_factory=dict)
    version: tuple[int, ...] = ()
    info: Mapping[str, Any] | None = None

    def machine(self) -> Machine:
        """Return how activations see it."""
        return Machine(
            root=self.root,
            daemons=lambda name: self.running.get(name, []),
            program=lambda _, name: Path("/usr/bin") / name if name in self.programs else None,
            version=lambda _: self.version,
            ask=lambda _, __: self.info,
        )


def put(path: Path, content: str | bytes) -> Path:
    """Write a file of the user's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path) -> bytes | None:
    """Read a file; the test's machine lies below a folder, so nothing here is the real one's."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def round_trip(activation: Activation, place: Place, tmp_path: Path) -> dict[Path, bytes]:
    """Switch on twice and off; return what was written, every byte being as before in the end."""

    def files() -> dict[Path, bytes]:
        found = tmp_path.rglob("*")
        return {p: p.read_bytes() for p in found if p.is_file() and "journal" not in p.name}

    def folders() -> set[Path]:
        return {p for p in tmp_path.rglob("*") if p.is_dir()}

    journal = Journal(tmp_path / "journal", withdraw=lambda _, *file: activation.withdraw(*file))
    before, there = files(), folders()
    written: list[dict[Path, bytes]] = []
    for _ in range(2):
        edits = activation.enable(place, GATEWAY, ORIGINS, journal.pristine)
        journal.apply([(activation.tool, edit) for edit in edits])
        written.append({edit.path: edit.path.read_bytes() for edit in edits})
    assert written[0] == written[1]
    undone = journal.undo()
    assert undone.kept == ()
    assert undone.merged == ()
    assert files() == before
    assert folders() == there
    return written[0]


def edits_of(activation: Activation, place: Place) -> Sequence[FileEdit]:
    """Describe the edits."""
    return activation.enable(place, GATEWAY, ORIGINS, read)


def assert_one_place(before: str, after: str) -> None:
    """`after` is `before` with one piece put in."""
    start = next(
        (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(before)
    )
    assert after.endswith(before[start:])
