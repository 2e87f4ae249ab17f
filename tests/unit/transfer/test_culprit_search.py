"""Who gave the wrong bytes: comparisons in, the culprit out."""

from __future__ import annotations

import pytest

from headrace.transfer.culprit_search import EARLIER, CulpritSearch, Piece
from headrace.transfer.range_set import RangeSet

MB = 1 << 20


def begin(*sources: str, origin: str | None = "origin", strict: bool = False) -> CulpritSearch:
    provenance = {s: RangeSet([(i * 10 * MB, (i + 1) * 10 * MB)]) for i, s in enumerate(sources)}
    return CulpritSearch(provenance, RangeSet(), origin, strict=strict)


def test_a_small_piece_of_each_suspect_comes_first() -> None:
    pending = begin("a", "b", "origin", EARLIER).pending
    assert [p.source for p in pending[:3]] == [EARLIER, "a", "b"]
    assert all(p.end - p.start == MB for p in pending[:3])
    assert "origin" not in {p.source for p in pending}


@pytest.mark.parametrize(
    ("size", "starts"), [(5, [4, 0]), (9, [8, 4, 0]), (10, [9, 1, 5, 0]), (17, [16, 8, 12, 4, 0])]
)
def test_newest_bytes_are_suspected_first_then_those_of_the_middle(
    size: int, starts: list[int]
) -> None:
    search = CulpritSearch({"a": RangeSet([(0, size * MB)])}, RangeSet(), "origin")
    assert [piece.start // MB for piece in search.pending] == starts
    assert search.next_for("b") == search.pending[0]


def test_pieces_cover_what_is_not_corroborated() -> None:
    search = CulpritSearch({"a": RangeSet([(0, 10 * MB)])}, RangeSet([(2 * MB, 3 * MB)]), None)
    covered = RangeSet((p.start, p.end) for p in search.pending)
    assert covered == RangeSet([(0, 2 * MB), (3 * MB, 10 * MB)])


def test_no_source_confirms_itself() -> None:
    search = begin("a", "b")
    for piece in search.pending:
        assert search.next_for(piece.source) != piece


def test_the_origin_settles_a_dispute() -> None:
    search = begin("a", "b")
    piece = search.next_for("b")
    assert piece is not None
    assert piece.source == "a"
    search.ask(piece, 1)
    assert search.differed(1, "b", piece.start + 5) is None
    # Whoever may not settle it goes on with what else there is.
    assert search.next_for("b") == Piece(1 * MB, 5 * MB, "a")
    assert search.next_for("c") == Piece(19 * MB, 20 * MB, "b")
    dispute = search.next_for("origin")
    assert dispute == Piece(piece.start + 5, piece.start + 5 + (64 << 10), "a", contradicted_by="b")
    search.ask(dispute, 2)
    assert search.differed(2, "origin", dispute.start) == "a"


def test_who_contradicts_wrongly_is_the_culprit() -> None:
    search = begin("a", "b")
    piece = search.next_for("b")
    assert piece is not None
    search.ask(piece, 1)
    search.differed(1, "b", piece.start)
    dispute = search.next_for("origin")
    assert dispute is not None
    search.ask(dispute, 2)
    assert search.agreed(2) == (dispute, "b")


def test_what_the_origin_contradicts_needs_no_tie_breaker() -> None:
    search = begin("a")
    piece = search.next_for("origin")
    assert piece is not None
    search.ask(piece, 1)
    assert search.differed(1, "origin", piece.start) == "a"


def test_without_an_origin_a_third_source_settles_and_without_a_third_nobody() -> None:
    search = begin("a", "b", origin=None)
    piece = search.next_for("b")
    assert piece is not None
    search.ask(piece, 1)
    search.differed(1, "b", piece.start)
    assert search.next_for("c") == search.pending[0]
    assert search.deadlocked(["a", "b", "c"]) is None
    assert search.deadlocked(["a", "b"]) == search.pending[0]


def test_lost_comparison_is_asked_for_again() -> None:
    search = begin("a")
    piece = search.next_for("origin")
    assert piece is not None
    search.ask(piece, 1)
    search.lost(1)
    search.lost(1)
    assert search.next_for("origin") == piece


def test_strict_search_asks_the_origin_alone() -> None:
    search = begin("a", "b", strict=True)
    assert search.next_for("b") is None
    assert search.next_for("origin") is not None
    assert not search.settled(["b", "origin"])
    assert search.settled(["b"])


def test_repr_tells_what_is_open() -> None:
    assert repr(begin("a")) == "<CulpritSearch asked=[] pending=4>"
