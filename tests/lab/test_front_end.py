"""The benchmarks' command line: what is quick, and what is told last."""

from __future__ import annotations

import pytest
from benchmarks import cases, report
from benchmarks.bench import Goal, Row


def test_what_is_quick_is_among_the_cases_and_every_case_can_be_loaded() -> None:
    assert set(cases.QUICK) < set(cases.NAMES)
    assert len(set(cases.NAMES)) == len(cases.NAMES)
    assert all(cases.load(name)[0] for name in cases.NAMES)


@pytest.mark.parametrize(
    ("goal", "got", "short"),
    [
        (Goal(most=2), 4.0, 2.0),
        (Goal(least=0.8), 0.4, 2.0),
        (Goal(most=2), 1.0, 0.5),
        (Goal(most=0), 3.0, float("inf")),
        (Goal(least=0.8), 0.0, float("inf")),
    ],
)
def test_how_far_a_figure_is_from_its_goal(goal: Goal, got: float, short: float) -> None:
    assert Row("x", got, goal).short_of == short
    assert (short <= 1) is goal.met(got)


def test_the_rows_that_miss_their_goals_are_told_last_and_the_furthest_away_first() -> None:
    rows = [
        ("a", Row("near", 1.1, Goal(most=1.0))),
        ("b", Row("did not end", None, Goal(least=0.9), "exit 1")),
        ("c", Row("met", 1.0, Goal(most=1.0))),
        ("d", Row("far", 0.3, Goal(least=0.9))),
        ("e", Row("for comparison", 9.0)),
    ]
    head, *lines = report.worst(rows)
    assert head.startswith("3 of 4 goals")
    assert [line.split("  ")[1].strip() for line in lines] == ["did not end", "far", "near"]
    assert [line[-3:] for line in lines] == ["[b]", "[d]", "[a]"]
    assert report.worst(rows[2:3]) == ["every goal is met"]
