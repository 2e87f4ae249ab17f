"""A clock that only those who wait on it move."""

from __future__ import annotations

from headrace.system.edits.reloads import Patience

__all__ = ["Times"]


class Times:
    """The time of a test."""

    def __init__(self) -> None:
        """Begin at no particular time."""
        self.now = 1000.0
        self.began = self.now

    @property
    def waited(self) -> float:
        """Seconds that somebody has waited."""
        return self.now - self.began

    @property
    def patience(self) -> Patience:
        """Patience by this clock."""
        return Patience(clock=lambda: self.now, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
