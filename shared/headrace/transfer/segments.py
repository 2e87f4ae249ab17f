"""The map of one file: what is here, what is in flight, what nobody has been asked for yet.

The law of this file: every offset of ``[0, size)`` is exactly one of *held*, *in flight* (within
``[position, end)`` of at least one request, and not held) or *free*. Requests may overlap only as
copies of each other, which is how a hedge looks here; a check asks again for what is held, and is
on no side of the law.
"""

from __future__ import annotations

from collections.abc import Iterator

from headrace.transfer.range_set import RangeSet
from headrace.transfer.rates import Meter

__all__ = ["Segment", "Segments"]

STALE = 256 << 10
"""Bytes that are not fetched twice, though it costs a connection."""


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
        "until",
        "whole",
    )

    def __init__(self, ident: int, source: str, start: int, end: int, now: float) -> None:
        """Ask `source` for ``[start, end)``."""
        self.id = ident
        self.source = source
        self.start = start
        self.end = end
        self.until = end
        """Where the answer ends: what is not wanted of it any more comes for nothing."""
        self.position = start
        """Next offset that is still needed of it."""
        self.cursor = start
        """Next offset that its stream will give; before `position` in a whole one."""
        self.asked_at = now
        self.opened_at: float | None = None
        self.last = now
        """When something was heard of it last."""
        self.meter = Meter(now, window=0.5)
        self.hedged = False
        """Another request works, or worked, on some of the same bytes."""
        self.check = False
        """It is for comparison with bytes that are held already."""
        self.whole = False
        """The source ignores ranges: the body runs from 0 to the end."""

    @property
    def left(self) -> int:
        """Bytes still to come."""
        return self.end - self.position

    def opened(self, now: float) -> None:
        """Note that the answer is here."""
        self.opened_at = self.last = now
        self.meter.restart(now)

    def rate(self, now: float) -> float | None:
        """Return its own bytes per second; a silent one fades."""
        return self.meter.rate(now) if self.meter.total else None

    def shift(self, seconds: float) -> None:
        """Leave out seconds in which this process itself slept."""
        self.last += seconds
        self.asked_at += seconds
        self.meter.shift(seconds)

    def __repr__(self) -> str:
        """Show the range and how far it is."""
        marks = ("?" if self.check else "") + ("~" if self.hedged else "")
        return f"<{self.id}{marks} {self.source} [{self.start}, {self.end}) at {self.position}>"


