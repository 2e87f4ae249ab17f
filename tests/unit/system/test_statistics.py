"""Statistics: kept across restarts, by network, for several processes, never an error."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from headrace.models import Fault, Mirror, MirrorStats
from headrace.policy.reputation import EVERYTHING, on_probation, standing
from headrace.system import statistics as module
from headrace.system.statistics import Statistics
from lib.waiting import until

NOW = 1_800_000_000.0
CAMPUS = Mirror("campus", "python", "https://m.example", "packages")
FAR = Mirror("far", "python", "https://f.example", "packages")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "statistics.sqlite"


def about(statistics: Statistics, mirror: Mirror = CAMPUS, network: str = "home") -> MirrorStats:
    return standing(mirror, "wheel", statistics.snapshot(network))


def good(statistics: Statistics, source: str = "campus", now: float = NOW) -> None:
    statistics.observe(
        source, "wheel", network="home", bytes=1 << 20, seconds=0.5, rtt=0.02, now=now
    )


def bad(statistics: Statistics, fault: Fault, source: str = "campus", now: float = NOW) -> None:
    statistics.observe(source, "wheel", network="home", fault=fault, now=now)


def test_nothing_is_known_at_first(path: Path) -> None:
    assert about(Statistics(path)) == MirrorStats(CAMPUS)
    assert not path.exists()


def test_what_was_learned_survives_a_restart(path: Path) -> None:
    first = Statistics(path, clock=lambda: NOW)
    good(first)
    bad(first, Fault.RATE_LIMITED, "far")
    first.close()
    later = Statistics(path, clock=lambda: NOW)
    assert about(later) == about(first)
    assert about(later).rate == pytest.approx(2 << 20)
    assert about(later).measured_at == NOW
    assert about(later, FAR).paused_until == NOW + 30


def test_what_a_source_did_last_is_known_after_a_restart(path: Path) -> None:
    first = Statistics(path, clock=lambda: NOW)
    for source in ("gone", "back"):
        bad(first, Fault.RATE_LIMITED, source)
    bad(first, Fault.MISSING, "gone")  # which a mirror may
    good(first, "back")
    first.close()
    later = Statistics(path, clock=lambda: NOW)
    for statistics in (first, later):
        assert statistics.last_fault("gone", "home") is Fault.RATE_LIMITED
        assert statistics.last_fault("back", "home") is None
        assert statistics.last_fault("gone", "elsewhere") is None


def test_it_is_written_behind_without_being_asked(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BEHIND", 0.05)
    first = Statistics(path, clock=lambda: NOW)
    good(first)
    until(lambda: about(Statistics(path, clock=lambda: NOW)).rate is not None)
    first.close()


def test_clock_that_was_set_back_pauses_nobody_for_years(path: Path) -> None:
    first = Statistics(path, clock=lambda: NOW)
    bad(first, Fault.WRONG_BYTES)
    first.close()
    before = NOW - 10 * 365 * 86400
    found = Statistics(path, clock=lambda: before).snapshot("home")
    assert {record.paused_until for record in found.values()} == {before + 86400}
    assert all(record.updated <= before for record in found.values())


def test_another_network_is_another_page(path: Path) -> None:
    statistics = Statistics(path)
    good(statistics)
    assert about(statistics, network="office") == MirrorStats(CAMPUS)


def test_who_is_unreachable_is_so_for_every_object_class(path: Path) -> None:
    statistics = Statistics(path)
    good(statistics, "far")
    bad(statistics, Fault.REFUSED)
    other = standing(CAMPUS, "sdist", statistics.snapshot("home"))
    assert other.paused_until == NOW + 30
    bad(statistics, Fault.FORBIDDEN, "far")
    other = standing(FAR, "sdist", statistics.snapshot("home"))
    assert other.paused_until == 0.0
    assert about(statistics, FAR).paused_until == NOW + 60


def test_any_answer_shows_that_a_source_can_be_reached(path: Path) -> None:
    statistics = Statistics(path)
    bad(statistics, Fault.SILENT)
    statistics.observe("campus", "sdist", network="home", rtt=0.1, now=NOW + 1)
    assert about(statistics).paused_until == 0.0


def test_one_request_at_a_time_tries_a_source_whose_pause_has_ended(path: Path) -> None:
    statistics = Statistics(path)
    bad(statistics, Fault.REFUSED)
    assert not on_probation(statistics.snapshot("home")["campus", EVERYTHING], NOW + 29)
    later = NOW + 31
    assert on_probation(statistics.snapshot("home")["campus", EVERYTHING], later)
    assert statistics.take_probation("campus", "wheel", "home", later)
    assert not statistics.take_probation("campus", "wheel", "home", later)
    assert statistics.take_probation("campus", "wheel", "home", later + 31), "the first never ended"
    bad(statistics, Fault.REFUSED, now=later + 32)
    assert about(statistics).paused_until == later + 32 + 120
    good(statistics, now=later + 200)
    assert not on_probation(statistics.snapshot("home")["campus", EVERYTHING], later + 200)


def test_mirrors_are_not_blamed_when_this_machine_is_off_the_net(path: Path) -> None:
    statistics = Statistics(path)
    bad(statistics, Fault.UNREACHABLE, "far", NOW)
    bad(statistics, Fault.UNREACHABLE, "origin", NOW + 0.1)
    bad(statistics, Fault.UNREACHABLE, "campus", NOW + 0.2)
    assert about(statistics, FAR).paused_until == 0.0
    assert about(statistics).paused_until == 0.0


def test_mirrors_are_blamed_when_only_the_origin_is_unreachable_too(path: Path) -> None:
    statistics = Statistics(path)
    good(statistics, "far")
    bad(statistics, Fault.UNREACHABLE, "origin", NOW + 0.1)
    bad(statistics, Fault.UNREACHABLE, "campus", NOW + 0.2)
    assert about(statistics).paused_until > NOW


def test_a_pause_can_be_laid_on(path: Path) -> None:
    statistics = Statistics(path)
    statistics.pause("campus", "document", network="home", until=NOW + 500)
    document = standing(CAMPUS, "document", statistics.snapshot("home"))
    assert document.paused_until == NOW + 500
    assert about(statistics).paused_until == 0.0
    statistics.pause("campus", EVERYTHING, network="home", until=NOW + 600)
    assert about(statistics).paused_until == NOW + 600


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 100, b"SQLite format 3\0junk"])
def test_a_damaged_file_is_put_aside(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    statistics = Statistics(path, clock=lambda: NOW)
    good(statistics)
    statistics.close()
    assert about(Statistics(path, clock=lambda: NOW)).rate is not None


def test_a_table_of_another_version_is_begun_anew(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as base:
        base.execute("CREATE TABLE record (a)")
        base.execute("INSERT INTO record VALUES (1)")
        base.execute("PRAGMA user_version = 99")
    base.close()
    statistics = Statistics(path, clock=lambda: NOW)
    good(statistics)
    statistics.close()
    assert about(Statistics(path, clock=lambda: NOW)).rate is not None


def test_a_folder_that_cannot_be_written_costs_the_memory_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    statistics = Statistics(tmp_path / "file" / "statistics.sqlite")
    good(statistics)
    statistics.flush()
    statistics.close()
    assert about(statistics).rate is not None


def test_old_rows_are_forgotten(path: Path) -> None:
    first = Statistics(path, clock=lambda: NOW)
    good(first)
    first.close()
    later = Statistics(path, clock=lambda: NOW + 100 * 86_400)
    assert later.snapshot("home") == {}


def test_many_threads_and_several_processes_write_one_file(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from headrace.system.statistics import Statistics\n"
        "s = Statistics(Path(sys.argv[1]), clock=lambda: 1_800_000_000.0)\n"
        "for n in range(30):\n"
        "    s.observe(f'{sys.argv[2]}-{n}', 'wheel', network='home', bytes=1 << 20, seconds=1.0)\n"
        "    s.flush()\n"
        "s.close()\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path), name],
            env={"PYTHONPATH": ":".join(sys.path)},
        )
        for name in "abc"
    ]
    own = Statistics(path, clock=lambda: NOW)

    def work(name: str) -> None:
        for number in range(30):
            good(own, f"{name}-{number}")
            own.flush()

    threads = [threading.Thread(target=work, args=(name,)) for name in "de"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait() for process in processes] == [0, 0, 0]
    own.close()
    assert len(Statistics(path, clock=lambda: NOW).snapshot("home")) == 150


def test_asking_opens_no_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    statistics = Statistics(path)
    mirrors = [Mirror(f"m{n}", "python", "https://m.example", "packages") for n in range(40)]
    for mirror in mirrors:
        good(statistics, mirror.id)
    statistics.flush()
    opened: list[object] = []
    connect = sqlite3.connect

    def opening(database: Any, **more: Any) -> Any:
        opened.append(database)
        return connect(database, **more)

    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", opening)
        for _ in range(100):
            records = statistics.snapshot("home")
            assert all(standing(mirror, "wheel", records).rate for mirror in mirrors)
    assert opened == []
    statistics.close()
