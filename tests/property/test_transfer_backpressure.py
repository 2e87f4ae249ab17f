"""Sources that give more than this process takes: more requests would only be in its way."""

from __future__ import annotations

import pytest

from headrace.transfer import messages as m
from headrace.transfer.backpressure import FAST, FEW
from property.simulator import Outcome, Server, Simulator

SIZE = 1_000_000_000
TAKEN = 400e6
"""Bytes per second that the process bears."""


def servers(count: int, rate: float) -> list[Server]:
    made = [Server(f"mirror-{number}", rate, 0.001) for number in range(count - 1)]
    return [*made, Server("origin", rate, 0.001, is_origin=True)]


def requests(outcome: Outcome, after: float = 0.0) -> int:
    return sum(at >= after and isinstance(action, m.Fetch) for at, action in outcome.actions)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_what_this_process_cannot_take_faster_comes_in_few_requests_as_fast(count: int) -> None:
    simulator = Simulator(SIZE, servers(count, 2e9), access=TAKEN)
    most = 0

    def watch(running: Simulator) -> None:
        nonlocal most
        if running.now > 0.6 * SIZE / TAKEN:
            most = max(most, len(running.streams))

    simulator.watch = watch
    outcome = simulator.run(20.0)
    assert outcome.done
    # Those whose first range is not over, or that of the one trial of more.
    assert most <= max(2 * FEW, count)
    assert requests(outcome) <= (1 if count == 1 else 60)
    assert outcome.last_byte <= 1.1 * SIZE / TAKEN


def test_source_that_stalls_is_replaced_although_few_are_asked() -> None:
    slow = [Server(f"mirror-{number}", 2e9, 0.001) for number in range(3)]
    for each in slow:
        each.fault, each.at = "stall", 1.0
    origin = Server("origin", 2e9, 0.001, is_origin=True)
    outcome = Simulator(SIZE, [*slow, origin], access=TAKEN).run(20.0)
    assert outcome.done
    assert outcome.last_byte <= SIZE / TAKEN + 3.0


def test_lines_slower_than_that_have_their_connections_however_late_this_process_is() -> None:
    rate = 0.9 * FAST / 2
    outcome = Simulator(SIZE // 4, servers(2, rate), step=0.1).run(60.0)
    assert outcome.done
    assert outcome.most == {"mirror-0": 4, "origin": 4}


@pytest.mark.parametrize(("count", "rate"), [(1, 2 * FAST), (2, FAST), (5, 0.6 * FAST)])
@pytest.mark.parametrize("step", [0.002, 0.005, 0.02])
def test_fast_lines_with_a_limit_a_connection_have_more_of_them_however_late_this_process_is(
    count: int, rate: float, step: float
) -> None:
    """What came while others had the processor is there at once, as where nobody takes it."""
    made = servers(count, 2e9)
    for each in made:
        each.per_connection = rate
    outcome = Simulator(SIZE, made, step=step).run(20.0)
    assert outcome.done
    assert set(outcome.most.values()) == {4}
    best = SIZE / (4 * count * rate)
    assert outcome.last_byte <= best + 2.5
    assert sum(outcome.fetched.values()) <= 1.03 * SIZE
