"""Laws of the transfer, under generated networks and failures."""

from __future__ import annotations

import hypothesis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from headrace.transfer import messages as m
from headrace.transfer.culprit_search import DISPUTED
from headrace.transfer.machine import GIVE_UP, HOLD_BACK, WHOLE_BELOW, Phase
from property.simulator import MBIT, Outcome, Server, Simulator

FAULTS = (
    "dead", "refuse", "slow", "lie", "truncate", "403", "404", "429", "500", "html", "norange",
    "stall", "length", "",
)  # fmt: skip
LAWS = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
SIZES = st.sampled_from([1, 70_000, 900_000, 3_000_000, 9_000_000, 25_000_000])


@st.composite
def bad_mirrors(draw: st.DrawFn) -> list[Server]:
    """One to four mirrors that may do anything at any time."""
    return [
        Server(
            f"m{index}",
            rate=draw(st.sampled_from([4, 40, 200])) * MBIT,
            rtt=draw(st.sampled_from([0.001, 0.03, 0.2])),
            per_connection=draw(st.sampled_from([float("inf"), 2 * MBIT])),
            connections=draw(st.integers(1, 4)),
            fault=draw(st.sampled_from(FAULTS)),
            at=draw(st.sampled_from([0.0, 0.3, 1.5])),
            known=draw(st.booleans()),
            budget=draw(st.sampled_from([None, None, 1, 3])),
            too_long=draw(st.sampled_from([-500_000, -1, 1, 4_000_000])),
        )
        for index in range(draw(st.integers(1, 4)))
    ]


def origin(rate: float = 40) -> Server:
    return Server("origin", rate * MBIT, 0.05, is_origin=True)


def partition(sim: Simulator) -> None:
    """Held, in flight and free are all of the file, and nothing twice but copies."""
    segments = sim.transfer.segments
    if not segments.known:
        return
    claims = [*segments.held, *segments.free]
    for segment in segments.in_flight.values():
        if not segment.check:
            claims.extend(segments.held.gaps(segment.position, segment.end))
    claims.sort()
    reached = 0
    for start, end in claims:
        assert start <= reached, f"nobody has [{reached}, {start}): {sim.transfer!r}"
        reached = max(reached, end)
    assert reached == segments.size
    for start, end in segments.free:
        assert not list(segments.held.within(start, end))
        for segment in segments.in_flight.values():
            assert segment.check or segment.end <= start or end <= segment.position
    assert segments.held == sim.written
    for segment in segments.in_flight.values():
        assert segments.copies(segment) == segments._sharing(segment), "a copy without its mark"


def limits(sim: Simulator) -> None:
    """No source has more requests than its operator allows."""
    for upstream in sim.transfer.sources.values():
        assert len(upstream.active) <= upstream.source.connections
        assert upstream.active == {
            s.id for s in sim.transfer.segments.in_flight.values() if s.source == upstream.id
        }


def hold_back(sim: Simulator) -> None:
    """Nothing leaves the house before the digest agrees, but what the rule allows."""
    transfer = sim.transfer
    size = transfer.size
    if transfer.phase is Phase.DONE or size is None or not transfer.spec.checked:
        return
    assert transfer.horizon <= (0 if size <= WHOLE_BELOW else size - HOLD_BACK)


