"""Who gave the wrong bytes: opinions in, verdict out."""

from __future__ import annotations

from headrace.transfer.culprit_search import EARLIER, CulpritSearch, Piece
from headrace.transfer.range_set import RangeSet

MB = 1 << 20


def search(*suppliers: str, origin: str | None = "origin", strict: bool = False) -> CulpritSearch:
    provenance = {s: RangeSet([(i * 10 * MB, (i + 1) * 10 * MB)]) for i, s in enumerate(suppliers)}
    return CulpritSearch(provenance, RangeSet(), origin, strict=strict)


def test_a_small_piece_of_each_suspect_comes_first() -> None:
    pending = search("a", "b", "origin", EARLIER).pending
    assert [p.supplier for p in pending[:3]] == [EARLIER, "a", "b"]
    assert all(p.end - p.start == MB for p in pending[:3])
    assert "origin" not in {p.supplier for p in pending}


def test_pieces_cover_what_nobody_vouched_for() -> None:
    court = CulpritSearch({"a": RangeSet([(0, 10 * MB)])}, RangeSet([(2 * MB, 3 * MB)]), None)
    covered = RangeSet((p.start, p.end) for p in court.pending)
    assert covered == RangeSet([(0, 2 * MB), (3 * MB, 10 * MB)])


def test_nobody_confirms_himself() -> None:
    court = search("a", "b")
    for piece in court.pending:
        assert court.next_for(piece.supplier) != piece


def test_the_origin_settles_a_dispute() -> None:
    court = search("a", "b")
    piece = court.next_for("b")
    assert piece is not None
    assert piece.supplier == "a"
    court.ask(piece, 1)
    assert court.differed(1, "b", piece.start + 5) is None
    assert court.next_for("b") != court.pending[0]
    dispute = court.next_for("origin")
    assert dispute == Piece(piece.start + 5, piece.start + 5 + (64 << 10), "a", accuser="b")
    court.ask(dispute, 2)
    assert court.differed(2, "origin", dispute.start) == "a"


def test_false_accuser_is_the_culprit() -> None:
    court = search("a", "b")
    piece = court.next_for("b")
    assert piece is not None
    court.ask(piece, 1)
    court.differed(1, "b", piece.start)
    dispute = court.next_for("origin")
    assert dispute is not None
    court.ask(dispute, 2)
    assert court.agreed(2) == (dispute, "b")


def test_what_the_origin_contradicts_needs_no_referee() -> None:
    court = search("a")
    piece = court.next_for("origin")
    assert piece is not None
    court.ask(piece, 1)
    assert court.differed(1, "origin", piece.start) == "a"


def test_without_an_origin_a_third_source_settles_and_without_a_third_nobody() -> None:
    court = search("a", "b", origin=None)
    piece = court.next_for("b")
    assert piece is not None
    court.ask(piece, 1)
    court.differed(1, "b", piece.start)
    assert court.next_for("c") == court.pending[0]
    assert court.deadlocked(["a", "b", "c"]) is None
    assert court.deadlocked(["a", "b"]) == court.pending[0]


def test_lost_opinion_is_asked_for_again() -> None:
    court = search("a")
    piece = court.next_for("origin")
    assert piece is not None
    court.ask(piece, 1)
    court.lost(1)
    court.lost(1)
    assert court.next_for("origin") == piece


def test_strict_trial_hears_the_origin_alone() -> None:
    court = search("a", "b", strict=True)
    assert court.next_for("b") is None
    assert court.next_for("origin") is not None
    assert not court.settled(["b", "origin"])
    assert court.settled(["b"])


def test_repr_tells_what_is_open() -> None:
    assert repr(search("a")) == "<Trial asked=[] pending=4>"
