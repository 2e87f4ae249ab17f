"""How the beginning of a file goes out while nobody can tell yet that the whole is right.

A client that can take nothing back is given a trickle: so little that the origin alone can supply
it, and so often that no client takes us for dead. Read timeouts of clients begin at 15 s, and rules
on least rates end at a thousand bytes per second (``data/clients.toml``).
"""

from __future__ import annotations

__all__ = ["BLOCK", "DRIP", "EVERY", "RETRY", "Pace"]

DRIP = 4 << 10
"""Bytes that go out at a time."""
EVERY = 2.0
"""Seconds between two."""
BLOCK = 32 << 10
"""Bytes that are asked for at a time: one request serves several drips, and several readers."""
RETRY = 4.0
"""Seconds until it is tried again where the bytes could not be had."""


class Pace:
    """Says when the next drip of one reader is due."""

    def __init__(self, begins: float) -> None:
        """`begins` is the time of the first one."""
        self.due = begins

    def gave(self, now: float) -> None:
        """Note that the reader was given something, whatever it was."""
        self.due = max(self.due, now + EVERY)

    def failed(self, now: float) -> None:
        """Note that there was nothing to give."""
        self.due = now + RETRY

    @staticmethod
    def block(position: int, size: int) -> tuple[int, int]:
        """Return the part to ask for that has the byte at `position`."""
        low = position - position % BLOCK
        return low, min(low + BLOCK, size)
