"""Sets of offsets: what touches is one, what is asked at an edge is answered exactly."""

from __future__ import annotations

import pytest

from headrace.transfer.range_set import RangeSet


@pytest.mark.parametrize(
    ("start", "end", "covered"),
    [
        (10, 20, True),
        (11, 19, True),
        (9, 20, False),
        (10, 21, False),
        (20, 20, True),
        (25, 30, False),
    ],
)
def test_range_is_covered_up_to_both_edges_and_not_beyond(
    start: int,
    end: int,
    covered: bool,  # noqa: FBT001 - a table
) -> None:
    assert RangeSet([(10, 20), (30, 40)]).covers(start, end) == covered


def test_runs_that_touch_or_overlap_are_one_and_counted_once() -> None:
    runs = RangeSet([(0, 10), (20, 30), (40, 50)])
    for start, end, rest in (
        (10, 15, [(0, 15), (20, 30), (40, 50)]),
        (15, 20, [(0, 30), (40, 50)]),
        (35, 45, [(0, 30), (35, 50)]),
        (5, 60, [(0, 60)]),
        (60, 60, [(0, 60)]),
    ):
        runs.add(start, end)
        assert (list(runs), runs.total) == (rest, sum(high - low for low, high in rest))


def test_what_is_taken_out_leaves_both_sides() -> None:
    runs = RangeSet([(0, 10), (20, 30), (40, 50)])
    for start, end, rest in (
        (10, 20, [(0, 10), (20, 30), (40, 50)]),
        (5, 25, [(0, 5), (25, 30), (40, 50)]),
        (44, 46, [(0, 5), (25, 30), (40, 44), (46, 50)]),
        (0, 5, [(25, 30), (40, 44), (46, 50)]),
        (30, 60, [(25, 30)]),
        (27, 27, [(25, 30)]),
    ):
        runs.remove(start, end)
        assert (list(runs), runs.total) == (rest, sum(high - low for low, high in rest))


def test_ends_gaps_and_parts_are_those_of_the_window() -> None:
    runs = RangeSet([(10, 20), (30, 40)])
    assert [runs.run_end(at) for at in (0, 10, 19, 20, 35, 40)] == [0, 20, 20, 20, 40, 40]
    assert list(runs.within(15, 35)) == [(15, 20), (30, 35)]
    assert list(runs.within(20, 30)) == []
    assert list(runs.gaps(15, 45)) == [(20, 30), (40, 45)]
    assert list(runs.gaps(10, 20)) == []
    assert (len(runs), repr(runs)) == (2, "RangeSet([10, 20), [30, 40))")
