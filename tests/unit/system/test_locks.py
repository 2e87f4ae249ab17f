"""Locks between processes: real ones here, and what is asked of Windows."""

from __future__ import annotations

import errno
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from headrace.errors import LocalError
from headrace.interface.hookspecs import FileEdit
from headrace.system import locks
from headrace.system.edits import journal as journal_module
from headrace.system.edits.journal import Journal

WORKER = Path(__file__).with_name("lock_worker.py")


def processes(*words: object) -> list[str]:
    """Run two workers that begin together; return what they say."""
    running = [
        subprocess.Popen(
            [sys.executable, WORKER, *map(str, words), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        for number in range(2)
    ]
    for each in running:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in running:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    said = [each.communicate()[0] for each in running]
    assert [each.returncode for each in running] == [0, 0]
    return said


def test_what_two_processes_write_at_once_is_all_in_the_journal(tmp_path: Path) -> None:
    processes("journal", tmp_path)
    journal = Journal(tmp_path / "state" / "journal")
    tools = {entry.tool for entry in journal.entries()}
    assert tools == {f"tool-{number}-{turn}" for number in range(2) for turn in range(20)}
    journal.undo()
    assert not list(tmp_path.glob("file-*"))


def test_two_processes_that_need_a_token_at_once_get_the_same(tmp_path: Path) -> None:
    first, second = processes("token", tmp_path)
    assert first == second
    assert len(first.split()) == 20


def test_two_openings_exclude_each_other_even_in_one_process(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locks.locked(path) as held:
        assert held
        other = os.open(path, os.O_RDWR)
        assert not locks.try_lock(other)
    assert locks.try_lock(other)
    os.close(other)


def test_a_link_in_a_locks_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="lock"), locks.locked(tmp_path / "lock"):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_system_without_locks_is_said_and_nothing_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object, **__: object) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks, "_lock", none)
    edit = FileEdit(tmp_path / "file", None, b"ours\n", "why")
    with pytest.raises(LocalError, match="knows no locks"):
        Journal(tmp_path / "journal").apply([("tool", edit)])
    assert not edit.path.exists()


# ---------------------------------------------------------------- Windows


class Msvcrt(ModuleType):
    """Sees the calls. `answers` are the errors of the next ones, None where it works."""

    LK_UNLCK, LK_LOCK, LK_NBLCK = 0, 1, 2

    def __init__(self) -> None:
        super().__init__("msvcrt")
        self.answers: list[int | None] = []
        self.calls: list[tuple[int, int, int]] = []

    def locking(self, fd: int, mode: int, count: int) -> None:
        """Note mode, place and length."""
        self.calls.append((mode, os.lseek(fd, 0, os.SEEK_CUR), count))
        if self.answers and (error := self.answers.pop(0)) is not None:
            raise OSError(error, os.strerror(error))


FAR = 1 << 40


@pytest.fixture
def msvcrt(monkeypatch: pytest.MonkeyPatch) -> Msvcrt:
    made = Msvcrt()
    monkeypatch.setitem(sys.modules, "msvcrt", made)
    return made


@pytest.fixture
def windows(msvcrt: Msvcrt, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module as Windows would load it."""
    assert msvcrt is sys.modules["msvcrt"]
    spec = importlib.util.spec_from_file_location("locks_of_windows", locks.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "win32")
        spec.loader.exec_module(module)
    module.__dict__["_FAR"] = FAR  # not every file system here can go as far as NTFS
    return module


def test_windows_is_asked_for_a_byte_behind_any_content(
    tmp_path: Path, windows: Any, msvcrt: Msvcrt
) -> None:
    path = tmp_path / "lock"
    with windows.locked(path) as held:
        assert held
        assert msvcrt.calls == [(Msvcrt.LK_LOCK, FAR, 1)]
    assert msvcrt.calls[1:] == [(Msvcrt.LK_UNLCK, FAR, 1)]
    assert path.stat().st_size == 0


def test_whoever_waits_on_windows_waits_longer_than_ten_tries(
    tmp_path: Path, windows: Any, msvcrt: Msvcrt
) -> None:
    msvcrt.answers = [errno.EDEADLK, errno.EDEADLK, None]
    with windows.locked(tmp_path / "lock") as held:
        assert held
    assert [mode for mode, _, _ in msvcrt.calls] == [Msvcrt.LK_LOCK] * 3 + [Msvcrt.LK_UNLCK]


def test_whoever_tries_on_windows_is_told_at_once_and_stands_where_he_stood(
    tmp_path: Path, windows: Any, msvcrt: Msvcrt
) -> None:
    with (tmp_path / "partial").open("w+b") as file:
        file.write(b"content")
        file.flush()
        msvcrt.answers = [errno.EACCES, None]
        assert not windows.try_lock(file.fileno())
        assert windows.try_lock(file.fileno())
        assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == 7
    assert [mode for mode, _, _ in msvcrt.calls] == [Msvcrt.LK_NBLCK] * 2


def test_a_disk_without_locks_is_no_lock_of_somebody_elses_on_windows(
    tmp_path: Path, windows: Any, msvcrt: Msvcrt
) -> None:
    msvcrt.answers = [errno.EINVAL, errno.EINVAL]
    with windows.locked(tmp_path / "lock") as held:
        assert not held
    with (tmp_path / "lock").open("r+b") as file, pytest.raises(OSError, match="Invalid"):
        windows.try_lock(file.fileno())
    assert Msvcrt.LK_UNLCK not in [mode for mode, _, _ in msvcrt.calls]


def test_the_journal_has_no_lock_of_its_own() -> None:
    """So that what is tested here is what it has on Windows."""
    source = Path(journal_module.__file__).read_text("utf-8")
    assert "flock" not in source
    assert "os.name" not in source
