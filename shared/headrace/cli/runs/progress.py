"""The line of progress below a command that shows none itself: for whom, and what it says."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from headrace.cli.language.spoken import translated
from headrace.cli.runs.bottom_row import BottomRow
from headrace.cli.summary import bytes_text
from headrace.cli.upkeep.shown.times import ago
from headrace.wording import counted, listed, printable

__all__ = ["begin", "sentence", "showing", "wanted"]

#: Seconds before the first look, and between two: a short command is left alone.
FIRST, EVERY = 1.0, 1.0
#: Sources that are named; the others are counted.
_NAMED = 3


def wanted(env: Mapping[str, str]) -> bool:
    """Whether somebody sits at a terminal, where standard error goes, that can be drawn on."""
    return (
        sys.platform != "win32"
        and sys.stderr is not None
        and sys.stderr.isatty()
        and env.get("TERM", "") not in ("", "dumb")
        # What is set by everybody who runs tests and builds for others (also "0" means none).
        and env.get("CI", "").lower() in ("", "0", "false")
    )


@contextmanager
def showing(ask: Callable[[], Any], row: BottomRow) -> Iterator[None]:
    """Show how far the downloads are for as long as they come, in a thread."""
    end = begin(ask, row)
    try:
        yield
    finally:
        end()


def begin(ask: Callable[[], Any], row: BottomRow, *, first: float = FIRST) -> Callable[[], None]:
    """Begin with it `first` seconds from now; return what ends it, and gives the row back."""
    done = threading.Event()
    words = (done, ask, row, first)
    threading.Thread(target=_watch, args=words, name="progress", daemon=True).start()

    def end() -> None:
        done.set()
        row.end()

    return end


def _watch(done: threading.Event, ask: Callable[[], Any], row: BottomRow, wait: float) -> None:
    # Signals are for whoever waits for the command.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    before: tuple[float, float] | None = None
    while not done.wait(wait):
        wait = EVERY
        told, now = ask(), time.monotonic()
        came = _came(told)
        rate = (came - before[0]) / (now - before[1]) if before else 0.0
        before = came, now
        row.show(translated(sentence(told, rate)))


def sentence(status: Any, rate: float) -> str:
    """Say of an answer of ``/status`` what comes now, in one line; "" where nothing does. `rate`
    is in bytes per second; with 0 each file's own is taken.
    """
    files = _under_way(status)
    if not files:
        return ""
    here = sum(_number(each.get("here")) for each in files)
    sizes = [_number(each.get("size")) for each in files]
    known = all(sizes)
    rate = rate if rate > 0 else sum(map(_rate_of, files))
    what = f"{counted(len(files), 'file')}: " if len(files) > 1 else ""
    parts = [f"{what}{bytes_text(here)}{f' of {bytes_text(sum(sizes))}' if known else ''}"]
    if rate > 0:
        parts.append(f"{bytes_text(rate)}/s")
    if rate > 0 and known:
        parts.append(f"{ago(max(0.0, sum(sizes) - here) / rate)} left")
    given: dict[str, float] = {}
    for each in files:
        told = each.get("given")
        for source, count in (told if isinstance(told, Mapping) else {}).items():
            given[str(source)] = given.get(str(source), 0.0) + _number(count)
    if given:
        parts.append(f"from {listed(sorted(given, key=lambda s: -given[s]), most=_NAMED)}")
    if any(each.get("held_back") for each in files):
        parts.append("checked before it goes on")
    if len(files) == 1:
        # The longest, and what its reader knows best: it may be cut off.
        parts.append(str(files[0].get("name")))
    return printable(f"headrace  {', '.join(parts)}").replace("\n", " ").replace("\t", " ")


def _rate_of(file: Mapping[str, Any]) -> float:
    seconds = _number(file.get("seconds"))
    return _number(file.get("here")) / seconds if seconds >= 1 else 0.0


def _came(status: Any) -> float:
    """Return all bytes that came by now: of files that are done, and of those under way."""
    transfers = status.get("transfers") if isinstance(status, Mapping) else None
    by_source = transfers.get("bytes_by_source") if isinstance(transfers, Mapping) else None
    done = sum(map(_number, by_source.values())) if isinstance(by_source, Mapping) else 0.0
    return done + sum(_number(each.get("here")) for each in _under_way(status))


def _under_way(status: Any) -> list[Mapping[str, Any]]:
    told = status.get("under_way") if isinstance(status, Mapping) else None
    return [each for each in (told if isinstance(told, list) else ()) if isinstance(each, Mapping)]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
