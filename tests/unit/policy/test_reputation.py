"""What experience teaches: averages that follow, pauses that grow and end."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.models import Fault
from headrace.policy.reputation import EVERYTHING, Observation, Record, learn, on_probation, scope

NOW = 1_800_000_000.0
DAY = 86_400.0
GOOD = Observation(bytes=1 << 20, seconds=1.0, rtt=0.05)


def failed(fault: Fault, retry_after: float | None = None) -> Observation:
    return Observation(fault=fault, retry_after=retry_after)


def test_the_rate_is_bytes_over_seconds_and_follows_what_is_measured() -> None:
    record = learn(Record(), Observation(10_000_000, 10.0, 0.05), NOW)
    assert record.rate == pytest.approx(1e6)
    assert record.rtt == 0.05
    for step in range(30):
        record = learn(record, Observation(200_000, 2.0), NOW + step)
    assert record.rate is not None
    assert record.rate < 200_000, "a minute at a tenth of the speed is believed"


def test_a_day_on_the_shelf_halves_the_weight() -> None:
    old = learn(Record(), Observation(10_000_000, 10.0), NOW)
    same_day = learn(old, Observation(1_000_000, 10.0), NOW)
    next_day = learn(old, Observation(1_000_000, 10.0), NOW + DAY)
    assert same_day.rate is not None
    assert next_day.rate is not None
    assert same_day.rate == pytest.approx(550_000)
    assert next_day.rate == pytest.approx(400_000)


@pytest.mark.parametrize(
    ("seen", "rate"),
    [
        (Observation(128 << 10, 0.25), 524_288.0),
        (Observation((128 << 10) - 1, 0.25), None),
        (Observation(1, 1.0), 1.0),
        (Observation(1, 0.99), None),
        (Observation(0, 4.0), None),
        (Observation(1 << 20, 0.0), None),
    ],
)
def test_the_rate_is_told_by_much_or_by_long(seen: Observation, rate: float | None) -> None:
    record = learn(Record(), seen, NOW)
    assert record.rate == rate
    assert record.measured_at == (0.0 if rate is None else NOW)


def test_a_round_trip_of_nothing_is_one_and_none_is_none() -> None:
    assert learn(Record(), Observation(rtt=0.0), NOW).rtt == 0.0
    assert learn(Record(), Observation(rtt=-1.0), NOW).rtt is None


def test_failures_add_up_fade_and_are_made_good() -> None:
    once = learn(Record(), failed(Fault.FORBIDDEN), NOW)
    assert once.failures == pytest.approx(0.1)
    twice = learn(once, failed(Fault.FORBIDDEN), NOW)
    assert twice.failures == pytest.approx(0.19)
    assert learn(twice, Observation(rtt=0.1), NOW + 600).failures == pytest.approx(0.095)
    assert learn(twice, GOOD, NOW).failures == pytest.approx(0.171)


def test_one_fault_is_all_that_is_remembered_of_it() -> None:
    error = learn(Record(), failed(Fault.SERVER_ERROR), NOW)
    assert error == Record(failures=0.1, updated=NOW, paused_until=NOW + 10, pauses=1)
    cut = learn(learn(Record(), failed(Fault.CUT), NOW), failed(Fault.CUT), NOW)
    assert (cut.pauses, cut.row, cut.paused_until) == (1, 0, NOW + 5)


def test_one_that_never_failed_is_not_on_probation() -> None:
    assert not on_probation(Record(), NOW)
    assert not on_probation(learn(Record(), GOOD, NOW), NOW)


def test_small_answers_tell_the_round_trip_and_not_the_rate() -> None:
    record = learn(Record(), Observation(20_000, 0.06, 0.05), NOW)
    assert record.rate is None
    assert record.rtt == 0.05
    assert record.measured_at == NOW


def test_little_in_a_long_time_does_tell_the_rate() -> None:
    assert learn(Record(), Observation(20_000, 4.0, 0.2), NOW).rate == pytest.approx(5000)


def test_the_round_trip_smooths_and_learns_faster_after_a_pause() -> None:
    record = learn(Record(), Observation(rtt=0.1), NOW)
    soon = learn(record, Observation(rtt=0.2), NOW + 1)
    later = learn(record, Observation(rtt=0.2), NOW + 3600)
    late = learn(record, Observation(rtt=0.2), NOW + 3 * 3600)
    assert soon.rtt == pytest.approx(0.13)
    assert later.rtt == pytest.approx(0.15)
    assert late.rtt == pytest.approx(0.17)


@pytest.mark.parametrize(
    ("fault", "pauses"),
    [
        (Fault.REFUSED, [30, 120, 480, 1920, 7680, 30720, DAY, DAY]),
        (Fault.UNREACHABLE, [30, 120, 480]),
        (Fault.TLS, [30, 120]),
        (Fault.SILENT, [30, 120]),
        (Fault.FORBIDDEN, [60, 240, 960, 3840, 15360, 61440, DAY]),
        (Fault.RATE_LIMITED, [30, 60, 120, 240]),
        (Fault.SERVER_ERROR, [10, 20, 40, 80, 160, 320, 600, 600]),
        (Fault.NOT_THE_FILE, [600, 1200]),
        (Fault.WRONG_BYTES, [DAY, DAY]),
    ],
)
def test_pauses_grow_while_nothing_succeeds(fault: Fault, pauses: list[float]) -> None:
    record, now = Record(), NOW
    for seconds in pauses:
        record = learn(record, failed(fault), now)
        assert record.paused_until - now == pytest.approx(seconds)
        assert not on_probation(record, now)
        now = record.paused_until
        assert on_probation(record, now)


def test_a_server_that_names_its_pause_gets_it_within_reason() -> None:
    assert learn(Record(), failed(Fault.RATE_LIMITED, 300), NOW).paused_until == NOW + 300
    assert learn(Record(), failed(Fault.RATE_LIMITED, 1), NOW).paused_until == NOW + 30
    assert learn(Record(), failed(Fault.RATE_LIMITED, 1e9), NOW).paused_until == NOW + DAY
    paused = learn(Record(), failed(Fault.RATE_LIMITED, 60), NOW)
    longer = learn(paused, failed(Fault.RATE_LIMITED, 300), NOW + 1)
    assert (longer.paused_until, longer.pauses) == (NOW + 301, 1)
    assert learn(longer, failed(Fault.RATE_LIMITED, 5), NOW + 2).paused_until == NOW + 301


def test_four_connections_that_fail_together_are_one_failure() -> None:
    record = Record()
    for _ in range(4):
        record = learn(record, failed(Fault.REFUSED), NOW)
    assert record.pauses == 1
    assert record.paused_until == NOW + 30


def test_a_cut_is_forgiven_once_and_not_twice_in_a_row() -> None:
    record = learn(Record(), failed(Fault.CUT), NOW)
    assert record.paused_until == 0.0
    forgiven = learn(learn(record, GOOD, NOW), failed(Fault.CUT), NOW)
    assert forgiven.paused_until == 0.0
    assert learn(record, failed(Fault.CUT), NOW).paused_until > NOW


def test_headers_alone_are_no_success() -> None:
    """A source that always stalls answers with headers first; it is paused all the same."""
    record = Record()
    for _ in range(2):
        record = learn(record, Observation(rtt=0.05), NOW)
        record = learn(record, failed(Fault.STALLED), NOW)
    assert record.paused_until > NOW


def test_success_after_the_pause_clears_it_and_during_it_does_not() -> None:
    banned = learn(Record(), failed(Fault.RATE_LIMITED), NOW)
    assert learn(banned, GOOD, NOW + 1).paused_until == NOW + 30, "an old connection still works"
    healed = learn(banned, GOOD, NOW + 30)
    assert (healed.paused_until, healed.pauses) == (0.0, 0)
    unreachable = learn(Record(), failed(Fault.REFUSED), NOW)
    assert learn(unreachable, GOOD, NOW + 1, whole=True).paused_until == 0.0


@pytest.mark.parametrize("fault", [Fault.MISSING, Fault.SLOW, Fault.NO_RANGES])
def test_these_say_nothing_against_a_source(fault: Fault) -> None:
    record = learn(learn(Record(), GOOD, NOW), failed(fault), NOW + 1)
    assert record.failures == pytest.approx(0.0)
    assert record.paused_until == 0.0


def test_who_cannot_be_reached_cannot_for_every_object() -> None:
    for fault in (Fault.UNREACHABLE, Fault.REFUSED, Fault.TLS, Fault.SILENT):
        assert scope(fault, "wheel") == EVERYTHING
    for fault in (Fault.FORBIDDEN, Fault.RATE_LIMITED, Fault.WRONG_BYTES):
        assert scope(fault, "wheel") == "wheel"
    assert scope(None, "wheel") == "wheel"


observations = st.builds(
    Observation,
    bytes=st.integers(0, 1 << 40),
    seconds=st.floats(0, 1e6),
    rtt=st.none() | st.floats(0, 100),
    fault=st.none() | st.sampled_from(list(Fault)),
    retry_after=st.none() | st.floats(0, 1e12),
)


@given(st.lists(st.tuples(observations, st.floats(0, 1e8)), max_size=80), st.booleans())
def test_a_record_stays_a_record_whatever_happens(
    history: list[tuple[Observation, float]],
    whole: bool,  # noqa: FBT001 - drawn
) -> None:
    record, now = Record(), NOW
    for seen, later in history:
        now += later
        record = learn(record, seen, now, whole=whole)
        assert 0.0 <= record.failures <= 1.0
        assert record.paused_until <= now + DAY
        assert all(
            math.isfinite(value)
            for value in (record.bytes, record.seconds, record.rtt or 0.0, record.paused_until)
        )
        assert record.rate is None or record.rate >= 0
