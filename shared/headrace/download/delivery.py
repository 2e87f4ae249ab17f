"""What the readers of one download task were given, and what of it proved wrong since."""

from __future__ import annotations

from collections.abc import Callable

from headrace.transfer.range_set import RangeSet

__all__ = ["Delivery"]


class Delivery:
    """Kept by the task, read by its readers, who are called when anything changes for them."""

    def __init__(self, generation: int) -> None:
        """Go on from an earlier task's `generation`."""
        self.generation = generation
        """Counts the times that wrong bytes went out; the ETag has it."""
        self.spoilt: list[tuple[int, int]] = []
        """What proved wrong or worthless, in the order in which it was found."""
        self._given = RangeSet()
        """What any reader was given."""
        self._watchers: set[Callable[[], None]] = set()

    def watch(self, call: Callable[[], None]) -> None:
        """Call when bytes came or something else changed for readers."""
        self._watchers.add(call)

    def unwatch(self, call: Callable[[], None]) -> None:
        """Stop calling."""
        self._watchers.discard(call)

    def changed(self) -> None:
        """Call everybody who watches."""
        for call in list(self._watchers):
            call()

    def give(self, start: int, end: int) -> None:
        """Remember that a reader is given these bytes."""
        self._given.add(start, end)

    def spoil(self, start: int, end: int) -> None:
        """Remember worthless bytes; whoever was given some of them must not be given the rest."""
        self.spoilt.append((start, end))
        if any(self._given.within(start, end)):
            self.generation += 1
            self._given = RangeSet()  # what was given bears the old ETag
