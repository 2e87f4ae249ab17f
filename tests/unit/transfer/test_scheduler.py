"""Which bytes a source is asked for when nothing is free any more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from headrace.models import Fault, Source
from headrace.transfer.range_set import RangeSet
from headrace.transfer.scheduler import (
    LARGEST,
    LEAST,
    PROBE,
    SLOW_TURN,
    SMALL,
    SMALLEST,
    Assignment,
    Move,
    Scheduler,
)
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


def test_of_many_ranges_the_last_to_end_is_weighed_first_and_what_is_soon_here_not_at_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weighed = []
    taken_from = Scheduler._taken_from

    def counted(self: Scheduler, victim: Segment, *given: Any) -> Assignment | None:
        weighed.append(victim.id)
        return taken_from(self, victim, *given)

    monkeypatch.setattr(Scheduler, "_taken_from", counted)
    race = Race(20 * MB, MB, 2 * MB, 4 * MB, 3 * MB, 2 * MB)
    race.idle.rtt = 0.0
    choice = race.scheduler._steal(race.idle, 1e6, 0.0)
    assert choice is not None
    assert choice.victim == 2
    assert weighed == [2]
    weighed.clear()
    race = Race(20 * MB, MB, 2 * MB, 4 * MB, 3 * MB, 2 * MB, rate=4e9)
    race.slow.rtt, race.idle.rtt = 0.0, 0.1
    assert race.scheduler._steal(race.idle, 1e9, 0.0) is None
    assert not weighed


def test_request_without_an_answer_ends_later_the_longer_it_is_silent() -> None:
    race = Race(9 * MB, 100_000)
    [segment] = race.ranges
    segment.asked_at = 10.0
    later = [race.scheduler.eta(segment, 10.0 + waited) for waited in (0.0, 0.02, 0.06, 1.06)]
    assert later == pytest.approx([1.06, 1.04, 1.0, 5.0])
    race.slow.rtt = None
    assert race.scheduler.eta(segment, 10.0) == pytest.approx(1.4)


def test_request_that_brings_something_ends_as_its_own_rate_says() -> None:
    race = Race(9 * MB, 100_000)
    [segment] = race.ranges
    segment.opened(1.0)
    race.segments.accept(segment, 20_000)
    segment.meter.add(20_000, 2.0)
    assert race.scheduler.eta(segment, 2.0) == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("left", "theirs", "rate", "split"),
    [
        (MB, 0.5, 2 * MB, MB // 2),
        (128 * 1024, 100.0, 2 * MB, None),
        (MB, 100.0, 650_000.0, 1_031_928),
        (MB, 100.0, 670_000.0, None),
        (MB, 0.05, 2 * MB, None),
        (40_000, 1.0, 40_000, 20_000),
    ],
    ids=["half", "too little", "16 KiB stay", "too little stays", "soon", "little, for long"],
)
def test_range_is_shared_only_where_both_parts_are_worth_a_request(
    left: int, theirs: float, rate: float, split: int | None
) -> None:
    race = Race(9 * MB, left)
    [victim] = race.ranges
    taken = race.scheduler._split(victim, theirs, rate, 0.0)
    end = 9 * MB
    assert taken == (split and Assignment(Move.STEAL, end - split, end, victim.id))


@pytest.mark.parametrize(
    ("rate", "rtt", "missing", "size"),
    [
        (1e5, 0.03, 4 * MB, 600_000),
        (3.9e5, 0.03, 4 * MB, 2_340_000),
        (1e6, 0.03, 4_000_000, 500_000),
        (1e6, 0.03, MB, 250_000),
        (1e6, 0.03, 100 * MB, 3_000_000),
        (1e6, 0.1, 800_000_000, 4_000_000),
        (1e6, 1.0, 800_000_000, 8_000_000),
        (1e6, 1.0, MB, 2_000_000),
        (1e3, 0.03, 4 * MB, LEAST),
        (1e9, 0.03, 9_999_000_000, LARGEST),
    ],
    ids=[
        "slow",
        "slow, just",
        "half of what is left",
        "short turn",
        "long turn",
        "forty round trips",
        "long round trips",
        "two round trips' worth",
        "smallest",
        "largest",
    ],
)
def test_range_fills_the_turn_of_its_source(
    rate: float, rtt: float, missing: int, size: int
) -> None:
    race = Race(missing, missing, rate=4e6)
    race.idle.rtt, race.idle.source = rtt, replace(race.idle.source, rate=rate)
    assert race.scheduler._sized(race.idle, rate, 0.0) == size


@pytest.mark.parametrize(
    ("rate", "delivering", "quicker"), [(2e5, True, True), (5e5, True, False), (2e5, False, False)]
)
def test_others_are_quicker_whose_first_bytes_come_well_before(
    rate: float,
    delivering: bool,  # noqa: FBT001 - a table
    quicker: bool,  # noqa: FBT001 - a table
) -> None:
    race = Race(9 * MB, MB, rate=4e6)
    race.slow.rtt, race.idle.rtt = 0.1, 0.0
    race.slow.delivering = {0} if delivering else set()
    assert race.scheduler._others_are_quicker(race.idle, rate, 0.0) == quicker


@pytest.mark.parametrize(
    ("free", "end"), [(4 * MB, PROBE), (PROBE + SMALLEST, PROBE), (PROBE + SMALLEST - 1, None)]
)
def test_what_is_free_before_the_readers_is_taken_from_its_beginning_and_no_crumb_is_left(
    free: int, end: int | None
) -> None:
    segments = Segments()
    segments.resize(9 * MB, RangeSet([(free, 9 * MB)]))
    choice = Scheduler(segments, {})._first_free(8 * MB, PROBE)
    assert choice == Assignment(Move.TAKE, 0, free if end is None else end)


def test_source_that_gives_little_of_the_whole_takes_the_end_of_what_is_free() -> None:
    race = Race(40 * MB, 4 * MB, rate=4e6)
    race.segments.forget(0, 36 * MB)
    for rate, start in ((4.9e5, 36 * MB - int(4.9e5 * SLOW_TURN)), (5.1e5, 0)):
        race.idle.source = replace(race.idle.source, rate=rate)
        choice = race.scheduler._take(race.idle, rate, 0, 0.0)
        assert choice is not None
        assert choice.start == start


@pytest.mark.parametrize(("length", "start"), [(64 * MB, 3_000_000), (4 * MB, 1_797_559)])
def test_more_connections_to_the_only_source_bring_its_one_range_in_order(
    length: int, start: int
) -> None:
    race = Race(length, length, rate=4e6)
    race.idle.out = Fault.MISSING
    race.slow.rtt = 0.0
    choice = race.scheduler._steal(race.slow, 4e6 / 3, 0.0)
    assert choice is not None
    assert (choice.move, choice.start) == (Move.STEAL, start)
    assert choice.end <= start + 4_000_001
