"""Whether bytes come faster than this process takes them: more connections are in its way then.

What a connection brings waits until it is taken. Where each piece that is taken is as large as can
be, the sender has been stopped meanwhile, and no line is what limits the download. Each request
more costs time then that the bytes would need, and brings none.

A process that others keep from its processor finds such pieces as well, though a line limits each
connection: what came meanwhile is all there at once. So more requests are tried after a moment, and
where they bring more it was a line.
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
_FIRST = 0.5
"""Seconds with few requests until more are tried."""
_NEXT = 8.0
"""The same after more have brought nothing; twice as many each time."""
_TRIAL = 1.0
"""Seconds in which twice as many are tried; they begin in the first half, and the second counts."""
_GAIN = 1.25
"""What they bring at least, as a multiple, where this process is not the limit."""


class Backpressure:
    """Of one transfer, over all its requests."""

    def __init__(self, now: float) -> None:
        """Nothing has come."""
        self._share = 0.0
        self._meter = Meter(now, window=0.25)
        self._refuted = False
        self._pause = _FIRST
        self._few: tuple[float, int] | None = None
        """When few requests began to be thought enough, and the bytes until then."""
        self._few_rate = 0.0
        self._trial_at: float | None = None
        self._half: tuple[float, int] | None = None
        """The same of the second half of a trial."""

    def received(self, length: int, now: float, requests: int = FEW) -> None:
        """Count a piece that came while there were so many requests."""
        self._meter.add(length, now)
        full = 1.0 if length >= FULL else 0.0
        self._share += (full - self._share) * min(1.0, length / _LATEST)
        if self._trial_at is not None:
            self._try(now, self._trial_at)
        elif requests > FEW or not self._seems(now):
            self._few = None
        elif self._few is None:
            self._few = now, self._meter.total
        elif now - self._few[0] >= self._pause:
            self._few_rate = self._rate_since(self._few, now)
            self._trial_at, self._half = now, None

    def _try(self, now: float, begun: float) -> None:
        if self._half is None:
            if now - begun >= _TRIAL / 2:
                self._half = now, self._meter.total
        elif now - begun >= _TRIAL:
            self._refuted = self._rate_since(self._half, now) >= _GAIN * self._few_rate
            self._trial_at = self._few = None
            self._pause = max(_NEXT, 2 * self._pause)

    def _rate_since(self, then: tuple[float, int], now: float) -> float:
        return (self._meter.total - then[1]) / max(now - then[0], 0.02)

    def _seems(self, now: float) -> bool:
        return self._share >= _MOST and (self._meter.rate(now) or 0.0) >= FAST

    def felt(self, now: float) -> bool:
        """Say whether this process limits the download, as far as is known."""
        return not self._refuted and self._trial_at is None and self._seems(now)

    def enough(self, now: float) -> int | None:
        """Return the number of requests that are enough; None: nothing is known against more."""
        if self._trial_at is not None:
            return 2 * FEW
        return FEW if self.felt(now) else None

    def shift(self, seconds: float) -> None:
        """Leave out seconds in which this process itself slept."""
        self._meter.shift(seconds)
        if self._few is not None:
            self._few = self._few[0] + seconds, self._few[1]
        if self._half is not None:
            self._half = self._half[0] + seconds, self._half[1]
        if self._trial_at is not None:
            self._trial_at += seconds
