"""The state of one transfer: sources, requests in flight, and who gave which bytes.

Everything that must stay consistent when a request begins or ends is done here, in one place.
The methods that end a request append what the driver has to do to `out`.
"""

from __future__ import annotations

from collections.abc import Iterable

from headrace.models import Fault
from headrace.transfer import messages as m
from headrace.transfer.backpressure import Backpressure
from headrace.transfer.range_set import RangeSet
from headrace.transfer.segments import Segment, Segments
from headrace.transfer.source_state import SourceState
from headrace.transfer.waste import Waste, on_their_way

__all__ = ["TransferState"]


TO_THE_END = 1 << 62
"""The end of a request whose file's length nobody knows yet."""
MOST_RESTARTS = 3
"""Times that a file of which nothing names the version is begun again; then its source is out."""


class TransferState:
    """Mutable; shared by the machine, the dispatcher and the integrity check."""

    def __init__(self, now: float = 0.0) -> None:
        """Begin with nothing."""
        self.sources: dict[str, SourceState] = {}
        """In the order in which selection gave them."""
        self.segments = Segments()
        self.waste = Waste()
        self.provenance: dict[str, RangeSet] = {}
        """By source, or `EARLIER` for an earlier task."""
        self.checked = True
        """There is a digest to check the whole against."""
        self.etag: str | None = None
        """`Spec.etag`."""
        self.origin_alone = False
        """No other source is asked any more."""
        self.most = 1 << 30
        """Requests at a time."""
        self.patience = 0.0
        """Seconds without a byte that the most patient reader bears."""
        self.backpressure = Backpressure(now)
        self.restarts = 0
        """Times that all was dropped because no version could be told."""
        self._requests = 0

    # ------------------------------------------------------------------ sources

    def eligible(self) -> list[SourceState]:
        """Return the sources that may be asked for this file at all, now or later."""
        return [
            u
            for u in self.sources.values()
            if not u.out and (u.source.is_origin or not self.origin_alone)
        ]

    def origin(self) -> str | None:
        """Return the id of the origin while it can be asked."""
        for upstream in self.sources.values():
            if upstream.source.is_origin and not upstream.out:
                return upstream.id
        return None

    def alone(self) -> bool:
        """Say whether only one source is left."""
        return len(self.eligible()) == 1

    @property
    def in_one_piece(self) -> bool:
        """Nothing would tell whether two answers are of the same version: one must bring all."""
        return not self.checked and self.etag is None

    # ------------------------------------------------------------------ requests

    def launch(
        self, upstream: SourceState, start: int, end: int, now: float, out: list[m.Action]
    ) -> Segment:
        """Ask `upstream` for ``[start, end)``."""
        self._requests += 1
        segment = Segment(self._requests, upstream.id, start, end, now)
        upstream.started(segment.id, now)
        segment.whole = not upstream.ranged or end == TO_THE_END
        if segment.whole:
            segment.cursor = 0
        alone = self.alone()
        out.append(
            m.Fetch(
                segment.id,
                upstream.id,
                0 if segment.whole else start,
                None if segment.whole else end,
                connect_timeout=8.0 if alone else 3.0,
                first_byte_timeout=self._first_byte(upstream, alone=alone),
                validator=None if self.checked else self.etag or upstream.validator,
                connections=upstream.allowed(alone=alone),
            )
        )
        return segment

    def _first_byte(self, upstream: SourceState, *, alone: bool) -> float:
        """Return the seconds that an answer may take: where readers wait, so may it.

        The origin is waited for, for nobody has more than it; another is given longer each time.
        """
        usual = 9.0 if alone else 5.0
        if upstream.source.is_origin or alone:
            return max(usual, self.patience)
        return max(usual, min(self.patience, usual * 2.0 ** min(upstream.strikes, 16)))

    def drop(self, request: int) -> Segment | None:
        """End a request; what it did not bring is free again."""
        segment = self.segments.in_flight.get(request)
        if segment is None:
            return None
        self.segments.remove(segment)
        self.sources[segment.source].ended(request)
        return segment

    def cancel(self, segments: Iterable[Segment], out: list[m.Action]) -> None:
        """End requests that nobody needs any more."""
        for segment in list(segments):
            out.append(m.Cancel(segment.id))
            self._pay(segment, segment.cursor)
            self.drop(segment.id)

    def _pay(self, segment: Segment, end: int) -> None:
        """Count what comes for nothing of a request that ends at an offset, once."""
        self.waste.add(on_their_way(segment, end, self.sources[segment.source]))
        segment.until = end

    def shorten(self, victim: Segment, end: int, out: list[m.Action]) -> None:
        """Ask a request for less than before."""
        self.segments.shorten(victim, end)
        self._pay(victim, victim.end)
        out.append(m.Shrink(victim.id, victim.end))

    def fail(self, segment: Segment, event: m.Failed, now: float, out: list[m.Action]) -> None:
        """End a request that failed, with the consequences for its source."""
        self.drop(segment.id)
        came = segment.cursor > (0 if segment.whole else segment.start)
        upstream = self.sources[segment.source]
        upstream.failed(event.fault, now, event.retry_after, bytes_came=came)
        if not self.checked and self.etag is None and upstream.validator is None:
            self.from_the_start(upstream, out)

    def reject(
        self, segment: Segment, fault: Fault, detail: str, now: float, out: list[m.Action]
    ) -> None:
        """End a request for a fault that only we can see."""
        out.append(m.Cancel(segment.id))
        out.append(m.SourceFault(segment.source, fault, detail, segment.id))
        self.fail(segment, m.Failed(segment.id, fault, detail), now, out)

    # ------------------------------------------------------------------ bytes

    def credit(self, source: str, start: int, end: int) -> None:
        """Note who gave ``[start, end)``."""
        ranges = self.provenance.get(source)
        if ranges is None:
            ranges = self.provenance[source] = RangeSet()
        ranges.add(start, end)

    def from_the_start(self, upstream: SourceState, out: list[m.Action]) -> None:
        """Drop all bytes: nothing tells that more would be of the same version."""
        upstream.validator = None
        if not self.segments.held.total:
            return
        self.forget([(0, self.segments.size)], out)
        self.restarts += 1
        if self.restarts > MOST_RESTARTS:
            upstream.out = Fault.CUT

    def forget(self, runs: Iterable[tuple[int, int]], out: list[m.Action]) -> None:
        """Drop bytes that are worthless."""
        for start, end in list(runs):
            self.segments.forget(start, end)
            for ranges in self.provenance.values():
                ranges.remove(start, end)
            out.append(m.Forget(start, end))
