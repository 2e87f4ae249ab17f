"""What follows a digest that does not agree: second opinions, verdict, last resort.

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
"""Seconds for which a trial waits for a witness that is paused."""
FEEBLE = 5.0
"""A witness so many times slower than the best is heard only where no other can be."""


class IntegrityCheck:
    """Conducts trials on the books. `search` is None between them."""

    def __init__(self, books: TransferState) -> None:
        """Work on these books."""
        self._state = books
        self._vouched = RangeSet()
        """Bytes on which two sources agreed, one of them the origin where trials are strict."""
        self._strict = False
        """The origin alone is heard: sources that agree with each other were wrong."""
        self._tried_twice = False
        self.search: CulpritSearch | None = None
        self.mismatches = 0

    def open(self) -> None:
        """The digest does not agree: begin."""
        self.mismatches += 1
        self._begin()

    def _begin(self) -> None:
        self.search = CulpritSearch(
            self._state.provenance, self._vouched, self._state.origin(), strict=self._strict
        )

    def hear(self, now: float, out: list[m.Action]) -> m.Fail | None:
        """Ask for opinions; end the trial when there are none to be had. Fail: all is lost."""
        assert self.search is not None
        witnesses = [u for u in self._state.eligible() if u.ranged and u.paused_until - now < SOON]
        ids = [u.id for u in witnesses]
        if self.search.origin not in ids:
            self.search.without_origin()
        if stuck := self.search.deadlocked(ids):
            self._condemn(stuck.supplier, "its bytes do not have the digest", out)
        elif self.search.settled(ids):
            return self._last_resort(out)
        else:
            self._ask(witnesses, now, out)
        return None

    def _ask(self, witnesses: list[SourceState], now: float, out: list[m.Action]) -> None:
        assert self.search is not None
        books = self._state
        witnesses.sort(key=lambda u: -(u.rate_per_request(now) or 0.0))
        best = max((u.rate_per_request(now) or 0.0 for u in witnesses), default=0.0)
        feeble = {u.id for u in witnesses if u.strikes or _feeble(u.rate_per_request(now), best)}
        reserve = {u.id for u in witnesses if u.source.reserve}
        strong = [u.id for u in witnesses if u.id not in feeble | reserve]
        spared = [u.id for u in witnesses if u.id not in reserve]
        for upstream in witnesses:
            # Who should not be heard where one of these can be.
            before = spared if upstream.id in reserve else strong if upstream.id in feeble else ()
            while upstream.room(now) and len(books.segments.in_flight) < books.most:
                piece = self.search.next_for(upstream.id)
                if piece is None or (piece.accuser is None and self._other(before, piece)):
                    break
                segment = books.launch(upstream, piece.start, piece.end, now, out)
                segment.check = True
                self.search.ask(piece, segment.id)
                books.segments.launch(segment)

    def _other(self, ids: Collection[str], piece: Piece) -> bool:
        """Whether one of these can bear witness: one that this trial does not hear never will."""
        assert self.search is not None
        return any(each != piece.supplier and self.search.next_for(each) for each in ids)

    def lost(self, request: int) -> None:
        """A request ended without its opinion."""
        if self.search:
            self.search.lost(request)

    def compared(self, event: m.Compared, out: list[m.Action]) -> None:
        """Take an opinion, or a part of one."""
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
            self._vouched.add(piece.start, piece.end)
        if culprit is not None:
            self._condemn(culprit, "another source contradicts it", out)

    def _condemn(self, culprit: str, why: str, out: list[m.Action]) -> None:
        """Drop a liar and all of its bytes that nobody else vouches for."""
        if upstream := self._state.sources.get(culprit):
            upstream.out = Fault.WRONG_BYTES
            out.append(m.SourceFault(culprit, Fault.WRONG_BYTES, why))
        self._close(out)
        given = self._state.provenance.get(culprit, RangeSet())
        self._state.forget([gap for run in given for gap in self._vouched.gaps(*run)], out)
        if not self._state.segments.missing:  # it had only accused others
            self._begin()

    def _last_resort(self, out: list[m.Action]) -> m.Fail | None:
        """Nobody contradicts anybody, and still the digest does not agree: liars may agree."""
        self._close(out)
        books = self._state
        origin = books.origin()
        if origin is None:
            return m.Fail("the bytes of every source that is left do not have the digest")
        if not self._strict and books.sources[origin].ranged:
            self._strict = True
            self._vouched = RangeSet()
            self._begin()
            return None
        foreign = [
            gap
            for who, runs in books.provenance.items()
            if who != origin
            for run in runs
            for gap in self._vouched.gaps(*run)
        ]
        if foreign and not books.origin_alone:
            books.forget(foreign, out)
        elif not self._tried_twice:
            self._tried_twice = True
            books.forget([(0, books.segments.size)], out)
        else:
            return m.Fail("the origin's own bytes do not have its digest", integrity=True)
        books.origin_alone = True
        return None

    def _close(self, out: list[m.Action]) -> None:
        self.search = None
        self._state.cancel(self._state.segments.in_flight.values(), out)


def _feeble(rate: float | None, best: float) -> bool:
    return rate is not None and rate * FEEBLE < best
