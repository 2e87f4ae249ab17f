"""What follows a digest that does not agree: a search for the culprit, and the last resort.

Each mismatch either drops a source, or goes over to the origin alone, or is its second try;
so there are never more of them than sources and three.
"""

from __future__ import annotations

from collections.abc import Collection

from headrace.models import Fault
from headrace.transfer import messages as m
from headrace.transfer.culprit_search import CulpritSearch, Piece
from headrace.transfer.range_set import RangeSet
from headrace.transfer.source_state import SourceState
from headrace.transfer.state import TransferState

__all__ = ["IntegrityCheck"]

SOON = 5.0
"""Seconds for which a search waits for a source that is paused."""
TOO_SLOW = 5.0
"""A source so many times slower than the best is asked only where no other can be."""


class IntegrityCheck:
    """Conducts searches on the state of a transfer. `search` is None between them."""

    def __init__(self, state: TransferState, mismatches: int = 0) -> None:
        """Work on this state; so many digests did not agree before."""
        self._state = state
        self._agreed: dict[str, RangeSet] = {}
        """By who confirmed them: bytes that another source gave alike."""
        self._strict = False
        """The origin alone is asked: sources that agree with each other were wrong."""
        self._tried_twice = False
        self._failed: set[str] = set()
        """Those of which this search lost a comparison."""
        self.search: CulpritSearch | None = None
        self.mismatches = mismatches

    def open(self) -> None:
        """The digest does not agree: begin."""
        self.mismatches += 1
        self._begin()

    def _begin(self) -> None:
        self._failed.clear()
        self.search = CulpritSearch(
            self._state.provenance, self._corroborated(), self._state.origin(), strict=self._strict
        )

    def _corroborated(self) -> RangeSet:
        """Return the bytes on which two sources agreed, one of them the origin where searches are
        strict.
        """
        return RangeSet(run for runs in self._agreed.values() for run in runs)

    def advance(self, now: float, out: list[m.Action]) -> m.Fail | None:
        """Ask for comparisons; end the search when none is to be had. Fail: all is lost."""
        assert self.search is not None
        checkers = [u for u in self._state.eligible() if u.ranged and u.paused_until - now < SOON]
        ids = [u.id for u in checkers]
        if self.search.origin not in ids:
            self.search.without_origin()
        if stuck := self.search.deadlocked(ids):
            self._drop_source(stuck.source, "its bytes do not have the digest", out)
        elif self.search.settled(ids):
            return self._last_resort(out)
        else:
            self._ask(checkers, now, out)
        return None

    def _ask(self, checkers: list[SourceState], now: float, out: list[m.Action]) -> None:
        assert self.search is not None
        state = self._state
        checkers.sort(key=lambda u: -(u.rate_per_request(now) or 0.0))
        # Nobody waits for one that was asked and failed: it may do so each time.
        able = [u for u in checkers if u.id not in self._failed or now >= u.paused_until]
        best = max((u.rate_per_request(now) or 0.0 for u in able), default=0.0)
        slow = {u.id for u in checkers if u.strikes or _too_slow(u.rate_per_request(now), best)}
        reserve = {u.id for u in checkers if u.source.reserve}
        strong = [u.id for u in able if u.id not in slow | reserve]
        spared = [u.id for u in able if u.id not in reserve]
        for upstream in checkers:
            # Who should not be asked where one of these can be.
            before = spared if upstream.id in reserve else strong if upstream.id in slow else ()
            while upstream.room(now) and len(state.segments.in_flight) < state.most:
                piece = self.search.next_for(upstream.id)
                if piece is None or (piece.contradicted_by is None and self._other(before, piece)):
                    break
                segment = state.launch(upstream, piece.start, piece.end, now, out)
                segment.check = True
                self.search.ask(piece, segment.id)
                state.segments.launch(segment)

    def _other(self, ids: Collection[str], piece: Piece) -> bool:
        """Whether one of these can check it: one that this search does not ask never will."""
        assert self.search is not None
        return any(each != piece.source and self.search.next_for(each) for each in ids)

    def lost(self, request: int) -> None:
        """A request ended without its comparison."""
        if self.search and request in self.search.asked:
            self.search.lost(request)
            if segment := self._state.segments.in_flight.get(request):
                self._failed.add(segment.source)

    def compared(self, event: m.Compared, out: list[m.Action]) -> None:
        """Take a comparison, or a part of one."""
        segment = self._state.segments.in_flight.get(event.request)
        if segment is None or self.search is None:
            return
        if event.differs_at is not None:
            culprit = self.search.differed(segment.id, segment.source, event.differs_at)
            self._state.cancel([segment], out)
        elif event.end < segment.end:
            return
        else:
            piece, culprit = self.search.agreed(segment.id)
            self._agreed.setdefault(segment.source, RangeSet()).add(piece.start, piece.end)
        if culprit is not None:
            self._drop_source(culprit, "another source contradicts it", out)

    def _drop_source(self, culprit: str, why: str, out: list[m.Action]) -> None:
        """Drop a source, what it confirmed, and all bytes of corrupt sources that nobody else
        corroborates: two of them may have confirmed each other.
        """
        if upstream := self._state.sources.get(culprit):
            upstream.out = Fault.WRONG_BYTES
            out.append(m.SourceFault(culprit, Fault.WRONG_BYTES, why))
        self._close(out)
        self._agreed.pop(culprit, None)
        corrupt = {culprit} | {u.id for u in self._state.sources.values() if _is_corrupt(u)}
        self._state.forget(self._uncorroborated(corrupt), out)
        if not self._state.segments.missing:  # it had only contradicted others
            self._begin()

    def _last_resort(self, out: list[m.Action]) -> m.Fail | None:
        """No two disagree, and still the digest does not agree: several may be corrupt alike."""
        self._close(out)
        state = self._state
        origin = state.origin()
        if origin is None:
            return m.Fail("the bytes of every source that is left do not have the digest")
        if not self._strict and state.sources[origin].ranged:
            self._strict = True
            self._agreed = {}
            self._begin()
            return None
        foreign = self._uncorroborated(set(state.provenance) - {origin})
        if foreign and not state.origin_alone:
            state.forget(foreign, out)
        elif not self._tried_twice:
            self._tried_twice = True
            state.forget([(0, state.segments.size)], out)
        else:
            return m.Fail("the origin's own bytes do not have its digest", integrity=True)
        state.origin_alone = True
        return None

    def _uncorroborated(self, sources: Collection[str]) -> list[tuple[int, int]]:
        """Return what these gave and nobody confirmed who still counts."""
        confirmed = self._corroborated()
        return [
            gap
            for source in sources
            for run in self._state.provenance.get(source, ())
            for gap in confirmed.gaps(*run)
        ]

    def _close(self, out: list[m.Action]) -> None:
        self.search = None
        self._state.cancel(self._state.segments.in_flight.values(), out)


def _is_corrupt(upstream: SourceState) -> bool:
    return upstream.out is Fault.WRONG_BYTES


def _too_slow(rate: float | None, best: float) -> bool:
    return rate is not None and rate * TOO_SLOW < best
