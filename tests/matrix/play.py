"""Plays cells: one client's after another, several clients side by side."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import tempfile
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from lib.images.world import ImageWorld
from matrix.cells import Cell
from matrix.clients import CLIENTS, Lane
from matrix.faults import EVERYWHERE, UNSEEN, spoil
from matrix.stages import STAGES, Stage

__all__ = ["Outcome", "one", "play", "wrong_files"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a cell went."""

    cell: Cell
    wrong: tuple[str, ...]
    """What should not be so; empty: it is fine."""
    seconds: float
    """The client's own."""
    sent: Mapping[str, int]
    """Bytes of files by who gave them."""
    met: bool
    """Somebody with the fault was asked at all."""
    older: bool = False
    """Right, and an older release than the origin has."""
    told: str = ""
    """What client and gateway said, of a cell that is not fine."""

    @property
    def share(self) -> float:
        """Share of the bytes that the origin gave."""
        total = sum(self.sent.values())
        origin = total - sum(n for name, n in self.sent.items() if name.startswith("mirror"))
        return origin / total if total else 0.0


def play(
    cells: Iterable[Cell],
    *,
    side_by_side: int,
    until: float,
    note: Callable[[Outcome], None],
) -> None:
    """Play cells until a moment (`time.monotonic`) comes; `note` hears of each.

    Whatever interrupts this is passed on when the cells that are under way have ended.
    """
    waiting: dict[str, deque[Cell]] = {}
    for cell in cells:
        waiting.setdefault(cell.client, deque()).append(cell)
    turns = deque(waiting)
    lanes: dict[str, Lane] = {}
    lock, stop = threading.Lock(), threading.Event()

    def work() -> None:
        # One cell of a client after another, and each client in its turn.
        while turns and not stop.is_set() and time.monotonic() < until:
            with contextlib.suppress(IndexError):
                name = turns.popleft()
                try:
                    if name not in lanes:
                        lanes[name] = started.enter_context(CLIENTS[name].open())
                    outcome = one(waiting[name].popleft(), lanes[name])
                except (Exception, pytest.skip.Exception):  # noqa: BLE001 - the others go on
                    outcome = _failed(waiting[name].pop(), "the client does not start")
                    waiting[name].clear()
                with lock:
                    note(outcome)
                if waiting[name]:
                    turns.append(name)

    with contextlib.ExitStack() as started, ThreadPoolExecutor(side_by_side) as pool:
        futures = [pool.submit(work) for _ in range(side_by_side)]
        try:
            for future in futures:
                future.result()
        finally:
            stop.set()


def one(cell: Cell, lane: Lane) -> Outcome:
    """Play one cell in a world of its own."""
    root = Path(tempfile.mkdtemp(prefix="matrix"))
    try:
        with contextlib.ExitStack() as stack:
            stage = STAGES[cell.ecosystem](root, stack, cell.size, pages=cell.of_pages)
            if isinstance(stage.world, ImageWorld):
                stage.world.port = lane.port
            try:
                return _played(cell, lane, stage, root)
            finally:
                lane.forget()
    except (Exception, pytest.skip.Exception):  # noqa: BLE001 - the other cells are to be played
        return _failed(cell, "the matrix itself failed")
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _failed(cell: Cell, why: str) -> Outcome:
    """Tell of what is being handled just now."""
    return Outcome(cell, (why,), 0, {}, met=True, told=traceback.format_exc())


def _played(cell: Cell, lane: Lane, stage: Stage, root: Path) -> Outcome:
    spoil(stage, cell.fault, cell.numbers)
    wrong, said, seconds, older = [], "", 0.0, False
    try:
        got = lane.get(stage, root)
    except subprocess.TimeoutExpired as error:
        wrong.append(f"no end after {error.timeout:.0f} s")
        seconds = error.timeout
    else:
        said, seconds, older = got.result.told(), got.result.seconds, got.older
        if got.result.code:
            wrong.append(f"the command ends with {got.result.code}")
        elif not got.right:
            wrong.append("what is there is not what the origin named")
    try:
        stage.assert_polite()
    except AssertionError as error:
        wrong.append(f"a mirror was asked what it should not be: {error}")
    sent, met = stage.sent(), _met(cell, stage)
    log = stage.gateway.log.read_text("utf-8", "replace")
    stage.gateway.close()
    wrong += [f"a wrong byte is in the store: {path.name}" for path in wrong_files(root)]
    if "Traceback (most recent call last)" in log:
        wrong.append("the gateway's log has a traceback")
    told = f"{said}\n\n{sent}\n\n{_asked(stage)}\n\n{log[-20_000:]}" if wrong else ""
    return Outcome(cell, tuple(wrong), seconds, sent, met, older, told)


def _met(cell: Cell, stage: Stage) -> bool:
    """Say whether anybody with the fault was asked; connections that failed leave no trace."""
    if cell.fault in UNSEEN:
        return True
    match = stage.pages if cell.of_pages else stage.files
    hosts = [stage.servers[number] for number in cell.numbers]
    if cell.fault in EVERYWHERE:
        return any(host.seen for host in hosts)
    return any(host.requests(match) for host in hosts)


def _asked(stage: Stage) -> str:
    return "\n".join(
        f"{s.started:.2f} {server.name} {s.method} {s.path} {s.range} {s.status} {s.sent}"
        for server in stage.servers
        for s in server.seen
    )


def wrong_files(root: Path) -> Iterator[Path]:
    """Give the files of a store below a folder that are not what their names say."""
    for path in root.rglob("sha256/??/*"):
        if hashlib.sha256(path.read_bytes()).hexdigest() != path.name:
            yield path
