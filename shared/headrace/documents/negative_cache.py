"""What an origin answered a moment ago, so that it is not asked the same thing over and over."""

from __future__ import annotations

from collections.abc import Callable

from headrace.errors import UpstreamError
from headrace.policy.lru import LRUCache

__all__ = ["NegativeCache"]

#: Keys that are remembered.
REMEMBERED = 4096


class NegativeCache:
    """Errors by key, each for some seconds."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        """`clock` gives epochs."""
        self._seconds = seconds
        self._clock = clock
        self._kept = LRUCache[str, tuple[float, UpstreamError]](REMEMBERED)

    def get(self, key: str) -> UpstreamError | None:
        """Return what was answered, while it still counts."""
        noted, error = self._kept.get(key) or (0.0, None)
        # A clock that was set back makes ages negative: what was noted then proves nothing.
        if error is None or not 0 <= self._clock() - noted < self._seconds:
            self._kept.pop(key)
            return None
        return error.anew()

    def note(self, key: str, error: UpstreamError) -> None:
        """Remember an answer."""
        self._kept.put(key, (self._clock(), error.anew()))

    def forget(self, key: str) -> None:
        """Ask again next time."""
        self._kept.pop(key)
