"""Events for the live page: bounded, cheap, and summed up without inventing anything."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headrace.gateway.live.history import HELD, WINDOWS, HappeningKind, History
from headrace.models import Artifact, Fault, Origin, SourceFailed, TransferFinished

ORIGIN = Origin("python", "https://index.example/simple")
FILE = Artifact("python", "/packages/a", "a.whl", "https://index.example/a.whl", ORIGIN)
MB = 1_000_000
NOW = 1_800_000_000.0


class Clock:
    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def finished(seconds: float, **given: int) -> TransferFinished:
    return TransferFinished(FILE, sum(given.values()), seconds, given, {})


def failed(source: str, fault: Fault) -> SourceFailed:
    return SourceFailed(FILE, source, fault)


def test_ten_thousand_events_are_held_and_the_oldest_go() -> None:
    history = History()
    for number in range(HELD + 5):
        history.incident(str(number))
    assert (len(history), history.newest, HELD) == (HELD, HELD + 5, 10_000)
    assert [each.what for each in history.after(HELD + 3, 50)] == ["10003", "10004"]
    assert history.before(7, 100)[-1].number == 6
    assert [each.number for each in history.before(history.newest + 1, 2)] == [10_005, 10_004]


def test_names_of_any_length_cost_no_more_than_short_ones() -> None:
    history = History()
    history.incident("x" * 100_000)
    artifact = replace(FILE, name="y" * 4000)
    history.failed(SourceFailed(artifact, "copy", Fault.SILENT))
    assert [len(each.what) for each in history.after(0, 9)] == [200, 200]


def test_of_more_events_than_are_asked_for_the_newest_are_told_in_their_order() -> None:
    history = History()
    for number in range(9):
        history.incident(str(number))
    assert [each.number for each in history.after(0, 3)] == [7, 8, 9]
    assert history.after(9, 3) == []
    assert history.after(12, 3) == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.CUT, HappeningKind.TAKEOVER),
        (Fault.RATE_LIMITED, HappeningKind.TAKEOVER),
        (Fault.WRONG_BYTES, HappeningKind.REFUSAL),
        (Fault.NOT_THE_FILE, HappeningKind.REFUSAL),
        (Fault.LED_ASTRAY, HappeningKind.REFUSAL),
    ],
)
def test_what_a_source_cannot_give_is_a_takeover_and_what_nobody_takes_of_it_a_refusal(
    fault: Fault, kind: HappeningKind
) -> None:
    history = History()
    history.failed(failed("near", fault))
    (told,) = history.after(0, 9)
    assert (told.kind, told.source, told.what) == (kind, "near", "a.whl")


# ------------------------------------------------------------------ sums


def test_bytes_of_the_last_minute_lie_where_they_came_and_none_is_lost() -> None:
    clock = Clock()
    history = History(clock=clock)
    history.finished(finished(20.0, origin=10 * MB, near=30 * MB))
    columns = history.columns("minute")
    assert len(columns) == WINDOWS["minute"][1]
    assert sum(each.get("near", 0) for each in columns) == pytest.approx(30 * MB, abs=50)
    assert [bool(each) for each in columns] == [False] * 20 + [True] * 10
    clock.now += 50
    # What came before the minute began is not in it.
    assert sum(each.get("near", 0) for each in history.columns("minute")) == pytest.approx(15 * MB)


def test_what_is_under_way_counts_as_far_as_it_is_here() -> None:
    history = History(clock=Clock())
    span = (NOW - 4.0, NOW, (("near", 8 * MB),))
    for window in WINDOWS:
        assert sum(each.get("near", 0) for each in history.columns(window, [span])) == 8 * MB


@pytest.mark.parametrize("window", ["hour", "week"])
def test_sums_forget_what_is_older_than_their_window(window: str) -> None:
    clock = Clock()
    history = History(clock=clock)
    history.finished(finished(1.0, near=7 * MB))
    seconds = WINDOWS[window][0]

    def told() -> int:
        return sum(each.get("near", 0) for each in history.columns(window))

    assert told() == 7 * MB
    clock.now += seconds * 0.9
    assert told() == 7 * MB
    clock.now += seconds * 0.2
    assert told() == 0


def test_the_sums_of_a_week_outlive_the_worker(tmp_path: Path) -> None:
    path = tmp_path / "state" / "traffic.json"
    history = History(path, clock=Clock())
    history.finished(finished(1.0, near=7 * MB))
    history.keep()
    assert path.stat().st_mode & 0o077 == 0
    again = History(path, clock=Clock(NOW + 3600))
    assert sum(each.get("near", 0) for each in again.columns("week")) == 7 * MB
    assert again.columns("hour") == [{}] * 30


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b'{"hours": 3}',
        b'{"hours": {"x": {"near": 1}}}',
        b'{"hours": {"\xc2\xb2": {"near": 1}}}',
        b'{"hours": {"500000": [1]}}',
        json.dumps({"hours": {str(int(NOW // 3600)): {"near": -1, "far": "x", "m": 1e9}}}).encode(),
        b"\xff" * 100,
    ],
    ids=str,
)
def test_a_damaged_file_of_sums_is_no_sums(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "traffic.json"
    path.write_bytes(content)
    history = History(path, clock=Clock())
    assert history.columns("week") == [{}] * 28
    history.finished(finished(1.0, near=MB))
    assert sum(each.get("near", 0) for each in history.columns("week")) == MB


# ------------------------------------------------------------------ what was saved


def made(*steps: tuple[float, TransferFinished]) -> History:
    """Each file ends so many seconds after the first."""
    clock = Clock()
    history = History(clock=clock)
    for moment, event in steps:
        clock.now = NOW + moment
        history.finished(event)
    return history


def test_nothing_is_claimed_where_the_origin_gave_nothing_or_everything() -> None:
    assert made().saved() == []
    assert made((0, finished(3.0, near=30 * MB))).saved() == []
    assert made((0, finished(3.0, origin=30 * MB))).saved() == []
    # Small files tell how far a source is, not what it can give.
    assert made((0, finished(0.5, origin=20_000)), (9, finished(1.0, near=9 * MB))).saved() == []


def test_what_the_origin_gave_by_itself_is_what_others_are_held_against_at_its_best() -> None:
    slow, quick = finished(20.0, origin=20 * MB), finished(5.0, origin=20 * MB)
    (told,) = made((0, slow), (50, quick), (99, finished(2.0, origin=MB, near=39 * MB))).saved()
    assert (told.files, told.bytes, told.by_itself) == (1, 40 * MB, True)
    assert [told.took, told.rate] == pytest.approx([2.0, 4 * MB])


def test_where_it_always_shared_the_line_that_is_said() -> None:
    # Two files at a time: what it gave to both together is what it can at least.
    together = finished(4.0, origin=4 * MB, near=8 * MB)
    (told,) = made((0, together), (0, together)).saved()
    assert told.rate == pytest.approx(2 * MB)
    assert not told.by_itself


def test_seconds_in_which_several_files_came_count_once() -> None:
    alone = (0.0, finished(5.0, origin=5 * MB))
    (told,) = made(
        alone, (104.0, finished(4.0, near=8 * MB)), (106.0, finished(4.0, near=8 * MB))
    ).saved()
    assert told.took == pytest.approx(6.0)


# ------------------------------------------------------------------ what it costs


def spent(work: Callable[[], Any]) -> float:
    """CPU seconds, the best of some tries: others use this machine, too."""
    best = float("inf")
    for _ in range(5):
        begun = time.process_time()
        work()
        best = min(best, time.process_time() - begun)
    return best


def test_an_event_costs_a_fraction_of_what_telling_it_would() -> None:
    event = failed("near", Fault.CUT)
    table = {"what": "a.whl", "source": "near", "fault": "cut", "number": 1, "at": NOW}

    def hear() -> None:
        history = History()
        for _ in range(300):
            history.failed(event)

    def tell() -> None:
        history = History()
        for _ in range(300):
            history.failed(event)
            for _ in range(16):
                json.dumps([table] * 4)

    assert spent(hear) * 10 < spent(tell)
