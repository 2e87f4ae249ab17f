"""A new connection stays while it brings something to all together, else it is taken back."""

from __future__ import annotations

import pytest

from headrace.transfer.adaptive_concurrency import FLOOR, HOLD, STEP, AdaptiveConcurrency, Step

TURN = 2 * STEP


class Source:
    """One source that gives so many bytes per second, beside others."""

    def __init__(self, *, alone: bool = False) -> None:
        """Begin at 0 with one connection."""
        self.concurrency = AdaptiveConcurrency(0.0)
        self.now = 0.0
        self.total = 0
        self.alone = alone

    def give(self, rate: float, everybody: float, *, most: int = 9, idle: int = 0) -> int:
        """Give for one turn; return the connections that it is worth then."""
        self.now += TURN
        self.total += int(rate * TURN)
        active = self.concurrency.connections - idle
        self.concurrency.tune(Step(self.now, self.total, everybody, active, most, self.alone))
        return self.concurrency.connections


def tried(*, alone: bool = False, everybody: float = 2e6) -> Source:
    """Return a source that gave 1 MB/s with three connections, and has just got a fourth."""
    source = Source(alone=alone)
    source.concurrency.connections = FLOOR
    assert source.give(1e6, everybody) == FLOOR, "it still grows by itself"
    assert source.give(1e6, everybody) == FLOOR + 1
    return source


def test_connections_up_to_the_floor_are_given_untried() -> None:
    source = Source()
    assert [source.give(1e6, 2e6) for _ in range(3)] == [2, 3, 4]


def test_no_connection_is_added_to_some_that_are_idle_or_beyond_the_limit() -> None:
    source = Source()
    assert [source.give(1e6, 2e6, idle=1) for _ in range(3)] == [1, 1, 1]
    assert [source.give(1e6, 2e6, most=2) for _ in range(3)] == [2, 2, 2]


@pytest.mark.parametrize(
    ("rate", "all_before", "all_after", "alone", "stays"),
    [
        (1.2e6, 2e6, 2.2e6, False, True),
        (1.1e6, 2e6, 2.1e6, False, False),
        (1.2e6, 2e6, 2e6, False, False),
        (1.2e6, 2e6, 2.05e6, False, True),
        (1.2e6, 2e6, 2e6, True, True),
        (1.1e6, 2e6, 2e6, True, False),
        (1.2e6, 9e6, 9e6, False, True),
    ],
    ids=[
        "more for all",
        "too little more",
        "taken from others",
        "a quarter is more for all",
        "nobody to take it from",
        "alone, and too little more",
        "too little of the whole to tell",
    ],
)
def test_fourth_connection_stays_where_it_brings_something(
    rate: float,
    all_before: float,
    all_after: float,
    alone: bool,  # noqa: FBT001 - a table
    stays: bool,  # noqa: FBT001 - a table
) -> None:
    source = tried(alone=alone, everybody=all_before)
    assert source.give(rate, all_after) == (FLOOR + 1 if stays else FLOOR)


def test_what_brought_nothing_is_tried_again_later_and_then_much_later() -> None:
    source, held = tried(), list[float]()
    for _ in range(2):
        assert source.give(1e6, 2e6) == FLOOR
        since = source.now
        while source.give(1e6, 2e6) == FLOOR:
            pass
        held.append(source.now - since)
    assert held == [HOLD, 2 * HOLD]


def test_source_that_gives_little_of_the_whole_is_not_judged() -> None:
    source = Source()
    assert [source.give(1e5, 9e6) for _ in range(6)] == [2, 3, 4, 5, 6, 7]


def test_nothing_is_said_before_a_step_is_over() -> None:
    concurrency = AdaptiveConcurrency(0.0)
    concurrency.begin(5.0)
    concurrency.tune(Step(5.0 + STEP - 0.01, 1000, 1e6, 1, 9, alone=False))
    assert concurrency.connections == 1
    concurrency.tune(Step(5.0 + STEP, 1000, 1e6, 1, 9, alone=False))
    assert concurrency.connections == 2
