"""How fast the transfer is over lines as TCP has them: ratios to what the lines carry.

The figures are those of `benchmarks` in small. Nobody can bring more than the lines carry, and the
lossy ones carry less, so the bars stand a little below what was reached.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from property.over_tcp.lines import MSS, Line, TcpSimulator
from property.simulator import MBIT, Outcome

SIZE = 200_000_000
PAYLOAD = MSS / 1500
#: Mbit/s that eight connections carry over the two lines where packets are lost.
LOSSY = {"c": 10.0, "official": 4.4}
RATES = {"a": 40.0, "b": 80.0, "c": 20.0, "official": 8.0}


def four(**faults: Mapping[str, object]) -> list[Line]:
    """The uneven hosts of the benchmarks, with what is different at some of them."""
    lines = [
        Line("a", RATES["a"] * PAYLOAD * MBIT, 0.03),
        Line("b", RATES["b"] * PAYLOAD * MBIT, 0.06),
        Line("c", RATES["c"] * PAYLOAD * MBIT, 0.2, loss=0.01),
        Line("official", RATES["official"] * PAYLOAD * MBIT, 0.2, loss=0.02, is_origin=True),
    ]
    for line in lines:
        line.connections = 8
        for key, value in faults.get(line.id, {}).items():
            setattr(line, key, value)
    return lines


def alone(loss: float = 0.0, **more: object) -> Line:
    line = Line("official", 80 * PAYLOAD * MBIT, 0.06, is_origin=True, loss=loss, connections=8)
    for key, value in more.items():
        setattr(line, key, value)
    return line


def seconds(mbit: float, size: int = SIZE) -> float:
    """What lines need that carry so much together."""
    return size / (mbit * PAYLOAD * MBIT)


def run(size: int, lines: list[Line], **options: float) -> tuple[Outcome, TcpSimulator]:
    simulator = TcpSimulator(size, lines, **options)  # type: ignore[arg-type]
    outcome = simulator.run(400.0)
    assert outcome.done
    assert outcome.wrong == 0
    return outcome, simulator


@pytest.mark.parametrize(("seed", "busy"), [(1, 0.0), (2, 0.0), (3, 0.0), (1, 0.03)])
def test_uneven_mirrors_give_nearly_their_sum_in_few_requests_and_few_bytes(
    seed: int, busy: float
) -> None:
    outcome, simulator = run(SIZE, four(), seed=seed, busy=busy)
    assert seconds(148) / outcome.seconds >= (0.83 if busy else 0.85)
    assert sum(outcome.fetched.values()) <= 1.03 * SIZE
    assert sum(simulator.requests.values()) <= 190
    assert max(outcome.most.values()) <= 8


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_lines_that_lose_packets_are_filled_where_their_operators_allow_more(seed: int) -> None:
    # With eight at each line the two lossy ones leave 0.875 of the sum, whoever works on them.
    lines = four(c={"connections": 16}, official={"connections": 16})
    outcome, _ = run(SIZE, lines, seed=seed)
    assert seconds(148) / outcome.seconds >= 0.88
    assert sum(outcome.fetched.values()) <= 1.03 * SIZE
    assert outcome.most["c"] > 8


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(("others", "busy"), [(0, 0.0), (4, 0.0), (4, 0.1)])
def test_files_of_some_megabytes_come_once_also_when_several_come_at_a_time(
    known: bool,  # noqa: FBT001 - given by name
    others: int,
    busy: float,
) -> None:
    sizes = (2_000_000, 5_000_000, 9_000_000, 24_000_000)
    fetched = 0
    for size in sizes:
        lines = four()
        for line in lines:  # the others have their part of each
            line.known, line.rate = known, line.rate / (others + 1)
            line.connections = 4 if others else 8
        outcome, _ = run(size, lines, busy=busy)
        fetched += sum(outcome.fetched.values())
    assert fetched <= 1.03 * sum(sizes)


def test_bytes_come_in_order_while_slow_sources_work_on_the_end() -> None:
    outcome, _ = run(SIZE, four())
    assert outcome.half is not None
    assert outcome.half <= 0.75 * outcome.seconds


def test_bytes_come_in_order_from_equal_sources_of_which_nothing_was_known() -> None:
    lines = [Line(name, 2e6, 0.001, is_origin=name == "official") for name in ("a", "official")]
    outcome, _ = run(16_000_000, lines)
    assert outcome.half is not None
    assert outcome.half <= 0.75 * outcome.seconds


def test_lossy_source_alone_gets_more_connections_at_once_while_they_bring_more() -> None:
    outcome, _ = run(10_000_000, [alone(0.02, rate=8 * PAYLOAD * MBIT, rtt=0.2)])
    assert outcome.most == {"official": 8}
    assert outcome.seconds <= seconds(4.4, 10_000_000)


def test_source_alone_that_is_full_gives_what_its_line_carries_over_few_connections() -> None:
    outcome, simulator = run(SIZE, [alone()])
    assert seconds(80) / outcome.seconds >= 0.95
    assert simulator.requests["official"] <= 60


def test_file_of_a_few_seconds_from_one_source_takes_one_request() -> None:
    _, simulator = run(20_000_000, [alone()])
    assert simulator.requests == {"official": 1}


@pytest.mark.parametrize("beside", [False, True])
def test_source_that_limits_each_connection_gets_all_that_it_allows(
    beside: bool,  # noqa: FBT001 - given by name
) -> None:
    narrow = alone(rate=100 * PAYLOAD * MBIT, per_connection=10 * PAYLOAD * MBIT)
    far = Line("far", 8 * PAYLOAD * MBIT, 0.2, loss=0.02, connections=8)
    outcome, _ = run(SIZE, [narrow, far] if beside else [narrow])
    bound = seconds(80 + (LOSSY["official"] if beside else 0))
    assert bound / outcome.seconds >= (0.85 if beside else 0.92)


def test_mirror_that_collapses_and_recovers_is_made_up_for_and_used_again() -> None:
    outcome, _ = run(SIZE, four(b={"dips": ((3.0, 7.0, 0.01),)}))
    bound = seconds(148) + 4 * RATES["b"] / 148
    assert bound / outcome.seconds >= 0.83
    assert sum(outcome.fetched.values()) <= 1.03 * SIZE


def test_when_all_mirrors_ban_the_origin_gives_what_it_carries() -> None:
    size, at = 60_000_000, 2.0
    mirrors = {name: {"fault": "403", "at": at} for name in "abc"}
    outcome, _ = run(size, four(**mirrors))
    held = sum(count for name, count in outcome.fetched.items() if name != "official")
    assert outcome.seconds <= at + seconds(LOSSY["official"], size - held) / 0.95 + 1.0


def test_origin_that_is_left_alone_before_its_line_lost_a_packet_keeps_its_connections() -> None:
    size, at = 60_000_000, 1.5
    mirrors = {name: {"fault": "403", "at": at} for name in "abc"}
    line = {"rate": 30 * PAYLOAD * MBIT, "rtt": 0.1, "loss": 0.005}
    rates = list[float]()
    for seed in range(1, 5):
        outcome, _ = run(size, four(**mirrors, official=line), seed=seed)
        held = sum(count for name, count in outcome.fetched.items() if name != "official")
        rates.append((size - held) / (outcome.last_byte - at) / MBIT)
    assert sum(rates) / len(rates) >= 20.0


@pytest.mark.parametrize("liars", ["a", "b", "ac", "bc", "ab"])
def test_liars_cost_their_own_bytes_and_little_else_also_when_they_agree(liars: str) -> None:
    outcome, _ = run(SIZE, four(**{name: {"fault": "lie"} for name in liars}))
    honest = sum((RATES | LOSSY)[name] for name in RATES if name not in liars)
    assert seconds(honest) / outcome.seconds >= 0.75
    wrong = sum(outcome.fetched[name] for name in liars)
    assert sum(outcome.fetched.values()) - wrong <= 1.10 * SIZE
