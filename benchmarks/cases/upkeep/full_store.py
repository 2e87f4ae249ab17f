"""A store at its limit against one below it: what each small file that comes costs the gateway."""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import Bench, Goal, Row
from benchmarks.loopback import served
from benchmarks.peers import curl
from benchmarks.peers.headrace import Gateway
from benchmarks.stage import Outcome, Stage

TITLE = "a store at its limit, on loopback, CPU of the gateway"

_ENTRIES = (10_000, 100_000)
_FILES = 30
#: Bytes of each, as of those that come.
_SIZE = 100_000
_JSON = "application/vnd.pypi.simple.v1+json"
#: Seconds that what the files have begun may go on, in both.
_AFTER = 2.0
_TURNS = 3


def run(bench: Bench) -> Iterator[Row]:
    """Let 30 small files come into a store of so many files."""
    with served(bench.corpus) as origin:
        for entries in _ENTRIES[:1] if bench.quick else _ENTRIES:
            used: dict[str, list[float]] = {"below": [], "at": []}
            for _ in range(max(bench.repeat, _TURNS)):
                for name, room in (("below", entries), ("at", 0)):
                    used[name].append(_cpu(bench, origin.url, entries, room, name))
            below, at = (statistics.median(seconds) for seconds in used.values())
            note = f"{at:.2f} s : {below:.2f} s"
            yield Row(f"{entries} files: at its limit / below", at / below, Goal(most=1.05), note)


def _cpu(bench: Bench, origin: str, entries: int, room: int, name: str) -> float:
    stage, wheels = Stage(), bench.corpus.small[:_FILES]
    limit = {"store_limit": (entries + room) * _SIZE}
    with Gateway(
        stage, origin, {}, settings=limit, prepare=lambda home: _fill(home, entries)
    ) as gateway:
        curl.get(
            stage,
            "pages",
            [f"{gateway.url}/simple/{wheel.project}/" for wheel in wheels],
            accept=_JSON,
        )
        _await_rest(gateway)
        before = gateway.cpu()
        outcome = curl.download_many(stage, name, gateway.url, wheels)
        time.sleep(_AFTER)
        seconds = gateway.cpu() - before
    bench.record(Outcome(name, outcome.seconds, outcome.code, detail={"cpu": seconds}))
    return seconds


def _await_rest(gateway: Gateway) -> None:
    """Wait until what a start brings is done: the index of the store, which was made by hand."""
    before = -1.0
    while (now := gateway.cpu()) != before:
        before = now
        time.sleep(1.0)


def _fill(home: Path, entries: int) -> None:
    chance, store = random.Random(1), home / "cache" / "store" / "sha256"
    long_ago = time.time() - 100_000
    for number in range(256):
        (store / f"{number:02x}").mkdir(mode=0o700, parents=True)
    for number in range(entries):
        name = chance.randbytes(32).hex()
        path = store / name[:2] / name
        path.touch()
        os.truncate(path, _SIZE)
        os.utime(path, (long_ago + number / 10, long_ago + number / 10))
