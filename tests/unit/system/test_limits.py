"""Who asked to be left alone, told to the next process: counted by clocks that may be set."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from headrace.policy.rate_limits import RememberedLimit
from headrace.system.limits import LimitRecords

HOUR = 3600.0
LIMIT = RememberedLimit("a", 429, HOUR, named=True, refusals=3)


class Machine:
    """Its two clocks, and the boot that it is in."""

    wall, steady, boot = 1_800_000_000.0, 50.0, "first"

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds

    def records(self, path: Path) -> LimitRecords:
        return LimitRecords(
            path, wall=lambda: self.wall, steady=lambda: self.steady, boot=lambda: self.boot
        )


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def path(tmp_path: Path, machine: Machine) -> Path:
    path = tmp_path / "state" / "limits.sqlite"
    kept = machine.records(path)
    kept.keep(LIMIT)
    kept.close()
    return path


def left(machine: Machine, path: Path) -> float:
    found = machine.records(path).load()
    assert all((each.key, each.status, each.refusals) == ("a", 429, 3) for each in found)
    return sum(each.seconds for each in found)


def test_what_is_left_of_a_pause_holds_for_the_next_process(machine: Machine, path: Path) -> None:
    assert left(machine, path) == HOUR
    machine.pass_by(HOUR / 4)
    assert left(machine, path) == HOUR * 3 / 4
    machine.pass_by(HOUR)
    assert left(machine, path) == 0


@pytest.mark.parametrize("jump", [-10 * 365 * 24 * HOUR, -1.0, 30 * HOUR])
def test_clock_that_is_set_changes_nothing_while_the_machine_runs(
    machine: Machine, path: Path, jump: float
) -> None:
    machine.pass_by(60)
    machine.wall += jump
    assert left(machine, path) == HOUR - 60
    machine.pass_by(HOUR)
    assert left(machine, path) == 0


@pytest.mark.parametrize("boot", ["second", ""])
def test_after_a_boot_the_wall_clock_counts_and_never_for_more_than_was_named(
    machine: Machine, path: Path, boot: str
) -> None:
    machine.boot, machine.steady = boot, 5.0
    machine.wall += HOUR / 2
    assert left(machine, path) == HOUR / 2
    machine.wall -= 10 * 365 * 24 * HOUR
    assert left(machine, path) == HOUR
    machine.wall += 11 * 365 * 24 * HOUR
    assert left(machine, path) == 0


def test_later_word_counts_and_two_processes_write_beside_each_other(
    machine: Machine, path: Path
) -> None:
    one, other = machine.records(path), machine.records(path)
    machine.pass_by(1)
    one.keep(RememberedLimit("a", 429, 10.0, named=False, refusals=3))
    one.close()
    other.keep(RememberedLimit("b", 503, 20.0, named=True, refusals=1))
    other.close()
    assert {each.key: each.seconds for each in machine.records(path).load()} == {"a": 10, "b": 20}
    one.keep(LIMIT)  # closed: nobody is told an error


def test_nobody_is_told_an_error_for_a_file_that_cannot_be_used(
    machine: Machine, path: Path, tmp_path: Path
) -> None:
    with sqlite3.connect(path) as base:
        base.execute("UPDATE rate_limit SET seconds = 'long'")
    base.close()
    assert machine.records(path).load() == ()
    path.write_bytes(b"no database" * 100)
    assert machine.records(path).load() == ()
    (tmp_path / "file").touch()
    records = machine.records(tmp_path / "file" / "limits.sqlite")
    records.keep(LIMIT)
    records.close()
    assert records.load() == ()
