"""How fast the transfer is in the simulated network: ratios to what the links carry."""

from __future__ import annotations

import pytest

from property.simulator import MBIT, Outcome, Server, simulate

SIZE = 200_000_000


def four(*, per_connection: bool = False, **fault: object) -> list[Server]:
    """The uneven mirrors of the benchmarks; far ones may bear little on each connection."""
    far = 0.8 * MBIT if per_connection else float("inf")
    servers = [
        Server("b", 80 * MBIT, 0.06),
        Server("a", 40 * MBIT, 0.03),
        Server("c", 20 * MBIT, 0.2, far),
        Server("official", 8 * MBIT, 0.2, far, is_origin=True),
    ]
    for key, value in fault.items():
        setattr(servers[0], key, value)
    return servers


def ratio(outcome: Outcome, mbit: float, size: int = SIZE) -> float:
    assert outcome.done
    return size / (mbit * MBIT) / outcome.seconds


@pytest.mark.parametrize("per_connection", [False, True])
def test_four_uneven_mirrors_give_nearly_their_sum(
    per_connection: bool,  # noqa: FBT001 - given by name
) -> None:
    outcome = simulate(SIZE, four(per_connection=per_connection))
    assert ratio(outcome, 126.4 if per_connection else 148) >= 0.9
    assert sum(outcome.fetched.values()) <= 1.03 * SIZE


@pytest.mark.parametrize(
    "fault", ["dead", "refuse", "slow", "403", "404", "429", "500", "html", "stall", "norange"]
)
def test_a_mirror_that_fails_midway_costs_its_share_and_little_more(fault: str) -> None:
    outcome = simulate(SIZE, four(fault=fault, at=4.0))
    given = outcome.fetched["b"]
    bound = 4 + (SIZE - 4 * 148 * MBIT) / (68 * MBIT)
    assert outcome.done
    assert outcome.seconds <= 1.1 * bound, given


def test_a_liar_costs_its_own_bytes_once_more_and_little_else() -> None:
    outcome = simulate(SIZE, four(fault="lie"))
    assert outcome.done
    assert outcome.wrong == 0
    assert outcome.seconds <= 1.1 * SIZE / (68 * MBIT)


def test_a_mirror_that_truncates_is_still_of_use() -> None:
    outcome = simulate(SIZE, four(fault="truncate", at=2.0))
    assert outcome.done
    assert outcome.seconds <= 1.1 * SIZE / (68 * MBIT)


def test_a_full_access_link_loses_nothing_by_parallelism() -> None:
    assert ratio(simulate(SIZE, four(), access=60 * MBIT), 60) >= 0.95


@pytest.mark.parametrize("rtt", [0.001, 0.06, 0.2])
def test_one_source_alone_is_as_fast_as_a_plain_client(rtt: float) -> None:
    outcome = simulate(SIZE, [Server("o", 80 * MBIT, rtt, is_origin=True)])
    assert ratio(outcome, 80) >= 0.97


def test_one_source_that_limits_each_connection_gets_as_many_as_it_allows() -> None:
    servers = [Server("o", 80 * MBIT, 0.05, 10 * MBIT, is_origin=True)]
    outcome = simulate(SIZE, servers)
    assert outcome.most["o"] == 4
    assert ratio(outcome, 40) >= 0.85


@pytest.mark.parametrize("slow", [0.1, 1.0, 4.0])
@pytest.mark.parametrize("size", [9_000_000, 30_000_000, SIZE])
def test_slow_mirrors_never_make_it_slower_than_the_best_alone(slow: float, size: int) -> None:
    best = Server("best", 80 * MBIT, 0.03, is_origin=True)
    alone = simulate(size, [best])
    crowd = [Server(f"s{i}", slow * MBIT, 0.3) for i in range(3)]
    together = simulate(size, [*crowd, best])
    assert together.done
    # The slow ones are asked first, and nothing is known of anybody: that costs round trips.
    assert together.seconds <= 1.03 * alone.seconds + 0.5


def test_the_first_byte_comes_from_whoever_answers_first() -> None:
    silent = Server("silent", 80 * MBIT, 0.03, fault="dead")
    slow = Server("far", 8 * MBIT, 0.3, is_origin=True)
    outcome = simulate(SIZE, [silent, slow, Server("near", 40 * MBIT, 0.02)])
    assert outcome.first_byte is not None
    assert outcome.first_byte <= 0.65


def test_a_small_file_takes_one_request_and_one_source() -> None:
    outcome = simulate(100_000, four(known=True))
    assert outcome.fetched == {"b": 100_000}
    assert outcome.most == {"b": 1}


def test_a_small_file_is_hedged_when_its_source_is_silent() -> None:
    outcome = simulate(100_000, four(fault="dead"))
    assert outcome.done
    assert outcome.seconds < 2.0


def test_bytes_come_in_order_while_slow_mirrors_work_ahead() -> None:
    outcome = simulate(SIZE, four(per_connection=True))
    assert outcome.half is not None
    assert outcome.half <= 0.65 * outcome.seconds


def test_a_tick_that_came_late_blames_nobody() -> None:
    from headrace.transfer import messages as m  # noqa: PLC0415
    from headrace.transfer.machine import Spec, Transfer  # noqa: PLC0415

    servers = four()
    transfer = Transfer(Spec(SIZE), [s.source() for s in servers], 0.0)
    fetches = [a for a in transfer.handle(m.Tick(), 0.0) if isinstance(a, m.Fetch)]
    for fetch in fetches:
        transfer.handle(m.Opened(fetch.request, SIZE), 0.1)
        transfer.handle(m.Received(fetch.request, 1000), 0.1)
    transfer.handle(m.Tick(), 0.1)
    actions = transfer.handle(m.Tick(), 9.0)  # this process slept for almost nine seconds
    assert not [a for a in actions if isinstance(a, m.SourceFault | m.Cancel)]
    actions = transfer.handle(m.Tick(), 9.1)
    assert not [a for a in actions if isinstance(a, m.SourceFault)]
    while not [a for a in actions if isinstance(a, m.SourceFault)]:
        due = transfer.next_wake(0.0)
        assert due is not None
        assert due < 12.0, "a silent source is blamed in the end"
        actions = transfer.handle(m.Tick(), due)
