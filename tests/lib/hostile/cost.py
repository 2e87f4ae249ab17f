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
        while size * 2 * TIMES <= most and cpu(call(size)) < ENOUGH:
            size *= 2
        small, large = call(size), call(size * TIMES)
        ratio = _ratio(small, large)
        # Somebody else's load shows once, a bad algorithm every time.
        for _ in range(3):
            if ratio < TIMES * 2:
                break
            ratio = min(ratio, _ratio(small, large))
        return ratio
    finally:
        gc.enable()


def _ratio(small: Callable[[], object], large: Callable[[], object]) -> float:
    much = min(cpu(large) for _ in range(2))
    if much < ENOUGH:
        return 0.0
    return much / max(min(cpu(small) for _ in range(3)), 1e-6)