def nothing_to_take_back(sim: Simulator) -> None:
    """A reader that can take nothing back, wherever it is, may be given no wrong byte: none of a
    mirror's before the digest agrees, whatever mirrors do and in whatever phase this is.
    """
    transfer = sim.transfer
    size = transfer.size
    if size is None or any(s.is_origin and s.fault == "lie" for s in sim.servers.values()):
        return  # the origin's own bytes are what its clients get without us
    for position in (0, size // 3, size - 1):
        end = transfer.own_end(position)
        assert end <= size
        assert end <= position or not list(sim.wrong.within(position, end)), repr(transfer)


def laws(sim: Simulator) -> None:
    partition(sim)
    limits(sim)
    hold_back(sim)
    nothing_to_take_back(sim)


def run(size: int, servers: list[Server], **options: object) -> Outcome:
    sim = Simulator(size, servers, watch=laws, step=0.02, **options)  # type: ignore[arg-type]
    outcome = sim.run(limit=300.0)
    if not sim.transfer.over:  # then it must still get somewhere
        assert outcome.last_byte > 300.0 - GIVE_UP, f"hangs: {sim.transfer!r}"
    for name, most in outcome.most.items():
        assert most <= sim.servers[name].connections
    assert not outcome.released_wrong
    return outcome


LENGTH_LIARS = [
    Server("m0", 200 * MBIT, 0.001, fault="length", too_long=4_000_000),
    Server("m1", 40 * MBIT, 0.03),
    Server("m2", 40 * MBIT, 0.03, fault="length", too_long=-500_000, at=0.3),
]


@LAWS
@example(size=900_000, mirrors=LENGTH_LIARS, known_size=False)
@example(size=25_000_000, mirrors=LENGTH_LIARS[:1], known_size=False)
@given(SIZES, bad_mirrors(), st.booleans())
def test_any_failures_of_mirrors_end_well_while_the_origin_is_good(
    size: int,
    mirrors: list[Server],
    known_size: bool,  # noqa: FBT001 - given by name
) -> None:
    outcome = run(size, [*mirrors, origin()], known_size=known_size)
    assert outcome.done, repr(outcome.transfer)
    assert outcome.wrong == 0


@LAWS
@given(SIZES, bad_mirrors(), st.sampled_from(FAULTS), st.sampled_from([0.0, 0.5]))
def test_whatever_fails_it_ends_and_is_never_wrong(
    size: int, mirrors: list[Server], fault: str, at: float
) -> None:
    bad = origin()
    bad.fault, bad.at = fault, at
    outcome = run(size, [*mirrors, bad])
    assert outcome.wrong == 0 or not outcome.done


@LAWS
@given(SIZES, bad_mirrors())
def test_one_good_mirror_is_enough_when_the_origin_is_gone(
    size: int, mirrors: list[Server]
) -> None:
    for mirror in mirrors:
        if mirror.fault == "lie":  # nobody could settle who of two lies
            mirror.fault = "500"
    gone = origin()
    gone.fault = "refuse"
    outcome = run(size, [*mirrors, Server("good", 40 * MBIT, 0.05), gone])
    assert outcome.done
    assert outcome.wrong == 0


@LAWS
@given(
    st.sampled_from([3_000_000, 9_000_000, 25_000_000]),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from([0.0, 0.3]),
)
def test_a_liar_is_found_and_dropped_and_nobody_else_is(
    size: int,
    honest: int,
    origin_slow: bool,  # noqa: FBT001 - given by name
    at: float,
) -> None:
    servers = [Server("liar", 80 * MBIT, 0.03, fault="lie", at=at)]
    servers += [Server(f"m{i}", 40 * MBIT, 0.05) for i in range(honest)]
    outcome = run(size, [*servers, origin(2 if origin_slow else 40)])
    assert outcome.done
    blamed = {
        a.source
        for _, a in outcome.actions
        if isinstance(a, m.SourceFault) and a.fault.value == "wrong-bytes"
    }
    assert blamed <= {"liar"}
    assert outcome.transfer.integrity.mismatches <= 1
    if outcome.transfer.integrity.mismatches:
        assert blamed == {"liar"}


@LAWS
@given(st.sampled_from([3_000_000, 9_000_000]), st.integers(2, 3), st.booleans())
def test_liars_that_agree_with_each_other_are_found_by_the_origin(
    size: int,
    liars: int,
    honest: bool,  # noqa: FBT001 - given by name
) -> None:
    servers = [Server(f"liar{i}", 80 * MBIT, 0.03, fault="lie") for i in range(liars)]
    servers += [Server("honest", 40 * MBIT, 0.05)] * honest
    outcome = run(size, [*servers, origin(8)])
    assert outcome.done
    assert outcome.wrong == 0


@LAWS
@given(SIZES, st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), max_size=4))
def test_what_an_earlier_run_left_is_not_fetched_again(
    size: int, parts: list[tuple[int, int]]
) -> None:
    held = tuple((size * min(p) // 100, size * max(p) // 100) for p in parts)
    sim = Simulator(size, [Server("m", 80 * MBIT, 0.03), origin()], watch=laws, held=held)
    outcome = sim.run()
    assert outcome.done
    left = size - sum(b - a for a, b in _merged(held))
    writes = sum(a.high - a.low for _, a in outcome.actions if isinstance(a, m.Write))
    assert writes == 0  # the simulator takes writes apart from other actions
    assert sum(outcome.fetched.values()) <= left + 8 * 256 * 1024


def _merged(runs: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    from headrace.transfer.range_set import RangeSet  # noqa: PLC0415

    return list(RangeSet(runs))


@LAWS
@given(st.sampled_from([900_000, 9_000_000]), bad_mirrors())
def test_wrong_bytes_of_an_earlier_run_are_found(size: int, mirrors: list[Server]) -> None:
    servers = [*mirrors, origin()]
    outcome = run(size, servers, held=((0, size // 3),), held_wrong=True)
    assert outcome.done
    assert outcome.wrong == 0


@LAWS
@given(SIZES, bad_mirrors())
def test_without_a_digest_only_the_origin_is_asked_one_request_at_a_time(
    size: int, mirrors: list[Server]
) -> None:
    outcome = run(size, [*mirrors, origin()], checked=False)
    assert outcome.done
    assert set(outcome.most) == {"origin"}
    assert outcome.most["origin"] == 1


@LAWS
@given(bad_mirrors(), st.floats(0.0, 2.0))
def test_sources_that_come_late_are_used_and_break_nothing(
    mirrors: list[Server], when: float
) -> None:
    late = [(when, mirror) for mirror in mirrors]
    outcome = run(9_000_000, [origin(8)], late=late)
    assert outcome.done
    assert outcome.wrong == 0


@LAWS
@given(
    size=st.sampled_from([9_000_000, 25_000_000]),
    fault=st.sampled_from(["", "lie", "dead", "slow", "truncate", "403", "500", "html", "stall"]),
    at=st.sampled_from([0.0, 0.3]),
    rates=st.tuples(st.sampled_from([20, 40, 200]), st.sampled_from([20, 40, 200])),
    known=st.booleans(),
)
def test_one_in_reserve_settles_disputes_and_gives_nothing_else_while_a_mirror_is_good(
    size: int, fault: str, at: float, rates: tuple[int, int], *, known: bool
) -> None:
    servers = [
        Server("bad", rates[0] * MBIT, fault=fault, at=at, known=known),
        Server("good", rates[1] * MBIT, known=known),
        Server("origin", 40 * MBIT, is_origin=True, reserve=True),
    ]
    outcome = Simulator(size, servers).run()
    assert outcome.done
    assert not outcome.wrong
    asked = [
        action
        for _, action in outcome.actions
        if isinstance(action, m.Fetch) and action.source == "origin"
    ]
    most = 4 * DISPUTED if fault == "lie" else 0
    assert sum((each.end or size) - each.start for each in asked) <= most, asked
