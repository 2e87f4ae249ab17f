"""What a target is, and what is wrong."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import HeadraceError

__all__ = ["CORPUS", "BrokenLaw", "Finding", "Run", "Target"]

CORPUS = Path(__file__).parent / "corpus"

#: Takes one input. What it returns tells kinds of answers apart, for engines without coverage.
Run = Callable[[bytes], object]


class BrokenLaw(Exception):  # noqa: N818 - what the oracle says, not what a program raises
    """What must hold after every input does not: a round trip, an answer's status."""


@dataclass(frozen=True, slots=True)
class Target:
    """One entry point for foreign text."""

    name: str
    run: Run | None = None
    """None: `opened` gives it."""
    allowed: tuple[type[Exception], ...] = (HeadraceError,)
    """What may leave it, as its docstring says."""
    words: tuple[bytes, ...] = ()
    """What the format's grammar is made of, beside what stands in the seeds."""
    largest: int = 8192
    """Bytes of an input."""
    opened: Callable[[], AbstractContextManager[Run]] | None = None
    """For what must be started first, and ended."""
    guided: bool = True
    """False: what is tested runs elsewhere, so that coverage here says nothing."""
    weight: int = 1
    """Shares of the time."""
    timed: bool = True
    """False: others' work is in its time."""

    @property
    def module(self) -> str:
        """The module that it stands in."""
        function = self.run or self.opened
        while isinstance(function, functools.partial):
            function = function.func
        assert function is not None
        return function.__module__

    def open(self) -> AbstractContextManager[Run]:
        """Start it."""
        if self.opened is not None:
            return self.opened()
        assert self.run is not None
        return contextlib.nullcontext(self.run)

    def seeds(self) -> list[bytes]:
        """Return the corpus in the tree, always in the same order."""
        folder = CORPUS / self.name
        return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []


@dataclass(frozen=True, slots=True)
class Finding:
    """One input that shows a fault."""

    target: str
    what: str
    """``exception``, ``law``, ``time``, ``memory`` or ``crash``."""
    detail: str
    """One line."""
    place: str
    """The innermost line of ours, as ``file:line``."""
    data: bytes

    @property
    def key(self) -> tuple[str, str, str]:
        """What is the same fault."""
        if self.what in ("time", "memory"):  # whichever of its lines was running
            return self.target, self.what, self.place.partition(":")[0]
        return self.target, self.what, self.place + self.detail.partition(":")[0]
