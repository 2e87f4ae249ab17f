"""Growth, penalties and pauses of one source."""

from __future__ import annotations

import pytest

from headrace.models import Fault, Source
from headrace.transfer.adaptive_concurrency import FLOOR, STEP, UNTRIED
from headrace.transfer.dispatcher import Dispatcher
from headrace.transfer.rates import Meter
from headrace.transfer.source_state import CUTS, SourceState


def source(connections: int = 4, **known: float) -> Source:
    return Source(
        "m", "http://m/f", connections=connections, rate=known.get("rate"), rtt=known.get("rtt")
    )


def flow(
    upstream: SourceState,
    rates: list[float],
    *,
    alone: bool = False,
    others: float = 0.0,
    start: float = 0.0,
) -> list[int]:
    """Let it give `rates[connections - 1]` bytes per second; return its connections, each step."""
    now, concurrency = start, list[int]()
    for step in range(12):
        while len(upstream.active) < upstream.concurrency.connections:
            request = 100 * step + len(upstream.active)
            upstream.started(request, now)
            upstream.opened(request, 0.05, alone=alone)
        while len(upstream.active) > upstream.concurrency.connections:
            upstream.ended(next(iter(upstream.active)))
        rate = rates[min(len(upstream.active), len(rates)) - 1]
        for _ in range(13):
            now += 0.1
            upstream.received(int(rate / 10), now)
        upstream.tune(now, rate + others, 99.0, alone=alone)
        concurrency.append(upstream.concurrency.connections)
    return concurrency


def test_source_that_gives_more_on_each_connection_gets_all_it_allows() -> None:
    each = [1e6 * connections for connections in range(1, 9)]
    for others in (0.0, 8e6, 90e6):
        assert flow(SourceState(source(8), 0.0), each, alone=not others, others=others)[-1] == 8


@pytest.mark.parametrize("others", [0.0, 4e6, 90e6])
def test_source_that_is_full_keeps_those_that_need_no_proof(others: float) -> None:
    counts = flow(SourceState(source(8), 0.0), [4e6], alone=not others, others=others)
    assert counts.count(FLOOR) > len(counts) / 2


def test_pauses_grow_and_one_probe_follows() -> None:
    upstream = SourceState(source(), 0.0)
    pauses, now = [], 0.0
    for _ in range(5):
        upstream.started(1, now)
        upstream.ended(1)
        upstream.failed(Fault.REFUSED, now, None, bytes_came=False)
        pauses.append(upstream.paused_until - now)
        assert upstream.room(now) == 0
        now = upstream.paused_until
        upstream.concurrency.connections = 4
        assert upstream.room(now) == 1
    assert pauses == [1.0, 2.0, 4.0, 8.0, 8.0]
    upstream.received(1, now)
    assert upstream.strikes == 0


def test_failures_of_one_moment_are_one() -> None:
    upstream = SourceState(source(), 0.0)
    for _ in range(4):
        upstream.failed(Fault.SILENT, 1.0, None, bytes_came=False)
    assert upstream.strikes == 1
    assert upstream.paused_until == 2.0
    assert repr(upstream) == "<m 0/1/4 paused until 2.00 strikes=1>"


def test_rate_limit_costs_half_and_the_pause_that_it_names_while_others_deliver() -> None:
    upstream = SourceState(source(8), 0.0)
    upstream.concurrency.connections = 8
    for request in (1, 2, 3):
        upstream.started(request, 0.0)
        upstream.opened(request, 0.1, alone=False)
    upstream.failed(Fault.RATE_LIMITED, 1.0, None, bytes_came=False)
    assert (upstream.limit, upstream.concurrency.connections) == (2, 2), "it was the fourth"
    assert upstream.paused_until == 2.0
    upstream.failed(Fault.RATE_LIMITED, 1.5, 60.0, bytes_came=False)
    assert upstream.limit == 2, "several of one moment are one"
    assert upstream.paused_until == 61.5
    for request in (1, 2, 3):
        upstream.ended(request)
    upstream.failed(Fault.RATE_LIMITED, 2.0, 5.0, bytes_came=False)
    assert upstream.paused_until == 61.5


