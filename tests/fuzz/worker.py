"""One target in a process of its own.

``python -m fuzz.worker MODULE TARGET SECONDS SEED ENGINE MOST FOLDER``. What it finds stands in
FOLDER as it comes, and so does the input that is being tried: whatever ends this process, whoever
started it can tell by what.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import mmap
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuzz import engines

__all__ = ["CURRENT", "FOUND", "TOLD", "main"]

#: Files in the folder: the input that is being tried, findings as lines of JSON, figures.
CURRENT = "current"
FOUND = "found.jsonl"
TOLD = "told.json"
#: Seconds of trying, however long it took to begin.
_LEAST = 3.0
#: Bytes that this process may take at all: what wants more is told so by MemoryError.
_ADDRESSES = 6 << 30
#: Imported where they are used: their time would be that of the first input that needs them.
_LATE = ("httpx", "keyring", "packaging.utils", "rich.console", "ruamel.yaml", "tomlkit.items")


class _Slot:
    """The input that is being tried, where it can be read when this process is no more."""

    def __init__(self, path: Path, largest: int) -> None:
        path.write_bytes(bytes(8 + largest))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self._largest = largest

    def put(self, data: bytes) -> None:
        data = data[: self._largest]
        self._map[0:8] = len(data).to_bytes(8, "big")
        self._map[8 : 8 + len(data)] = data


def main(words: list[str]) -> int:
    """Run one target."""
    module, name, seconds, seed, engine, most, folder = words
    work = Path(folder)
    if engine == "atheris":
        engines.instrument()
    from fuzz import oracle, targets  # noqa: PLC0415 - what is instrumented comes with them

    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
    for late in _LATE:
        importlib.import_module(late)
    target = targets.find(module, name)
    found = (work / FOUND).open("a", encoding="utf-8")
    begun = time.monotonic()

    def tell(finding: Any) -> None:
        entry = {"what": finding.what, "detail": finding.detail, "place": finding.place}
        found.write(json.dumps({**entry, "data": finding.data.hex()}) + "\n")
        found.flush()

    with target.open() as run:
        slot = _Slot(work / CURRENT, target.largest)
        judge = oracle.Oracle(target, run, tell)
        started = time.monotonic()
        # What it took to begin is in its share, as long as some is left.
        until = max(begun + float(seconds), started + min(float(seconds), _LEAST))

        def one(data: bytes) -> str:
            slot.put(data)
            return judge(data)

        if engine == "atheris":
            engines.guided(target, one, int(seed), work, _ending(judge, started, until, work))
        kept = engines.plain(target, one, int(seed), until, int(most))
    _figures(work, judge.runs, time.monotonic() - started, kept)
    return 0


def _ending(judge: Any, started: float, until: float, work: Path) -> Callable[[], bool]:
    """Leave the process when the time is over: libFuzzer has it, and does not give it back."""

    def end() -> bool:
        now = time.monotonic()
        if now < until:
            return False
        kept = sum(1 for _ in (work / "grown").iterdir())
        _figures(work, judge.runs, now - started, kept)
        sys.stderr.flush()
        os._exit(0)

    return end


def _figures(work: Path, runs: int, seconds: float, kept: int) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> (
        20 if sys.platform == "darwin" else 10
    )
    told = {"runs": runs, "seconds": seconds, "kept": kept, "peak": peak}
    (work / TOLD).write_text(json.dumps(told), "utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
