"""Which bytes a source is asked for when nothing is free any more."""

from __future__ import annotations

import pytest

from headrace.models import Source
from headrace.transfer.range_set import RangeSet
from headrace.transfer.scheduler import PROBE, SMALL, Assignment, Move, Scheduler
from headrace.transfer.segments import Segment, Segments
from headrace.transfer.source_state import SourceState

MB = 1 << 20


class Race:
    """A file whose end is in flight, and somebody who has nothing to do."""

    def __init__(self, size: int, *in_flight: int, rate: float = 4e5) -> None:
        """Let a slow source work on ranges of these lengths, which end the file."""
        self.segments = Segments()
        start = size - sum(in_flight)
        self.segments.resize(size, RangeSet([(0, start)]))
        self.slow = SourceState(Source("slow", "http://slow/f", rate=rate, rtt=0.03), 0.0)
        self.idle = SourceState(Source("idle", "http://idle/f"), 0.0)
        self.scheduler = Scheduler(self.segments, {"slow": self.slow, "idle": self.idle})
        self.ranges: list[Segment] = []
        for number, length in enumerate(in_flight):
            self.ranges.append(Segment(number, "slow", start, start + length, 0.0))
            self.segments.launch(self.ranges[-1])
            self.slow.started(number, 0.0)
            start += length

    def choose(self) -> Assignment | None:
        return self.scheduler.choose(self.idle, (0,), 0.0)


def test_unknown_source_is_tried_on_the_end_of_the_range_that_ends_last() -> None:
    race = Race(9 * MB, MB, 3 * MB, 2 * MB)
    assert race.choose() == Assignment(Move.STEAL, 7 * MB - PROBE, 7 * MB, 1)
    race.ranges[1].hedged = True
    assert race.choose() == Assignment(Move.STEAL, 9 * MB - PROBE, 9 * MB, 2)
    race.ranges[2].check = True
    assert race.choose() == Assignment(Move.STEAL, 4 * MB - PROBE, 4 * MB, 0)
    race.ranges[0].check = True
    assert race.choose() is None


@pytest.mark.parametrize(
    ("length", "rate", "tried"),
    [(2 * PROBE, 4e5, True), (2 * PROBE - 1, 4e5, False), (2 * MB, 4e7, False)],
    ids=["long enough", "too short", "too quick"],
)
def test_unknown_source_is_not_tried_on_what_is_soon_there(
    length: int,
    rate: float,
    tried: bool,  # noqa: FBT001 - a table
) -> None:
    assert (Race(4 * MB, length, rate=rate).choose() is not None) == tried


@pytest.mark.parametrize(("size", "move"), [(SMALL, Move.HEDGE), (SMALL + 1, Move.STEAL)])
def test_small_file_is_asked_for_twice_and_a_larger_one_is_shared(size: int, move: Move) -> None:
    choice = Race(size, size, rate=1e5).choose()
    assert choice is not None
    assert choice.move is move


def test_source_that_is_quicker_takes_the_part_with_which_both_end_together() -> None:
    race = Race(9 * MB, 2 * MB, 4 * MB, 3 * MB)
    race.idle.rtt = 0.0
    choice = race.scheduler._steal(race.idle, 1e6, 0.0)
    assert choice is not None
    assert (choice.move, choice.victim, choice.end) == (Move.STEAL, 1, 6 * MB)
    assert (6 * MB - choice.start) / 1e6 == pytest.approx((choice.start - 2 * MB) / 1e5, rel=0.05)


def test_of_ranges_that_end_together_the_first_is_shared() -> None:
    race = Race(9 * MB, 2 * MB, 2 * MB, 2 * MB)
    race.idle.rtt = 0.0
    choice = race.scheduler._steal(race.idle, 1e6, 0.0)
    assert choice is not None
    assert choice.victim == 0