def test_rate_limits_without_a_time_pause_ever_longer_until_bytes_come_again() -> None:
    upstream = SourceState(source(), 0.0)
    now, pauses = 0.0, []
    for _ in range(4):
        upstream.failed(Fault.RATE_LIMITED, now, 0.0, bytes_came=False)
        upstream.failed(Fault.RATE_LIMITED, now, 0.0, bytes_came=False)
        pauses.append(upstream.paused_until - now)
        now = upstream.paused_until
    assert pauses == [1.0, 2.0, 4.0, 8.0]
    upstream.received(1, now)
    upstream.failed(Fault.RATE_LIMITED, now, None, bytes_came=False)
    assert upstream.paused_until == now + 30.0


@pytest.mark.parametrize("fault", [Fault.RATE_LIMITED, Fault.SERVER_ERROR])
def test_pause_that_a_source_asked_for_is_not_cut_short(fault: Fault) -> None:
    upstream = SourceState(source(), 0.0)
    upstream.failed(fault, 1.0, 1.0, bytes_came=False)
    assert not upstream.may_be_released(1.5, within=1.0)
    upstream.release(1.5)
    assert upstream.room(1.9) == 0
    assert upstream.room(2.0) == 1


def test_pause_after_silence_is_cut_short_when_nobody_else_is_there() -> None:
    upstream = SourceState(source(), 0.0)
    upstream.failed(Fault.SILENT, 1.0, None, bytes_came=False)
    assert upstream.may_be_released(1.0, within=1.0)
    assert not upstream.may_be_released(1.0, within=0.9)
    upstream.release(1.0)
    assert upstream.room(1.0) == 1


@pytest.mark.parametrize(
    ("retry_after", "until"), [(None, 31.0), (60.0, 61.0), (0.2, 2.0), (0.0, 2.0)]
)
def test_rate_limit_of_one_who_gives_nothing_is_the_pause_that_it_names(
    retry_after: float | None, until: float
) -> None:
    upstream = SourceState(source(), 0.0)
    upstream.failed(Fault.RATE_LIMITED, 1.0, retry_after, bytes_came=False)
    assert (upstream.paused_until, upstream.limit) == (until, 1)


@pytest.mark.parametrize(("retry_after", "until"), [(None, 2.0), (0.5, 2.0), (60.0, 61.0)])
def test_pause_of_any_failure_is_at_least_the_one_that_is_named(
    retry_after: float | None, until: float
) -> None:
    upstream = SourceState(source(), 0.0)
    upstream.failed(Fault.SERVER_ERROR, 1.0, retry_after, bytes_came=False)
    assert upstream.paused_until == until


@pytest.mark.parametrize(
    ("fault", "bytes_came", "left"),
    [
        (Fault.CUT, True, 0.7),
        (Fault.CUT, False, 0.3),
        (Fault.RATE_LIMITED, False, 0.3),
        (Fault.MISSING, False, 1.0),
    ],
)
def test_failure_costs_a_part_of_the_rate_and_more_where_nothing_came(
    fault: Fault,
    bytes_came: bool,  # noqa: FBT001 - a table
    left: float,
) -> None:
    upstream = SourceState(source(), 0.0)
    upstream.started(1, 0.0)
    upstream.received(1000, 0.0)
    upstream.received(1_000_000, 2.0)
    before = upstream.rate(2.0)
    assert before is not None
    upstream.failed(fault, 2.0, None, bytes_came=bytes_came)
    assert upstream.rate(2.0) == pytest.approx(before * left)


def test_our_own_sleep_is_no_step_in_which_a_source_could_show_something() -> None:
    upstream = SourceState(source(), 0.0)
    upstream.started(1, 0.0)
    upstream.received(1000, 0.1)
    upstream.shift(10.0)
    upstream.tune(10.1 + STEP - 0.01, 1e6, 99.0, alone=False)
    assert upstream.concurrency.connections == 1
    upstream.tune(10.1 + STEP + 0.01, 1e6, 99.0, alone=False)
    assert upstream.concurrency.connections == FLOOR


def test_all_downloads_together_have_more_than_four_only_where_more_bring_more() -> None:
    upstream = SourceState(source(8), 0.0)
    assert upstream.allowed(alone=False) == UNTRIED
    upstream.concurrency.connections = 6
    assert upstream.allowed(alone=False) == 6
    assert SourceState(source(2), 0.0).allowed(alone=False) == 2


def test_all_downloads_that_have_one_source_alone_may_have_together_what_that_bears() -> None:
    assert SourceState(source(8), 0.0).allowed(alone=True) == 8
    assert SourceState(source(2), 0.0).allowed(alone=True) == 2


