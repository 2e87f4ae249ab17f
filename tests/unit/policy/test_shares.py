"""Whose connection goes when there are too many."""

from __future__ import annotations

import pytest

from headrace.policy.shares import heavy_user, who_goes


@pytest.mark.parametrize(
    ("counts", "heavy"),
    [
        ({}, None),
        ({1: 50}, None),  # one share is left for whoever comes
        ({1: 51}, 1),
        ({1: 33, 2: 33, 3: 1}, 1),
        ({1: 25, 2: 25, 3: 25}, None),
        ({1: 10, 2: 34}, 2),
    ],
)
def test_more_than_a_share_is_more_than_everybody_could_have(
    counts: dict[int, int], heavy: int | None
) -> None:
    assert heavy_user(counts, 100) == heavy


def test_of_the_heavy_user_the_idle_go_before_the_unread_and_the_newest() -> None:
    owners = {"a": 1, "b": 2, "c": 1, "d": 1, "e": None}
    named = {"waiting": ["b", "c"], "stalled": ["a"], "newest": ["e", "d", "c", "b", "a"]}
    assert who_goes(owners, 1, **named) == "c"
    assert who_goes(owners, None, **named) == "b"
    assert who_goes(owners, 1, **{**named, "waiting": ["b"]}) == "a"
    assert who_goes(owners, 1, **{**named, "waiting": [], "stalled": ["b"]}) == "d"
    assert who_goes(owners, 3, **named) is None
    assert who_goes({}, None, waiting=(), stalled=(), newest=()) is None
