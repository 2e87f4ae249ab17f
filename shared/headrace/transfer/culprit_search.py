"""Which source gave the wrong bytes? Found by comparison with what other sources give.

The digest of the whole says only that something is wrong. A search then asks, piece by piece, a
second source for bytes that another one gave, a small piece of each suspect first. Where two
disagree, the origin is asked for that place alone, as a tie-breaker; where it cannot be asked, a
third source; where there is none, the bytes that failed are the ones to go. The origin is right
about its own file.

A search ends with a culprit or with nothing left to ask. Pieces on which two sources agreed are
*corroborated* and are not asked again in a later search of the same transfer. Where no two
disagree and the digest still does, several are corrupt in the same way: then a strict search asks
the origin alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from headrace.transfer.range_set import RangeSet
from headrace.values import dataclass

__all__ = ["EARLIER", "CulpritSearch", "Piece"]

EARLIER = ""
"""Stands for an earlier task as the source of bytes found on the disk."""
FIRST_PIECE = 1 << 20
PIECE = 4 << 20
DISPUTED = 64 << 10
"""What the tie-breaker is asked for, from the first byte that differs."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A range of one source's bytes that another source is to confirm."""

    start: int
    end: int
    source: str
    contradicted_by: str | None = None
    """Who disagreed; then this piece is for the tie-breaker."""


class CulpritSearch:
    """One search for a culprit. Pure and passive: the machine asks and tells."""

    def __init__(
        self,
        provenance: Mapping[str, RangeSet],
        corroborated: RangeSet,
        origin: str | None,
        *,
        strict: bool = False,
    ) -> None:
        """Suspect every source but the origin. `strict`: ask nobody but the origin."""
        self.origin = origin
        self._strict = strict
        self.pending: list[Piece] = []
        self.asked: dict[int, Piece] = {}
        """By request."""
        queues = [
            self._pieces(source, ranges, corroborated)
            for source, ranges in sorted(provenance.items())
            if source != origin
        ]
        while queues:
            queues = [queue for queue in queues if queue]
            self.pending.extend(queue.pop(0) for queue in queues)

    @staticmethod
    def _pieces(source: str, ranges: RangeSet, corroborated: RangeSet) -> list[Piece]:
        runs = [gap for run in ranges for gap in corroborated.gaps(*run)]
        pieces: list[Piece] = []
        for start, end in reversed(runs):  # the newest bytes first: who breaks, breaks midway
            high = end
            while high > start:
                low = max(start, high - (PIECE if pieces else FIRST_PIECE))
                pieces.append(Piece(low, high, source))
                high = low
        if len(pieces) > 2:
            pieces.insert(1, pieces.pop(len(pieces) // 2))
        return pieces

    def next_for(self, source: str) -> Piece | None:
        """Return the piece that `source` should confirm next, without taking it."""
        if self._strict and source != self.origin:
            return None
        for piece in self.pending:
            if source in (piece.source, piece.contradicted_by):
                continue
            if (
                piece.contradicted_by is not None
                and self.origin is not None
                and source != self.origin
            ):
                continue
            return piece
        return None

    def ask(self, piece: Piece, request: int) -> None:
        """Note that `request` is on its way to confirm a piece."""
        self.pending.remove(piece)
        self.asked[request] = piece

    def lost(self, request: int) -> None:
        """Put the piece of a request that failed back."""
        piece = self.asked.pop(request, None)
        if piece is not None:
            self.pending.insert(0, piece)

    def agreed(self, request: int) -> tuple[Piece, str | None]:
        """Take a confirmation; the culprit is who contradicted, if this was a dispute."""
        piece = self.asked.pop(request)
        return piece, piece.contradicted_by

    def differed(self, request: int, checker: str, offset: int) -> str | None:
        """Take a contradiction at `offset`; return the culprit if there is no more to ask."""
        piece = self.asked.pop(request)
        if checker == self.origin or piece.contradicted_by is not None:
            return piece.source
        end = min(piece.end, offset + DISPUTED)
        self.pending.insert(0, Piece(offset, end, piece.source, contradicted_by=checker))
        return None

    def deadlocked(self, usable: Iterable[str]) -> Piece | None:
        """Return a dispute that none of the sources left can settle."""
        sources = tuple(usable)
        for piece in self.pending:
            if piece.contradicted_by is not None and not any(
                source not in (piece.source, piece.contradicted_by) for source in sources
            ):
                return piece
        return None

    def settled(self, usable: Iterable[str]) -> bool:
        """Say whether nothing is left that anybody could confirm."""
        sources = tuple(usable)
        return not self.asked and all(self.next_for(s) is None for s in sources)

    def without_origin(self) -> None:
        """Let anybody be the tie-breaker: the origin cannot be asked."""
        self.origin = None

    def __repr__(self) -> str:
        """Show what is open."""
        return f"<CulpritSearch asked={list(self.asked.values())} pending={len(self.pending)}>"
