"""Which sources, in which order: cases that a user would notice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headrace.models import Mirror, MirrorStats
from headrace.policy.selection import SMALL, STALE, is_known, predict, select

NOW = 1_800_000_000.0
MBIT = 125_000.0


def one(
    name: str,
    *,
    rate: float | None = None,
    rtt: float | None = None,
    rank: int = 100,
    age: float = 0.0,
    paused: float = 0.0,
    failures: float = 0.0,
) -> MirrorStats:
    measured = rate is not None or rtt is not None
    return MirrorStats(
        Mirror(name, "python", "https://m.example", "packages", rank=rank),
        rate=rate,
        rtt=rtt,
        failures=failures,
        paused_until=paused,
        measured_at=NOW - age if measured else 0.0,
    )


def names(chosen: tuple[MirrorStats, ...]) -> list[str]:
    return [stats.mirror.id for stats in chosen]


#: The lab of the performance study.
A = one("a", rate=38 * MBIT, rtt=0.03)
B = one("b", rate=75 * MBIT, rtt=0.06)
C = one("c", rate=3.6 * MBIT, rtt=0.2)
OFFICIAL = one("origin", rate=1.1 * MBIT, rtt=0.2)
NOBODY = one("origin")


def test_a_large_file_starts_with_throughput_and_a_small_one_with_round_trips() -> None:
    assert names(select([A, B, C], OFFICIAL, 200 << 20, now=NOW)) == ["b", "a", "c"]
    assert names(select([A, B, C], OFFICIAL, 20_000, now=NOW)) == ["a", "b"]


def test_a_fast_origin_has_no_slower_mirror_before_it_on_a_small_file() -> None:
    fast = one("origin", rate=500 * MBIT, rtt=0.01)
    assert names(select([A, B, C], fast, 100_000, now=NOW)) == []
    assert names(select([A, B, C], fast, 200 << 20, now=NOW)) == ["b", "a", "c"]


def test_an_origin_that_counts_what_it_gives_stands_behind_every_mirror_that_may_be_asked() -> None:
    near = one("origin", rate=500 * MBIT, rtt=0.01)
    paused = one("paused", rtt=0.001, paused=NOW + 1)
    unknown = one("unknown")
    for size in (500, 100_000, None):
        assert names(select([C, unknown, paused], near, size, now=NOW, spare_origin=True))[:2] == [
            "c",
            "unknown",
        ]
    assert names(select([A, B, C], near, 20_000, now=NOW, spare_origin=True)) == ["a", "b"]
    assert names(select([paused], near, 500, now=NOW, spare_origin=True)) == []


def test_what_nobody_measured_goes_by_rank_and_beside_others() -> None:
    unknown = [one(f"u{rank}", rank=rank) for rank in (3, 1, 2, 4, 5, 6, 7)]
    assert names(select(unknown, OFFICIAL, 50 << 20, now=NOW)) == ["u1", "u2", "u3", "u4", "u5"]
    assert names(select([A, B, C, *unknown], OFFICIAL, 50 << 20, now=NOW)) == [
        "b",
        "a",
        "c",
        "u1",
        "u2",
    ]


def test_nothing_unknown_stands_before_a_healthy_origin_on_a_small_file() -> None:
    unknown = [one("u", rank=1)]
    assert names(select(unknown, OFFICIAL, 1000, now=NOW)) == []
    assert names(select(unknown, NOBODY, 1000, now=NOW)) == ["u"]
    for more, chosen in ((5, ["u"]), (0, [])):
        paused = one("origin", rate=1.0, rtt=0.1, paused=NOW + more)
        assert names(select(unknown, paused, 1000, now=NOW)) == chosen


def test_a_mirror_as_quick_as_the_origin_is_asked_first() -> None:
    same = one("origin", rate=38 * MBIT, rtt=0.03)
    assert names(select([A, C], same, 1000, now=NOW)) == ["a"]


def test_up_to_a_mebibyte_a_file_is_small() -> None:
    unknown = [one("u", rank=1)]
    assert names(select(unknown, OFFICIAL, SMALL, now=NOW)) == []
    assert names(select(unknown, OFFICIAL, SMALL + 1, now=NOW)) == ["u"]
    assert names(select(unknown, OFFICIAL, None, now=NOW)) == ["u"], "unknown sizes are large"


def test_a_measurement_of_last_week_is_a_guess() -> None:
    old = one("old", rate=1e9, rtt=0.001, age=7 * 86_400.0, rank=9)
    assert names(select([old, A], OFFICIAL, 1000, now=NOW)) == ["a"]


def test_one_that_fails_often_counts_as_slower() -> None:
    flaky = one("flaky", rate=100 * MBIT, rtt=0.03, failures=0.5)
    assert names(select([flaky, B], OFFICIAL, 200 << 20, now=NOW)) == ["b", "flaky"]


@pytest.mark.parametrize(
    ("stats", "busy", "seconds"),
    [
        (one("m", rate=1000.0, rtt=0.5), 0, 3.5),
        (one("m", rate=1000.0, rtt=0.5), 1, 7.0),
        (one("m", rate=1000.0, rtt=0.5, failures=0.5), 0, 10.5),
        (one("m", rate=1000.0, rtt=0.5, failures=1.0), 1, 35.0),
        (one("m", rate=1000.0), 0, 2.9),
        (one("m", rate=0.5, rtt=0.5), 0, 2001.5),
    ],
)
def test_time_is_three_round_trips_and_the_bytes_shared_by_those_at_work(
    stats: MirrorStats, busy: int, seconds: float
) -> None:
    assert predict(stats, 2000, busy=busy) == pytest.approx(seconds)


def test_one_that_is_busy_counts_as_slower() -> None:
    for requests in (1, 4):
        busy = {"a": requests}
        assert names(select([A, B], OFFICIAL, 20_000, now=NOW, busy=busy)) == ["b", "a"]


def test_one_whose_pause_ends_now_is_there_again() -> None:
    paused = [
        one(name, rate=MBIT, rtt=0.1, paused=NOW + more) for name, more in (("p", 1), ("q", 0))
    ]
    assert names(select(paused, OFFICIAL, 200 << 20, now=NOW)) == ["q"]


@pytest.mark.parametrize(
    ("stats", "known"),
    [
        (one("both", rate=MBIT, rtt=0.1), True),
        (one("rate", rate=MBIT), True),
        (one("trip", rtt=0.1), True),
        (one("yesterday", rtt=0.1, age=STALE), True),
        (one("before", rtt=0.1, age=STALE + 1), False),
        (replace(one("neither"), measured_at=NOW), False),
    ],
    ids=lambda value: value.mirror.id if isinstance(value, MirrorStats) else None,
)
def test_what_was_measured_in_a_day_is_known(stats: MirrorStats, known: bool) -> None:  # noqa: FBT001
    assert is_known(stats, NOW) is known


def test_four_work_and_one_is_tried() -> None:
    known = [one(f"k{n}", rate=n * MBIT, rtt=0.1) for n in range(1, 9)]
    chosen = names(select([*known, one("new")], OFFICIAL, 50 << 20, now=NOW))
    assert chosen == ["k8", "k7", "k6", "k5", "new"]
