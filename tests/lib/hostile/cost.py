"""What a function costs as its input grows: a ratio of CPU times, never a time."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

__all__ = ["ENOUGH", "cpu", "growth"]

#: CPU seconds that can be measured well: sizes grow until a call takes that.
ENOUGH = 0.001
#: Four times the input costs four times as much where the cost is linear, sixteen times where it is
#: quadratic.
TIMES = 4


def cpu(call: Callable[[], object]) -> float:
    """Return the CPU seconds of one call. What it raises is not looked at here."""
    began = time.thread_time()
    try:
        call()
    except Exception:  # noqa: BLE001 - what a parser raises is another test's question
        return time.thread_time() - began
    return time.thread_time() - began


def growth(call: Callable[[int], Callable[[], object]], most: int, least: int = 250) -> float:
    """Return how many times more `TIMES` the input costs; 0 where nothing costs anything.

    `call` makes the input of a size and gives the function of it. Sizes go from `least` up to
    `most`, and stop where a call takes a while, so that a bad one harms nobody.
    """
    gc.disable()
    try:
        size = min(least, most // TIMES)
        # A load of others only ever adds: one dear call is asked again before it ends the growing.
        while size * 2 * TIMES <= most and _least(call(size), 1, stop=ENOUGH) < ENOUGH:
            size *= 2
        small, large = call(size), call(size * TIMES)
        little, much = _least(small, 3), _least(large, 2)
        # The least of all calls is what each of the two costs, so both are asked again together.
        for _ in range(3):
            if much < ENOUGH or much < little * TIMES * 1.5:
                break
            little, much = min(little, _least(small, 3)), min(much, _least(large, 2))
        return much / max(little, 1e-6) if much >= ENOUGH else 0.0
    finally:
        gc.enable()


def _least(call: Callable[[], object], times: int, stop: float = 0.0) -> float:
    """Return the least CPU seconds of some calls; two more where the first ones reach `stop`."""
    least = min(cpu(call) for _ in range(times))
    return min(least, cpu(call), cpu(call)) if stop and least >= stop else least
