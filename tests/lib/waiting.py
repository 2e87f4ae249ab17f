"""Waiting for an event, with no opinion on how long it may take.

How quick a machine is must not decide on a test. What is bounded here is a test that hangs: it
gives up after a time that no working machine needs, and says what it saw.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["HANG", "until"]

T = TypeVar("T")

HANG = 240.0
"""Seconds after which something hangs. Not a limit that anything is to be measured by."""


def until(
    what: Callable[[], T], told: Callable[[], object] = lambda: "", *, pause: float = 0.02
) -> T:
    """Ask until the answer is true, and give it; `told` is what a failure shows."""
    end = time.monotonic() + HANG
    while not (found := what()):
        assert time.monotonic() < end, f"it never came: {told()}"
        time.sleep(pause)
    return found
