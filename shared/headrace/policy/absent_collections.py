"""Which mirror does not have which collection (a repository of images): learnt, and asked again.

Some mirrors carry a list of repositories and refuse all others, some refuse what is larger than
they like to keep. That says nothing against the rest of what they have, so it is remembered for the
collection: for a day, then twice as long each time, a fortnight at most. A mirror that refuses one
collection after the other and gives none is not remembered so: it refuses us, and is left alone as
any other that does. Pure; times are epochs.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

from headrace.policy.lru import LRUCache
from headrace.values import dataclass

__all__ = ["Absence", "AbsenceReason", "AbsentCollections"]

_DAY = 24 * 3600.0
#: Seconds of the longest pause; and after the end of one, so many until it is forgotten.
_LONGEST, _FORGOTTEN = 14 * _DAY, 30 * _DAY
#: Different objects of a collection that are missing, none found: it is not there at all.
_NONE_OF = 3
#: Collections that are refused, none given: the mirror refuses us.
_EVERYWHERE = 3
#: Bound of each table; the oldest go first, which costs one more refusal each.
_MOST = 1024


class AbsenceReason(enum.StrEnum):
    """What a mirror said."""

    REFUSED = "refused"
    """401 or 403."""
    MISSING = "missing"
    """404, one object after the other."""
    CUT = "cut"
    """Its answers end at one size, in the middle of what is larger."""


@dataclass(frozen=True, slots=True)
class Absence:
    """What one mirror does not give of one collection."""

    source: str
    collection: str
    reason: AbsenceReason
    since: float
    """When it said so last."""
    until: float
    """When it is asked again."""
    times: int = 1
    above: int | None = None
    """Bytes from which on objects are refused; None: all of it."""


class AbsentCollections:
    """Remembers them. Time is an argument."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._known = LRUCache[tuple[str, str], Absence](_MOST)
        self._given = LRUCache[tuple[str, str], int](_MOST)
        """The largest object that came, in bytes."""
        self._missing = LRUCache[tuple[str, str], frozenset[str]](_MOST)

    def __repr__(self) -> str:
        """Show the rows."""
        return f"<AbsentCollections: {self.rows()}>"

    def refused(self, source: str, collection: str, size: int | None, now: float) -> bool:
        """`source` refused an object; return whether that says something of the collection alone:
        False where it refuses whatever it is asked for.
        """
        given = self._given.get((source, collection))
        above = size if given is not None and size is not None and size > given else None
        if given is not None and above is None:
            return False  # it gave what is no smaller a moment ago: that is no list of repositories
        self._learn(source, collection, AbsenceReason.REFUSED, above, now)
        others = {each.collection for each in self.rows() if each.source == source}
        gives = any(each == source for (each, _), _ in self._given.items())
        return gives or len(others) < _EVERYWHERE

    def missing(self, source: str, collection: str, path: str, now: float) -> None:
        """`source` does not have an object."""
        key = source, collection
        if self._given.get(key) is not None:
            return  # it follows, and is late
        paths = (self._missing.get(key) or frozenset()) | {path}
        if len(paths) < _NONE_OF:
            self._missing.put(key, paths)
            return
        self._missing.pop(key)
        self._learn(source, collection, AbsenceReason.MISSING, None, now)

    def cut(self, source: str, collection: str, at: int, now: float) -> None:
        """Each answer of `source`'s for an object ended at that many bytes of it."""
        self._learn(source, collection, AbsenceReason.CUT, at, now)

    def gave(self, source: str, collection: str, size: int | None) -> bool:
        """`source` gave an object of so many bytes; return whether something is known otherwise."""
        key = source, collection
        self._given.put(key, max(size or 0, self._given.get(key) or 0))
        self._missing.pop(key)
        known = self._known.get(key)
        if known is None or (known.above is not None and (size or 0) < known.above):
            return False
        self._known.pop(key)
        return True

    def _learn(
        self, source: str, collection: str, reason: AbsenceReason, above: int | None, now: float
    ) -> None:
        before = self._known.get((source, collection))
        times = 1
        if before is not None:
            # What was on its way together is said once.
            times = before.times + (before.until <= now)
            if above is not None and before.above is not None:
                above = min(above, before.above)
        pause = min(_DAY * 2.0 ** min(times - 1, 8), _LONGEST)
        made = Absence(source, collection, reason, now, now + pause, times, above)
        self._known.put((source, collection), made)

    def lacks(self, source: str, collection: str, size: int | None, now: float) -> bool:
        """Whether `source` need not be asked for an object of `size` bytes (None: not known)."""
        known = self._known.get((source, collection)) if collection else None
        if known is None or known.until <= now:
            return False
        return known.above is None or (size is not None and size >= known.above)

    def rows(self) -> list[Absence]:
        """List what is remembered, the oldest use first."""
        return [absence for _, absence in self._known.items()]

    def restore(self, rows: Iterable[Absence], now: float) -> None:
        """Take what an earlier process learnt, by a clock that may have been set since."""
        for row in rows:
            if now - row.until < _FORGOTTEN and row.until - now <= _LONGEST:
                self._known.put((row.source, row.collection), row)
