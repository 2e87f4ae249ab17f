"""How this process keeps its memory small: few arenas, and free pages back to the system.

glibc gives each thread an arena of its own and keeps what is free in all of them; for a server of
few and short bursts of work that is mostly waste. Elsewhere nothing is done.
"""

from __future__ import annotations

import ctypes
import gc
import sys

__all__ = ["limit_arenas", "trim_heap"]

#: mallopt(3): the number of arenas that threads share.
_ARENA_MAX = -8
_ARENAS = 2


def limit_arenas() -> None:
    """Share few arenas between all threads; call it before they start."""
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(_ARENA_MAX, _ARENAS)


def trim_heap() -> None:
    """Collect garbage, and return free pages."""
    gc.collect()
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)
