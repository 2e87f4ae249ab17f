"""Whether bytes come faster than this process takes them: more connections are in its way then.

What a connection brings waits until it is taken. Where each piece that is taken is as large as can
be, the sender has been stopped meanwhile, and no line is what limits the download. Each request
more costs time then that the bytes would need, and brings none.
"""

from __future__ import annotations

from headrace.transfer.rates import Meter

__all__ = ["FAST", "FEW", "FULL", "Backpressure"]

FULL = 192 << 10
"""Bytes; a piece of so many is as large as one gets, within TLS too."""
FAST = 64e6
"""Bytes per second of all sources together, at least: a slower line is worth its connections,
also to a process that others keep from its processor."""
FEW = 2
"""Requests that are enough: while the one waits for its answer the other brings bytes."""
_MOST = 0.75
"""Share of the latest bytes that came in such pieces."""
_LATEST = 8 << 20


class Backpressure:
    """Of one transfer, over all its requests."""

    def __init__(self, now: float) -> None:
        """Nothing has come."""
        self._share = 0.0
        self._meter = Meter(now, window=0.25)

    def received(self, length: int, now: float) -> None:
        """Count a piece."""
        self._meter.add(length, now)
        full = 1.0 if length >= FULL else 0.0
        self._share += (full - self._share) * min(1.0, length / _LATEST)

    def felt(self, now: float) -> bool:
        """Say whether this process limits the download."""
        return self._share >= _MOST and (self._meter.rate(now) or 0.0) >= FAST

    def shift(self, seconds: float) -> None:
        """Leave out seconds in which this process itself slept."""
        self._meter.shift(seconds)