def test_what_a_small_file_costs_is_two_round_trips_and_its_bytes() -> None:
    known = SourceState(source(rate=2e6, rtt=0.1), 0.0)
    assert Dispatcher._cost(known, 1_000_000, 0.0) == pytest.approx(0.7)
    assert Dispatcher._cost(SourceState(source(), 0.0), 1_000_000, 0.0) == pytest.approx(1.4)


def test_bodies_that_end_early_cost_little_while_they_bring_something() -> None:
    upstream = SourceState(source(), 0.0)
    upstream.concurrency.connections = 4
    for _ in range(CUTS):
        upstream.failed(Fault.CUT, 1.0, None, bytes_came=True)
        assert upstream.paused_until == 0.0
    upstream.failed(Fault.CUT, 1.0, None, bytes_came=True)
    assert 1.0 < upstream.paused_until < 2.0
    assert upstream.room(2.0) == 1
    upstream.completed()
    assert upstream.room(2.0) == 4


@pytest.mark.parametrize("fault", [Fault.FORBIDDEN, Fault.MISSING, Fault.WRONG_BYTES])
def test_refusals_of_the_file_are_final(fault: Fault) -> None:
    upstream = SourceState(source(), 0.0)
    upstream.failed(fault, 0.0, None, bytes_came=False)
    upstream.release(0.0)
    assert upstream.out is fault
    assert upstream.room(1e9) == 0
    assert fault.value in repr(upstream)


def test_what_selection_knows_counts_until_something_is_measured() -> None:
    upstream = SourceState(source(rate=8e6, rtt=0.1), 0.0)
    assert upstream.known()
    assert upstream.rate_per_request(0.0) == 2e6
    assert upstream.expected_rtt() == 0.1
    upstream.started(1, 0.0)
    upstream.received(1000, 0.1)
    upstream.received(100_000, 1.2)
    assert upstream.rate_per_request(1.2) == pytest.approx(101_000 / 1.1, rel=0.01)
    unknown = SourceState(source(), 0.0)
    assert unknown.rate_per_request(0.0) is None
    assert not unknown.known()
    unknown.learn(source(rate=1.0, rtt=0.3))
    assert unknown.expected_rtt() == 0.3
    one_byte = SourceState(source(), 0.0)
    one_byte.received(1, 0.1)
    assert one_byte.known()


# ------------------------------------------------------------------------- rates


def test_meter_counts_from_the_first_bytes_and_then_by_windows() -> None:
    meter = Meter(0.0, window=1.0)
    assert meter.rate(0.0) is None
    meter.add(500, 0.5)
    assert meter.rate(0.5) == 1000.0
    meter.add(500, 1.0)
    assert meter.rate(1.0) == 1000.0
    meter.add(2000, 2.0)
    assert meter.rate(2.0) == pytest.approx(1400.0)
    assert meter.total == 3000


def test_meter_leaves_our_own_sleep_out_of_its_first_window_too() -> None:
    meter = Meter(0.0, window=1.0)
    meter.add(500, 0.5)
    meter.shift(1.0)
    assert meter.rate(1.5) == 1000.0


def test_meter_fades_in_silence_and_not_in_our_own_sleep() -> None:
    meter = Meter(0.0, window=1.0)
    meter.add(1000, 1.0)
    assert meter.rate(2.0) == 1000.0
    faded = meter.rate(4.0)
    assert faded is not None
    assert faded < 300.0
    meter.shift(3.0)
    assert meter.rate(4.0) == 1000.0
    meter.scale(0.5)
    assert meter.rate(4.0) == 500.0
    meter.restart(9.0)
    assert meter.rate(9.5) == 500.0


def test_meter_does_not_forget_what_came_in_less_than_a_window() -> None:
    meter = Meter(0.0, window=1.0)
    meter.add(200, 0.2)
    meter.restart(0.5)
    assert meter.rate(0.6) == 1000.0
    meter.add(100, 0.9)
    assert meter.rate(1.0) == 200.0
    meter.restart(1.0)
    meter.scale(0.5)
    assert meter.rate(1.0) == 125.0


def test_each_of_those_that_are_asked_for_is_expected_to_bring_its_share() -> None:
    state = SourceState(source(), 0.0)
    assert state.rate_of_each(0.0) == state.rate_per_request(0.0)
    for request in (1, 2):
        state.started(request, 0.0)
    state.received(1000, 0.0)
    state.received(1000, 1.0)
    assert state.rate_of_each(1.0) == 1000.0
    state.ended(2)
    assert state.rate_of_each(1.0) == 2000.0


def test_steps_are_long_enough_to_see_something() -> None:
    assert STEP >= 0.5
