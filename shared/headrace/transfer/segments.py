"""The map of one file: what is here, what is in flight, what nobody has been asked for yet.

The law of this file: every offset of ``[0, size)`` is exactly one of *held*, *in flight* (within
``[position, end)`` of at least one request) or *free*. Two requests may overlap only as a hedge.
"""

from __future__ import annotations

from collections.abc import Iterator

from headrace.transfer.extents import Extents
from headrace.transfer.rates import Meter

__all__ = ["Segment", "Segments"]


class Segment:
    """A byte range in flight: one request to one source."""

    __slots__ = (
        "asked_at",
        "check",
        "cursor",
        "end",
        "hedged",
        "id",
        "last",
        "meter",
        "opened_at",
        "position",
        "source",
        "start",
        "whole",
    )

    def __init__(self, ident: int, source: str, start: int, end: int, now: float) -> None:
        """Ask `source` for ``[start, end)``."""
        self.id = ident
        self.source = source
        self.start = start
        self.end = end
        self.position = start
        """Next offset that is still needed of it."""
        self.cursor = start
        """Next offset that its stream will give; before `position` in a 200 from 0."""
        self.asked_at = now
        self.opened_at: float | None = None
        self.last = now
        """When something was heard of it last."""
        self.meter = Meter(now, window=0.5)
        self.hedged = False
        """Another request works on the same bytes."""
        self.check = False
        """A second opinion on bytes that are held already."""
        self.whole = False
        """The source ignores ranges: the body runs from 0 to the end."""

    @property
    def left(self) -> int:
        """Bytes still to come."""
        return self.end - self.position

    def rate(self, now: float) -> float | None:
        """Return its own bytes per second; a silent one fades."""
        return self.meter.rate(now) if self.meter.total else None

    def __repr__(self) -> str:
        """Show the range and how far it is."""
        marks = ("?" if self.check else "") + ("~" if self.hedged else "")
        return f"<{self.id}{marks} {self.source} [{self.start}, {self.end}) at {self.position}>"


class Segments:
    """Held, free and in flight. Mutable; knows nothing of sources or time."""

    def __init__(self, size: int, held: Extents) -> None:
        """Start with what an earlier run left."""
        self.size = size
        self.held = held
        self.free = Extents(held.gaps(0, size))
        self.flying: dict[int, Segment] = {}

    @property
    def missing(self) -> int:
        """Bytes that are not held."""
        return self.size - self.held.total

    def launch(self, segment: Segment) -> None:
        """Put a request in the air."""
        self.flying[segment.id] = segment
        if not segment.check:
            self.free.remove(segment.start, segment.end)

    def land(self, segment: Segment) -> None:
        """Take a request out of the air; what it did not bring is free again."""
        if self.flying.pop(segment.id, None) is None or segment.check:
            return
        self._give_back(segment.position, segment.end)

    def shorten(self, segment: Segment, end: int) -> None:
        """Ask a request for less than before; the rest is free again."""
        old, segment.end = segment.end, max(end, segment.position)
        self._give_back(segment.end, old)

    def _give_back(self, start: int, end: int) -> None:
        for low, high in list(self.held.gaps(start, end)):
            rest = Extents([(low, high)])
            for other in self.flying.values():
                if not other.check:
                    rest.remove(other.position, other.end)
            for gap in rest:
                self.free.add(*gap)

    def accept(self, segment: Segment, length: int) -> list[tuple[int, int]]:
        """Move a request on by `length` bytes of its stream; return the ranges that were new."""
        low, high = max(segment.cursor, segment.position), segment.cursor + length
        segment.cursor = high
        high = min(high, segment.end)
        if low >= high:
            return []
        segment.position = high
        if segment.check:
            return [(low, high)]
        fresh = list(self.held.gaps(low, high))
        for start, end in fresh:
            self.held.add(start, end)
        return fresh

    def forget(self, start: int, end: int) -> None:
        """Drop bytes that were held."""
        self.held.remove(start, end)
        self._give_back(start, end)

    def at(self, offset: int) -> Iterator[Segment]:
        """Give the requests that are to bring the byte at `offset`."""
        for segment in self.flying.values():
            if not segment.check and segment.position <= offset < segment.end:
                yield segment

    def copies(self, segment: Segment) -> list[Segment]:
        """Return the requests that are to bring any of the same bytes, itself among them."""
        low, high = segment.position, segment.end
        return [
            other
            for other in self.flying.values()
            if not other.check and other.position < high and low < other.end
        ]

    def front(self, wanted: tuple[int, ...]) -> int:
        """Return the first missing offset for the first reader that lacks one, else the lowest."""
        for offset in wanted:
            end = self.held.run_end(offset)
            if end < self.size:
                return end
        return self.held.run_end(0)

    def __repr__(self) -> str:
        """Show the map."""
        return (
            f"<{self.held.total}/{self.size} held, free {self.free!r}, {[*self.flying.values()]}>"
        )
