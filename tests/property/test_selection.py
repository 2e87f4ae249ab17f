"""Laws of selection, whatever was measured."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from headrace.models import Mirror, MirrorStats
from headrace.policy.selection import MOST_MIRRORS, MOST_PROBES, MOST_SMALL, SMALL, predict, select

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
    assert predict(one, low, connected=True) <= predict(one, low)
    assert predict(one, low) <= predict(one, low, busy=3)
