"""Plays cells: several pips side by side, one gateway for all hosts."""

from __future__ import annotations

import itertools
import random
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from variants_study.asked import ASKED, Asked, pairs
from variants_study.hosts import StudyHost, hosts
from variants_study.stage import Stage, Took
from variants_study.verdicts import Verdict, verdicts

__all__ = ["Cell", "Outcome", "cells", "one", "play"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One of them."""

    host: StudyHost
    asked: Asked

    def __str__(self) -> str:
        """Name it."""
        return f"{self.host}: {self.asked}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a cell went."""

    cell: Cell
    wrong: tuple[tuple[Verdict, str], ...]
    """What should not be so; empty: it is fine."""
    plain: Took | None = None
    ours: Took | None = None
    explained: bool = False
    """`explain` was asked, too."""
    failed: str = ""
    """Why the study itself could not tell."""


def cells(seed: int, number: int, each: int, *, drawn: int = 2) -> list[Cell]:
    """Draw hosts, so many, and for each of them so many of the requests that are written down (0:
    all) and `drawn` others. Whatever is written down comes equally often. In no order, so that a
    part of them has some of each kind.
    """
    draw = random.Random(seed)
    others = pairs(draw)
    deck: list[Asked] = []
    found: list[Cell] = []
    for host in itertools.islice(hosts(seed), number):
        for _ in range(each or len(ASKED)):
            deck = deck or draw.sample(ASKED, len(ASKED))
            found.append(Cell(host, deck.pop()))
        found += [Cell(host, asked) for asked in itertools.islice(others, drawn)]
    draw.shuffle(found)
    return found


def one(cell: Cell, stage: Stage) -> Outcome:
    """Play one."""
    try:
        plain, ours = stage.plain(cell.asked), stage.through(cell.asked, cell.host)
        explained = stage.explained(cell.asked, cell.host)
    except Exception:  # noqa: BLE001 - the other cells are to be played
        return Outcome(cell, (), failed=traceback.format_exc())
    found = verdicts(cell.asked, cell.host, plain, ours, stage.listed, explained=explained)
    return Outcome(cell, tuple(found), plain, ours, explained=explained is not None)


def play(
    chosen: Iterable[Cell],
    stage: Stage,
    *,
    until: float,
    note: Callable[[Outcome], None],
) -> None:
    """Play cells until a moment (`time.monotonic`) comes; `note` hears of each, one at a time."""
    waiting, lock, stop = iter(chosen), threading.Lock(), threading.Event()

    def work() -> None:
        while not stop.is_set() and time.monotonic() < until:
            with lock:
                cell = next(waiting, None)
            if cell is None:
                return
            outcome = one(cell, stage)
            with lock:
                note(outcome)

    with ThreadPoolExecutor(stage.side_by_side) as pool:
        futures = [pool.submit(work) for _ in range(stage.side_by_side)]
        try:
            for future in futures:
                future.result()
        finally:
            stop.set()
