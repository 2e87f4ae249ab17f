"""Who asked to be left alone, and until when. Pure: `now` is given, in seconds of one clock.

One key is one place (a server), or one URL where that leads somewhere else. A time that a server
named is kept to the letter, whoever wants to ask what for. One that limits and names none (or 0)
is left alone for `FLOOR` seconds, then twice as long each time, until it gives something again.
"""

from __future__ import annotations

from headrace.policy.lru import LRUCache
from headrace.values import dataclass

__all__ = ["FLOOR", "LONGEST", "RateLimit", "RateLimits", "RememberedLimit"]

FLOOR = 1.0
"""Seconds of the first pause that nobody named, and the least of those that somebody did."""
LONGEST = 64.0
"""Seconds of the longest pause that nobody named."""
_REMEMBERED = 1024


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What a server said when it was asked too much."""

    status: int
    """429 or 503."""
    until: float
    named: bool
    """It spoke of a time itself, be it one that has passed: whoever is told of that asks again."""
    refusals: int = 1
    """In a row, those of one moment counted once."""


@dataclass(frozen=True, slots=True)
class RememberedLimit:
    """A limit as the next process is told of it: by no clock of its own."""

    key: str
    status: int
    seconds: float
    """For how much longer."""
    named: bool
    refusals: int


class RateLimits:
    """By key. Bounded; what is forgotten first was heard longest ago."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._known = LRUCache[str, RateLimit](_REMEMBERED)

    def refused(self, key: str, status: int, seconds: float | None, now: float) -> RateLimit:
        """Take a 429, or a 503 that speaks of a time; `seconds` from now, as the server named."""
        before = self._known.get(key)
        refusals, until = 1, now
        if before is not None:
            # Requests that were on their way together are one.
            refusals = before.refusals + (before.until <= now)
            until = before.until
        pause = seconds or min(FLOOR * 2.0 ** min(refusals - 1, 32), LONGEST)
        limit = RateLimit(
            status, max(until, now + max(pause, FLOOR)), seconds is not None, refusals
        )
        self._known.put(key, limit)
        return limit

    def restore(self, limit: RememberedLimit, now: float) -> None:
        """Take what an earlier process heard."""
        until = now + limit.seconds
        self._known.put(limit.key, RateLimit(limit.status, until, limit.named, limit.refusals))

    def answered(self, key: str, now: float) -> None:
        """Take any other answer: it gives again. A pause that still runs is kept to."""
        limit = self._known.get(key)
        if limit is not None and limit.until <= now:
            self._known.pop(key)

    def get(self, key: str, now: float) -> RateLimit | None:
        """Return the limit that holds now; None: it may be asked."""
        limit = self._known.get(key)
        return limit if limit is not None and now < limit.until else None
