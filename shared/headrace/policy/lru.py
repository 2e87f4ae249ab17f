"""A bounded table from which the least recently used goes first (LRU replacement). Pure.

Bounded by what the values weigh together, by their number, or by both. Not for several threads.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["LRUCache"]

K = TypeVar("K")
V = TypeVar("V")


class LRUCache(Generic[K, V]):
    """Keys and values, the least recently used first. Reading and writing are uses."""

    def __init__(
        self,
        limit: int,
        weigh: Callable[[V], int] = lambda _: 1,
        *,
        most: int | None = None,
        largest: int | None = None,
    ) -> None:
        """`limit` bounds the sum of what `weigh` says (bytes; by default, the number of values),
        and `most` their number. `weigh` must always say the same of a value.

        A value above `largest` is not held. Without `largest` the newest one is held whatever it
        weighs, alone if need be.
        """
        self._limit = limit
        self._weigh = weigh
        self._most = most
        self._largest = largest
        self._entries: OrderedDict[K, V] = OrderedDict()
        self.weight = 0
        """What all values weigh together."""

    def __len__(self) -> int:
        """Count the values."""
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        """Whether there is a value; this is no use of it."""
        return key in self._entries

    def get(self, key: K) -> V | None:
        """Return a value, which is then the most recently used; None when it is not here."""
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key]

    def put(self, key: K, value: V) -> None:
        """Hold a value in place of the one before, and drop what is over the bounds."""
        self.pop(key)
        weight = self._weigh(value)
        if self._largest is not None and weight > self._largest:
            return
        self._entries[key] = value
        self.weight += weight
        while len(self._entries) > 1 and self._is_over():
            _, oldest = self._entries.popitem(last=False)
            self.weight -= self._weigh(oldest)

    def _is_over(self) -> bool:
        too_many = self._most is not None and len(self._entries) > self._most
        return too_many or self.weight > self._limit

    def pop(self, key: K) -> V | None:
        """Drop a value and return it."""
        if key not in self._entries:
            return None
        value = self._entries.pop(key)
        self.weight -= self._weigh(value)
        return value

    def clear(self) -> None:
        """Drop everything."""
        self._entries.clear()
        self.weight = 0

    def items(self) -> list[tuple[K, V]]:
        """List what is here, the least recently used first; this is no use of it."""
        return list(self._entries.items())