class Segments:
    """Held, free and in flight. Mutable; knows nothing of time or of what sources are like."""

    def __init__(self) -> None:
        """Begin without a length: `resize` follows."""
        self.size = 0
        self.known = False
        """The length is known."""
        self.held = RangeSet()
        self.free = RangeSet()
        self.in_flight: dict[int, Segment] = {}

    def resize(self, size: int, held: RangeSet) -> None:
        """Take the file's length, once, and what an earlier task left of it."""
        self.size = size
        self.known = True
        self.held = held
        self.free = RangeSet(held.gaps(0, size))
        for segment in self.in_flight.values():
            segment.end = min(segment.end, size)
            self.free.remove(segment.start, segment.end)
            self._mark(segment)

    @property
    def missing(self) -> int:
        """Bytes that are not held."""
        return self.size - self.held.total

    # ------------------------------------------------------------------ requests

    def launch(self, segment: Segment) -> None:
        """Put a request in flight."""
        self.in_flight[segment.id] = segment
        if not segment.check:
            self.free.remove(segment.start, segment.end)
            self._mark(segment)

    def _mark(self, segment: Segment) -> None:
        copies = self._sharing(segment)
        if len(copies) > 1:
            for copy in copies:
                copy.hedged = True
        elif any(self.held.within(segment.start, segment.end)):
            segment.hedged = True

    def remove(self, segment: Segment) -> None:
        """Take out a request that has ended; what it did not bring is free again."""
        if self.in_flight.pop(segment.id, None) is not None and not segment.check:
            self._give_back(segment.position, segment.end)

    def shorten(self, segment: Segment, end: int) -> None:
        """Ask a request for less than before; the rest is free again."""
        old, segment.end = segment.end, max(end, segment.position)
        self._give_back(segment.end, old)

    def extend(self, segment: Segment) -> None:
        """Let a request go on into the free bytes behind its end."""
        for low, high in list(self.free.within(segment.end, self.size)):
            if low == segment.end:
                segment.end = high
                self.free.remove(low, high)
            break

    def _give_back(self, start: int, end: int) -> None:
        rest = RangeSet(self.held.gaps(start, min(end, self.size)))
        for other in self.in_flight.values():
            if not other.check:
                rest.remove(other.position, other.end)
        for gap in rest:
            self.free.add(*gap)

    # ------------------------------------------------------------------ bytes

    def accept(self, segment: Segment, length: int) -> list[tuple[int, int]]:
        """Move a request on by `length` bytes of its stream; return the ranges that were new."""
        low = max(segment.cursor, segment.position)
        segment.cursor += length
        high = min(segment.cursor, segment.end)
        if low >= high:
            return []
        segment.position = high
        if segment.check:
            return [(low, high)]
        if not segment.hedged:  # nobody else writes here
            self.held.add(low, high)
            return [(low, high)]
        fresh = list(self.held.gaps(low, high))
        for start, end in fresh:
            self.held.add(start, end)
        return fresh

    def forget(self, start: int, end: int) -> None:
        """Drop bytes that were held."""
        self.held.remove(start, end)
        self._give_back(start, end)

    def lacks(self, segment: Segment) -> bool:
        """Say whether a request that ended has not brought all that is wanted of it."""
        if segment.check:
            return segment.left > 0
        return segment.left > 0 and not self.held.covers(segment.position, segment.end)

    # ------------------------------------------------------------------ who does what

    def at(self, offset: int) -> list[Segment]:
        """Return the requests that are to bring the byte at `offset`."""
        return [
            segment
            for segment in self.in_flight.values()
            if not segment.check and segment.position <= offset < segment.end
        ]

    def copies(self, segment: Segment) -> list[Segment]:
        """Return the requests that are to bring any of the same bytes, itself among them."""
        if segment.hedged or segment.check or segment.id not in self.in_flight:
            return self._sharing(segment)
        return [segment] if segment.left > 0 else []  # all copies bear the mark

    def _sharing(self, segment: Segment) -> list[Segment]:
        low, high = segment.position, segment.end
        return [
            other
            for other in self.in_flight.values()
            if not other.check and other.position < high and low < other.end
        ]

    def superfluous(self) -> Iterator[Segment]:
        """Give the copies whose bytes somebody else has brought."""
        for segment in list(self.in_flight.values()):
            open_ = segment.hedged and not segment.check and segment.left > 0
            if open_ and self.held.covers(segment.position, segment.end):
                yield segment

    def stale(self) -> Iterator[tuple[Segment, int]]:
        """Give requests whose copy has gone and left them with bytes that are held already, and
        the offset at which those begin.
        """
        for segment in list(self.in_flight.values()):
            if segment.hedged and not segment.check and len(self.copies(segment)) == 1:
                for low, high in self.held.within(segment.position, segment.end):
                    if high - low >= STALE:
                        yield segment, low
                        break

    def front(self, readers_at: tuple[int, ...]) -> int:
        """Return the first missing offset for the first reader that lacks one, else the lowest."""
        for offset in readers_at:
            end = self.held.run_end(offset)
            if end < self.size:
                return end
        return self.held.run_end(0)

    def __repr__(self) -> str:
        """Show the map."""
        in_flight = [*self.in_flight.values()]
        return f"<{self.held.total}/{self.size} held, free {self.free!r}, {in_flight}>"
