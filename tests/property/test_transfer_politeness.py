"""Laws of asking: nobody is asked before the time that it named, nor for what nobody reads."""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from headrace.transfer import messages as m
from headrace.transfer.machine import GIVE_UP
from headrace.transfer.source_state import FLOOR, RATE_LIMIT_PAUSE
from property.simulator import MBIT, Outcome, Server, Simulator
from property.test_transfer import LAWS, SIZES, bad_mirrors, laws, origin

NAMED = st.sampled_from([None, 0.0, 0.4, 1.0, 3.0, 7.5, 25.0, 31.0, 86_400.0])
#: Seconds of the simulator's step: two of its moments cannot be told apart.
STEP = 0.02


def fetches(outcome: Outcome, source: str, since: int = 0) -> list[float]:
    return [
        when
        for when, action in outcome.actions[since:]
        if isinstance(action, m.Fetch) and action.source == source
    ]


def assert_patient(outcome: Outcome) -> None:
    """Between a 429 or 5xx and the next request lies what was named, and at least the floor."""
    for when, source, named, since in outcome.refusals:
        least = max(named or 0.0, FLOOR)
        early = [at for at in fetches(outcome, source, since) if at < when + least - STEP]
        assert not early, f"{source} said {named} at {when} and was asked at {early}"


@st.composite
def limiting(draw: st.DrawFn, name: str, *, is_origin: bool = False) -> Server:
    """One that answers 429 or 503, for ever, for a while, or from some time on."""
    return Server(
        name,
        rate=draw(st.sampled_from([4, 40, 200])) * MBIT,
        rtt=draw(st.sampled_from([0.001, 0.03, 0.2])),
        connections=draw(st.integers(1, 4)),
        fault=draw(st.sampled_from(["429", "503"])),
        retry_after=draw(NAMED),
        at=draw(st.sampled_from([0.0, 0.3, 1.5])),
        known=draw(st.booleans()),
        budget=draw(st.sampled_from([None, 1, 3])),
        is_origin=is_origin,
    )


@LAWS
@given(SIZES, limiting("origin", is_origin=True), st.booleans(), st.booleans())
def test_last_source_that_limits_is_never_asked_too_soon(
    size: int,
    only: Server,
    known_size: bool,  # noqa: FBT001 - given by name
    checked: bool,  # noqa: FBT001
) -> None:
    sim = Simulator(size, [only], watch=laws, step=STEP, known_size=known_size, checked=checked)
    assert_patient(sim.run(limit=300.0))


@LAWS
@given(SIZES, st.lists(st.integers(0, 1), min_size=1, max_size=3), st.data())
def test_no_source_that_limits_is_asked_too_soon_whoever_else_works(
    size: int, more: list[int], data: st.DataObject
) -> None:
    servers = [data.draw(limiting(f"l{index}")) for index in range(len(more))]
    servers += [replace(each, id=f"b{each.id}") for each in data.draw(bad_mirrors())]
    outcome = Simulator(size, [*servers, origin()], watch=laws, step=STEP).run(limit=300.0)
    assert outcome.done
    assert_patient(outcome)


@LAWS
@given(SIZES, st.sampled_from(["429", "503"]), st.sampled_from([0.0, None]))
def test_pauses_that_nobody_named_grow(size: int, fault: str, named: float | None) -> None:
    only = Server("origin", 40 * MBIT, is_origin=True, fault=fault, retry_after=named)
    outcome = Simulator(size, [only], step=STEP).run(limit=300.0)
    asked = fetches(outcome, "origin")
    waited = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert all(later >= 1.5 * earlier for earlier, later in itertools.pairwise(waited[:4]))
    assert len(asked) <= 8, asked


@LAWS
@given(SIZES, st.sampled_from([GIVE_UP, 60.0, 86_400.0]), st.sampled_from(["429", "503"]))
def test_where_everybody_asks_for_more_time_than_anybody_waits_the_end_comes_at_once(
    size: int, named: float, fault: str
) -> None:
    servers = [
        Server("m", 40 * MBIT, fault=fault, retry_after=named),
        Server("origin", 40 * MBIT, is_origin=True, fault="429", retry_after=named),
    ]
    outcome = Simulator(size, servers, step=STEP).run(limit=300.0)
    assert outcome.transfer.failure is not None
    assert outcome.seconds < RATE_LIMIT_PAUSE / 2
    assert_patient(outcome)


@LAWS
@given(SIZES, bad_mirrors(), st.floats(0.0, 3.0))
def test_download_that_nobody_reads_asks_nobody_and_goes_on_where_it_was(
    size: int, mirrors: list[Server], when: float
) -> None:
    left: list[float] = []

    def leave(sim: Simulator) -> None:
        if not left and sim.now >= when:
            left.append(sim.now)
            sim.tell(m.Allowed(None, 0))
        elif len(left) == 1 and sim.now >= left[0] + 2.0:
            left.append(sim.now)
            sim.tell(m.Allowed(None, 1 << 30))

    outcome = Simulator(size, [*mirrors, origin()], step=STEP, watch=leave).run(limit=300.0)
    assert outcome.done
    if len(left) == 2:
        asked = [when for when, action in outcome.actions if isinstance(action, m.Fetch)]
        assert not [at for at in asked if left[0] < at < left[1]]
