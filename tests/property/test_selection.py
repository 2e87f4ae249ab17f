"""Laws of selection, whatever was measured."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from headrace.models import Limits, Mirror, MirrorStats
from headrace.policy.reputation import EVERYTHING, Record, Records
from headrace.policy.selection import (
    DOCUMENT,
    MOST_MIRRORS,
    MOST_PROBES,
    MOST_RESERVE,
    MOST_SMALL,
    SMALL,
    hedges,
    in_reserve,
    order,
    predict,
    select,
    standings,
    worth_racing,
)

NOW = 1_800_000_000.0

ages = st.sampled_from([0.0, 60.0, 3600.0, 80_000.0, 90_000.0, 1e7])


@st.composite
def stats(draw: st.DrawFn, name: str | None = None) -> MirrorStats:
    identity = name or f"m{draw(st.integers(0, 60))}"
    measured = draw(st.booleans())
    return MirrorStats(
        Mirror(identity, "python", "https://m.example", "packages", rank=draw(st.integers(0, 200))),
        rate=draw(st.none() | st.floats(1.0, 1e9)) if measured else None,
        rtt=draw(st.floats(0.0, 10.0)) if measured else None,
        failures=draw(st.floats(0.0, 1.0)),
        paused_until=draw(st.sampled_from([0.0, NOW - 1, NOW + 1, NOW + 1e6])),
        measured_at=NOW - draw(ages) if measured else 0.0,
    )


mirrors = st.lists(stats(), max_size=40, unique_by=lambda one: one.mirror.id)
sizes = st.none() | st.integers(0, 3 << 30)
origins = stats("origin")


@given(mirrors, origins, sizes)
def test_a_paused_mirror_is_never_chosen(
    candidates: list[MirrorStats], origin: MirrorStats, size: int | None
) -> None:
    for chosen in select(candidates, origin, size, now=NOW):
        assert chosen.paused_until <= NOW


@given(mirrors, origins, sizes)
def test_what_is_chosen_was_a_candidate_once_and_few_are(
    candidates: list[MirrorStats], origin: MirrorStats, size: int | None
) -> None:
    chosen = select(candidates, origin, size, now=NOW)
    assert len({one.mirror.id for one in chosen}) == len(chosen)
    assert all(one in candidates for one in chosen)
    large = size is None or size > SMALL
    assert len(chosen) <= (MOST_MIRRORS + MOST_PROBES if large else MOST_SMALL)


@given(mirrors, origins, sizes)
def test_in_reserve_are_a_few_of_the_others_and_none_that_is_paused(
    candidates: list[MirrorStats], origin: MirrorStats, size: int | None
) -> None:
    chosen = select(candidates, origin, size, now=NOW)
    kept = in_reserve(candidates, chosen, size, now=NOW)
    able = [one for one in candidates if one.paused_until <= NOW and one not in chosen]
    assert all(one in able for one in kept)
    assert len({one.mirror.id for one in kept}) == len(kept) == min(MOST_RESERVE, len(able))


@given(mirrors, origins, sizes, st.randoms())
def test_the_order_of_the_candidates_does_not_matter(
    candidates: list[MirrorStats], origin: MirrorStats, size: int | None, chance: object
) -> None:
    shuffled = list(candidates)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert select(shuffled, origin, size, now=NOW) == select(candidates, origin, size, now=NOW)


@given(mirrors, origins, sizes, stats("newcomer"))
def test_a_worse_mirror_never_changes_the_best_one(
    candidates: list[MirrorStats], origin: MirrorStats, size: int | None, newcomer: MirrorStats
) -> None:
    before = select(candidates, origin, size, now=NOW)
    if not before or before[0].measured_at < NOW - 86_400:
        return
    best = before[0]
    worse = replace(
        best,
        mirror=replace(newcomer.mirror, rank=best.mirror.rank + 1),
        rtt=(best.rtt or 0.0) + 1.0 if best.rtt is not None else 20.0,
        rate=best.rate / 2 if best.rate is not None else 1.0,
        failures=min(1.0, best.failures + 0.1),
    )
    assert select([*candidates, worse], origin, size, now=NOW)[0] == best


@given(mirrors, origins, sizes)
def test_a_mirror_that_gets_faster_never_falls_back(
    candidates: list[MirrorStats], origin: MirrorStats, size: int | None
) -> None:
    chosen = select(candidates, origin, size, now=NOW)
    known = [one for one in chosen if one.measured_at > NOW - 86_400]
    for one in known:
        faster = replace(one, rate=(one.rate or float(1 << 20)) * 2, failures=one.failures / 2)
        others = [c for c in candidates if c is not one]
        again = select([*others, faster], origin, size, now=NOW)
        assert again.index(faster) <= chosen.index(one)


@given(mirrors, origins, st.integers(0, SMALL))
def test_a_small_file_meets_no_mirror_that_is_slower_than_a_healthy_origin(
    candidates: list[MirrorStats], origin: MirrorStats, size: int
) -> None:
    healthy = replace(origin, rtt=0.2, rate=1e6, paused_until=0.0, measured_at=NOW)
    for one in select(candidates, healthy, size, now=NOW):
        assert one.measured_at > 0, "and none that was never measured"
        assert predict(one, size) <= predict(healthy, size)


@given(stats(), st.integers(0, 3 << 30), st.integers(0, 3 << 30))
def test_more_bytes_never_take_less_time(one: MirrorStats, a: int, b: int) -> None:
    low, high = sorted((a, b))
    assert predict(one, low) <= predict(one, high)
    assert predict(one, low) == predict(one, low, busy=0) <= predict(one, low, busy=3)


# ------------------------------------------------------------------ from records to decisions

NAMES = ["m0", "m1", "m2"]
CLASSES = ("wheel", DOCUMENT, EVERYTHING)
OWN = Mirror("origin", "python", "https://o.example", "origin")


@st.composite
def record(draw: st.DrawFn) -> Record:
    measured = draw(st.booleans())
    return Record(
        bytes=draw(st.floats(0.0, 1e9)) if measured else 0.0,
        seconds=draw(st.floats(0.1, 20.0)) if measured else 0.0,
        rtt=draw(st.none() | st.floats(0.0, 10.0)),
        failures=draw(st.floats(0.0, 1.0)),
        measured_at=NOW - draw(ages),
        paused_until=draw(st.sampled_from([0.0, NOW - 1, NOW, NOW + 1, NOW + 1e6])),
        pauses=draw(st.integers(0, 3)),
    )


records = st.fixed_dictionaries(
    {}, optional={(name, each): record() for name in [*NAMES, "origin"] for each in CLASSES}
)
places = st.lists(
    st.builds(
        lambda name, rank, probe, login: Mirror(
            name,
            "python",
            "https://m.example",
            "packages",
            rank=rank,
            limits=Limits(probe=probe),
            login=login,
        ),
        st.sampled_from(NAMES),
        st.integers(0, 9),
        st.booleans(),
        st.booleans(),
    ),
    unique_by=lambda mirror: mirror.id,
)


def until(records: Records, name: str) -> float:
    """When the last pause of a source ends that concerns a wheel."""
    return max(
        records[name, each].paused_until if (name, each) in records else 0.0
        for each in ("wheel", EVERYTHING)
    )


@given(records, places, sizes, st.none() | st.lists(st.sampled_from(NAMES), unique=True))
def test_nobody_is_asked_tried_raced_or_made_a_hedge_before_the_time_it_named(
    records: Records, mirrors: list[Mirror], size: int | None, plugin: list[str] | None
) -> None:
    known = standings(records, OWN, mirrors, "wheel", NOW)
    by_name = {mirror.id: mirror for mirror in mirrors}
    preferred = None if plugin is None else [by_name[n] for n in plugin if n in by_name]
    chosen = order(known, size, now=NOW, busy={}, preferred=preferred)
    asked = [each.mirror for each in (*chosen.mirrors, *chosen.probation)]
    assert len({mirror.id for mirror in asked}) == len(asked), "asked or tried, not both"
    asked += worth_racing(known, NOW)
    asked += hedges(records, OWN.id, mirrors, "wheel", NOW)
    assert all(until(records, mirror.id) <= NOW for mirror in asked)


@given(records, places)
def test_only_those_are_raced_whom_nobody_measured_and_who_do_not_forbid_it(
    records: Records, mirrors: list[Mirror]
) -> None:
    raced = worth_racing(standings(records, OWN, mirrors, "wheel", NOW), NOW)
    assert all(mirror.limits.probe and not mirror.login for mirror in raced)
    assert [mirror.rank for mirror in raced] == sorted(mirror.rank for mirror in raced)
    assert not raced or 2 * len(raced) >= len(mirrors)
    for mirror in raced:
        seen = records.get((mirror.id, "wheel"), Record())
        measured = seen.rate is not None or seen.rtt is not None
        assert not measured or NOW - seen.measured_at > 24 * 3600.0


@given(records, places)
def test_a_hedge_is_much_nearer_than_the_origin(records: Records, mirrors: list[Mirror]) -> None:
    def near(name: str) -> float | None:
        trips = [each.rtt for (n, _), each in records.items() if n == name and each.rtt is not None]
        return min(trips, default=None)

    found = [near(mirror.id) for mirror in hedges(records, OWN.id, mirrors, "wheel", NOW)]
    own = near(OWN.id)
    assert all(trip is not None and own is not None and trip < own / 2 for trip in found)
    assert found == sorted(found, key=lambda trip: trip or 0.0)
