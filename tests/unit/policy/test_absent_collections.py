"""Which mirror lacks which repository, for how long, and what is no reason to think so."""

from __future__ import annotations

from headrace.policy.absent_collections import AbsenceReason, AbsentCollections

NOW = 1_800_000_000.0
DAY = 24 * 3600.0
TORCH, OTHER = "docker.io/pytorch/pytorch", "docker.io/me/x"


def test_refused_repository_is_asked_for_again_after_a_day_then_after_two() -> None:
    known = AbsentCollections()
    assert known.refused("m", TORCH, 500, NOW)
    assert known.refused("m", TORCH, 900, NOW + 1)  # on its way together
    assert known.lacks("m", TORCH, None, NOW + DAY)
    assert not known.lacks("m", TORCH, None, NOW + DAY + 2)
    assert not known.lacks("m", OTHER, None, NOW)
    assert not known.lacks("n", TORCH, None, NOW)
    known.refused("m", TORCH, 500, NOW + 2 * DAY)
    assert known.lacks("m", TORCH, None, NOW + 4 * DAY - 1)
    assert not known.lacks("m", TORCH, None, NOW + 4 * DAY)
    at = NOW
    for _ in range(12):
        known.refused("m", TORCH, 500, at)
        at = known.rows()[0].until
    assert at - known.rows()[0].since == 14 * DAY


def test_mirror_that_refuses_what_is_large_gives_the_rest() -> None:
    known = AbsentCollections()
    known.gave("m", TORCH, 3000)
    assert known.refused("m", TORCH, 4 << 30, NOW)
    assert known.refused("m", TORCH, 2 << 30, NOW + 1)
    assert known.lacks("m", TORCH, 3 << 30, NOW + 2)
    assert not known.lacks("m", TORCH, 1 << 30, NOW + 2)
    assert not known.lacks("m", TORCH, None, NOW + 2)
    known.gave("m", TORCH, 1 << 30)
    assert known.lacks("m", TORCH, 2 << 30, NOW + 3)
    known.gave("m", TORCH, 3 << 30)
    assert known.rows() == []


def test_mirror_whose_answers_end_at_one_size_gives_what_is_smaller() -> None:
    known = AbsentCollections()
    known.cut("m", TORCH, 2 << 30, NOW)
    assert known.rows()[0].reason is AbsenceReason.CUT
    assert known.lacks("m", TORCH, 3 << 30, NOW + 1)
    assert not known.lacks("m", TORCH, 1 << 30, NOW + 1)
    # What came of the larger one up to there says nothing else.
    known.gave("m", TORCH, 1 << 30)
    assert known.lacks("m", TORCH, 3 << 30, NOW + 2)
    assert not known.lacks("m", TORCH, 3 << 30, NOW + 86_401)


def test_mirror_that_refuses_everything_is_no_matter_of_repositories() -> None:
    known = AbsentCollections()
    told = [known.refused("m", f"docker.io/me/{n}", 500, NOW) for n in range(4)]
    assert told == [True, True, False, False]
    known.gave("n", OTHER, 500)
    assert all(known.refused("n", f"docker.io/me/{n}", 500, NOW) for n in range(4))
    # What it gave a moment ago and refuses now is a login, or a limit.
    assert not known.refused("n", OTHER, 400, NOW)


def test_three_missing_objects_and_none_found_are_a_repository_that_is_not_there() -> None:
    known = AbsentCollections()
    for path in ("/a", "/a", "/b"):
        known.missing("m", TORCH, path, NOW)
    assert not known.lacks("m", TORCH, None, NOW)
    known.missing("m", TORCH, "/c", NOW)
    assert known.lacks("m", TORCH, None, NOW + 1)
    (row,) = known.rows()
    assert (row.reason, row.since, row.until) == (AbsenceReason.MISSING, NOW, NOW + DAY)
    known.gave("n", TORCH, 10)
    for path in ("/a", "/b", "/c", "/d"):
        known.missing("n", TORCH, path, NOW)
    assert not known.lacks("n", TORCH, None, NOW), "it follows its origin, and is late"


def test_what_an_earlier_process_learnt_holds_unless_its_clock_ran_ahead_or_it_is_old() -> None:
    known, later = AbsentCollections(), AbsentCollections()
    known.refused("m", TORCH, 500, NOW)
    later.restore(known.rows(), NOW + 60)
    assert later.lacks("m", TORCH, None, NOW + 60)
    for now in (NOW - 400 * DAY, NOW + 40 * DAY):
        other = AbsentCollections()
        other.restore(known.rows(), now)
        assert other.rows() == []
