"""What a mirror that lacks a file means: for that file, and for the mirror.

A mirror follows its origin with a delay. A missing file costs one answer; it says nothing against
the mirror unless file after file is missing, which is a mirror that stands still.
"""

from __future__ import annotations

from headrace.policy.lru import LRUCache
from headrace.wording import counted

__all__ = ["LIFETIME", "MissingObjects"]

#: Seconds for which "does not have it" holds. Mirrors catch up within minutes to hours.
LIFETIME = 600.0
#: So many different files missing in a row, none found between them: it stands still.
_STANDSTILL = 3
#: Bound of the table; the oldest go first, which costs one more 404 each.
_MOST = 4096


class MissingObjects:
    """Remembers which source lacks which object. Time is an argument."""

    def __init__(self) -> None:
        self._until = LRUCache[tuple[str, str], float](_MOST)
        self._row = LRUCache[tuple[str, str], tuple[float, frozenset[str]]](_MOST)

    def __repr__(self) -> str:
        """Show the counts."""
        return f"<MissingObjects: {counted(len(self._until), 'object')}, rows {self._row.items()}>"

    def missing(self, source: str, object_class: str, path: str, now: float) -> None:
        """`source` said that it does not have `path`."""
        self._until.put((source, path), now + LIFETIME)
        began, paths = self._row.get((source, object_class)) or (now, frozenset[str]())
        if now - began > LIFETIME:
            paths = frozenset()
        if len(paths) < _STANDSTILL:
            self._row.put((source, object_class), (now, paths | {path}))

    def found(self, source: str, object_class: str, path: str | None = None) -> None:
        """`source` gave an object: it does not stand still."""
        self._row.pop((source, object_class))
        if path is not None:
            self._until.pop((source, path))

    def lacks(self, source: str, path: str, now: float) -> bool:
        """Whether it is known that `source` does not have `path`."""
        return (self._until.get((source, path)) or 0.0) > now

    def stands_still(self, source: str, object_class: str, now: float) -> bool:
        """Whether one file after the other was missing lately."""
        seen, paths = self._row.get((source, object_class)) or (0.0, frozenset[str]())
        return len(paths) >= _STANDSTILL and now - seen <= LIFETIME
