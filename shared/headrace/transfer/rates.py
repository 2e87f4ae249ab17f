"""How fast bytes come: decaying averages over fixed windows. Time is always an argument."""

from __future__ import annotations

__all__ = ["Meter"]


class Meter:
    """Bytes per second as an average of windows, the newest weighing most.

    Until the first window is full the estimate is what came so far over the time so far, so that
    a fresh connection counts from its first bytes on; also while nobody asks for more.
    """

    __slots__ = ("_alpha", "_brief", "_bytes", "_rate", "_since", "_window", "last", "total")

    def __init__(self, now: float, *, window: float, alpha: float = 0.4) -> None:
        """Measure from `now` on; `window` in seconds, `alpha` the newest window's weight."""
        self._window = window
        self._alpha = alpha
        self._since = now
        self._bytes = 0
        self._rate: float | None = None
        self._brief: float | None = None
        """The same over a time that was shorter than a window, where nothing better is known."""
        self.total = 0
        self.last = now

    def add(self, length: int, now: float) -> None:
        """Count `length` bytes that have just come."""
        self._bytes += length
        self.total += length
        self.last = now
        if now - self._since >= self._window:
            self._close(now)

    def _close(self, now: float) -> None:
        sample = self._bytes / (now - self._since)
        old = self._rate
        self._rate = sample if old is None else old + self._alpha * (sample - old)
        self._since = now
        self._bytes = 0

    def rate(self, now: float) -> float | None:
        """Return bytes per second, fading while nothing comes; None before the first bytes."""
        idle = now - self.last
        if self._rate is None:
            elapsed = now - self._since
            if not self._bytes or elapsed <= 0:
                return self._brief
            return self._bytes / max(elapsed, 0.02)
        if idle > self._window:
            return self._rate * self._window / (self._window + 2 * (idle - self._window))
        return self._rate

    def restart(self, now: float) -> None:
        """Leave the time up to `now` out: nobody asked for bytes then."""
        if self._bytes:
            self._brief = self._bytes / max(self.last - self._since, 0.02)
        self._since = now
        self._bytes = 0
        self.last = now

    def shift(self, seconds: float) -> None:
        """Move the clock forward: the last `seconds` were our own sleep, not the source's."""
        self._since += seconds
        self.last += seconds

    def scale(self, factor: float) -> None:
        """Correct the average by hand, as a penalty."""
        if self._rate is not None:
            self._rate *= factor
        elif self._brief is not None:
            self._brief *= factor
