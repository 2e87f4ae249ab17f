"""How much of a body its reader is given at a time. Pure.

Each portion costs what it costs, however large it is, so large ones are cheap. But a client that
does not read keeps what it was given in memory, so all readers share what all may keep.
"""

from __future__ import annotations

__all__ = ["LARGEST", "SMALLEST", "portion"]

LARGEST = 1 << 20
"""Bytes; more would leave a core's own cache before they are sent."""
SMALLEST = 64 << 10
_TOGETHER = 16 << 20
"""Bytes of one portion of each, while the smallest ones do not take more."""


def portion(readers: int) -> int:
    """Return how many bytes each of so many readers is given at a time."""
    return max(SMALLEST, min(LARGEST, _TOGETHER // max(1, readers)))
