"""How much of a body its reader is given at a time. Pure.

Each portion costs what it costs, however large it is, so large ones are cheap. But a client that
does not read keeps what it was given in memory, also when many others have come since.
"""

from __future__ import annotations

__all__ = ["LARGEST", "SMALLEST", "portion"]

LARGEST = 1 << 20
"""Bytes; more would leave a core's own cache before they are sent."""
SMALLEST = 64 << 10
_FEW = 4
"""Readers, each of whom is given the largest portion."""


def portion(readers: int) -> int:
    """Return how many bytes each of so many readers is given at a time.

    By the square of their number: whoever came when they were fewer keeps a larger one, and all
    those that the first, the second and each one since was given are to have a bounded sum.
    """
    share = LARGEST if readers <= _FEW else LARGEST * _FEW**2 // readers**2
    return max(SMALLEST, share - share % SMALLEST)
