"""A new connection stays while it brings something to all together, else it is taken back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headrace.transfer.adaptive_concurrency import (
    FLOOR,
    HOLD,
    STEP,
    STEP_ALONE,
    TRIPS,
    WORTH,
    AdaptiveConcurrency,
    Step,
)

TURN = 2 * STEP


class Source:
    """One source that gives so many bytes per second, beside others."""

    def __init__(self, *, alone: bool = False) -> None:
        """Begin at 0 with one connection."""
        self.concurrency = AdaptiveConcurrency(0.0)
        self.now = 0.0
        self.total = 0
        self.alone = alone
        self.grown = 0

    def give(
        self,
        rate: float,
        everybody: float,
        *,
        most: int = 9,
        idle: int = 0,
        left: float = 99.0,
        denied: bool = False,
    ) -> int:
        """Give for one turn; return the connections that it is worth then."""
        self.now += TURN
        self.total += int(rate * TURN)
        active = self.concurrency.connections - idle
        step = Step(
            self.now, self.total, everybody, active, most, self.alone, left=left, denied=denied
        )
        self.concurrency.tune(step)
        return self.concurrency.connections


def tried(*, alone: bool = False, everybody: float = 2e6) -> Source:
    """Return a source that gave 1 MB/s with as many as are untried, and has just got more."""
    source = Source(alone=alone)
    source.concurrency.connections = FLOOR
    source.give(1e6, everybody)
    if source.concurrency.connections == FLOOR:
        assert not alone, "it still grows by itself"
        source.give(1e6, everybody)
    source.grown = source.concurrency.connections
    assert source.grown > FLOOR
    return source


def test_first_answer_brings_the_connections_that_need_no_proof_where_others_work_beside() -> None:
    beside, alone, narrow = (AdaptiveConcurrency(0.0) for _ in range(3))
    beside.answered(9, alone=False)
    alone.answered(9, alone=True)
    narrow.answered(2, alone=False)
    assert [each.connections for each in (beside, alone, narrow)] == [FLOOR, 1, 2]


def test_only_source_has_one_connection_until_it_has_worked_for_a_step() -> None:
    source = Source(alone=True)
    assert source.give(1e6, 1e6) == FLOOR


def test_no_connection_is_added_to_some_that_are_idle_or_beyond_the_limit() -> None:
    source = Source()
    assert [source.give(1e6, 2e6, idle=1) for _ in range(3)] == [1, 1, 1]
    assert [source.give(1e6, 2e6, most=2) for _ in range(3)] == [2, 2, 2]


def test_nothing_is_added_for_what_will_be_here_before_it_pays() -> None:
    source = Source(alone=True)
    assert source.give(1e6, 1e6, left=WORTH - 0.1) == 1
    assert source.give(1e6, 1e6, left=WORTH) == FLOOR


@pytest.mark.parametrize(
    ("gain", "all_before", "all_after", "alone", "stays"),
    [
        (1.2, 2e6, 2.2e6, False, True),
        (1.1, 2e6, 2.1e6, False, False),
        (1.2, 2e6, 2e6, False, False),
        (1.2, 2e6, 2.06e6, False, True),
        (1.4, 2e6, 2e6, True, True),
        (1.3, 2e6, 2e6, True, False),
        (1.4, 11e6, 11e6, False, True),
        (1.3, 11e6, 11e6, False, False),
    ],
    ids=[
        "more for all",
        "too little more",
        "taken from others",
        "a quarter is more for all",
        "nobody to take it from",
        "alone, and too little more",
        "too little of the whole for the sum to tell",
        "little of the whole, and too little more",
    ],
)
def test_more_connections_stay_where_they_bring_something(
    gain: float,
    all_before: float,
    all_after: float,
    alone: bool,  # noqa: FBT001 - a table
    stays: bool,  # noqa: FBT001 - a table
) -> None:
    source = tried(alone=alone, everybody=all_before)
    source.give(gain * 1e6, all_after)
    assert (source.concurrency.connections >= source.grown) == stays
    assert stays or source.concurrency.connections == FLOOR


def test_number_doubles_where_a_source_is_alone_or_gives_little_and_else_grows_by_half() -> None:
    assert tried().grown == FLOOR + FLOOR // 2
    assert tried(alone=True).grown == 2 * FLOOR
    assert tried(everybody=11e6).grown == 2 * FLOOR


def test_source_that_gives_as_much_on_each_gets_all_that_it_allows_without_a_pause() -> None:
    source = tried()
    assert source.give(1.5e6, 2.5e6) == 9


def test_trial_of_the_only_source_begins_when_others_no_longer_have_the_connections_for_it() -> (
    None
):
    source = tried(alone=True)
    for _ in range(9):
        assert source.give(1e6, 1e6, denied=True) == source.grown
    assert source.give(1e6, 1e6) == FLOOR


def test_beside_other_sources_what_did_not_get_its_connections_is_taken_back_like_any_other() -> (
    None
):
    assert tried().give(1e6, 2e6, denied=True) == FLOOR


def test_what_brought_nothing_is_tried_again_later_and_then_much_later() -> None:
    source, held = tried(), list[float]()
    for _ in range(2):
        assert source.give(1e6, 2e6) == FLOOR
        since = source.now
        while source.give(1e6, 2e6) == FLOOR:
            pass
        held.append(source.now - since)
    assert held == [HOLD, 2 * HOLD]


@pytest.mark.parametrize(
    ("alone", "rate", "again"), [(True, 8.9, 1), (True, 9.1, 0), (False, 8.9, 1), (False, 9.1, 0)]
)
def test_source_that_gives_much_less_than_then_is_tried_again_at_once(
    alone: bool,  # noqa: FBT001 - a table
    rate: float,
    again: int,
) -> None:
    source = tried(alone=alone)
    assert source.give(1e6, 2e6) == FLOOR
    source.give(rate * 1e5, 2e6)
    assert (source.concurrency.connections > FLOOR) == bool(again)


def test_new_connections_to_a_far_source_have_the_round_trips_that_they_need() -> None:
    source = tried(alone=True)
    rtt = TURN / (TRIPS - 1)
    step = Step(source.now + TURN, source.total, 2e6, 8, 9, alone=True, rtt=rtt)
    source.concurrency.tune(step)
    assert source.concurrency.connections == source.grown
    source.concurrency.tune(replace(step, now=source.now + TRIPS * rtt))
    assert source.concurrency.connections == FLOOR


def test_who_says_that_they_are_too_many_keeps_half_of_those_that_were_used() -> None:
    for connections, used, kept in ((8, 8, 4), (8, 3, 1), (1, 1, 1)):
        concurrency = AdaptiveConcurrency(0.0)
        concurrency.connections = connections
        assert concurrency.halve(used) == kept == concurrency.connections


@pytest.mark.parametrize(("alone", "step"), [(False, STEP), (True, STEP_ALONE)])
def test_nothing_is_said_before_a_step_is_over(
    alone: bool,  # noqa: FBT001 - a table
    step: float,
) -> None:
    concurrency = AdaptiveConcurrency(0.0)
    concurrency.begin(5.0)
    concurrency.tune(Step(5.0 + step - 0.01, 1000, 1e6, 1, 9, alone=alone))
    assert concurrency.connections == 1
    concurrency.tune(Step(5.0 + step, 1000, 1e6, 1, 9, alone=alone))
    assert concurrency.connections == FLOOR


def test_step_of_a_far_source_that_is_alone_is_two_round_trips() -> None:
    concurrency = AdaptiveConcurrency(0.0)
    concurrency.tune(Step(0.9, 1000, 1e6, 1, 9, alone=True, rtt=0.5))
    assert concurrency.connections == 1
    concurrency.tune(Step(1.0, 1000, 1e6, 1, 9, alone=True, rtt=0.5))
    assert concurrency.connections == FLOOR
