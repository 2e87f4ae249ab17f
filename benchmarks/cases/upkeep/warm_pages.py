"""A tree that was resolved before, once more: what that costs the gateway."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from benchmarks.bench import Bench, Goal, Row
from benchmarks.loopback import served
from benchmarks.peers import pip
from benchmarks.peers.headrace import Gateway
from benchmarks.stage import Stage

TITLE = "pip resolves a tree of 40 packages again, on loopback, CPU of the gateway"

_TURNS = 5
#: Seconds that what a resolve has begun may go on.
_AFTER = 1.0


def run(bench: Bench) -> Iterator[Row]:
    """Resolve twice, for the store and for what is done in the background, and then once more."""
    used: dict[str, list[float]] = {"cold": [], "warm": []}
    wheel = bench.corpus.tree[0]
    with served(bench.corpus) as origin, Gateway(Stage(), origin.url, {}) as gateway:
        for turn in range(2 + max(bench.repeat, _TURNS)):
            before = gateway.cpu()
            outcome = pip.resolve(Stage(), "pip, again" if turn else "pip", gateway.url, wheel)
            time.sleep(_AFTER)
            seconds = gateway.cpu() - before
            outcome.detail.update(cpu=seconds)
            bench.record(outcome)
            if outcome.good and turn != 1:
                used["warm" if turn else "cold"].append(seconds)
    if not used["warm"]:
        yield Row("warm, CPU", None, Goal(most=0.1), outcome.told)
        return
    note = f"{min(used['warm']):.2f} to {max(used['warm']):.2f}; cold {used['cold'][0]:.2f} s"
    yield Row("warm, CPU", statistics.median(used["warm"]), Goal(most=0.1), note, " s")
