"""Programs that are told of an edit: real processes, told and asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.errors import LocalError
from headrace.interface.hookspecs import FileEdit, Reload, ReloadCheck
from headrace.system.edits import reloads
from headrace.system.edits.journal import Journal
from lib.capabilities import lacks
from lib.engines.small_daemon import NAME, Small, running
from lib.times import Times
from lib.waiting import HANG

URL = "http://127.0.0.1:17223"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason=lacks("system", "reads /proc"))


def reload_of(small: Small) -> Reload:
    check = ReloadCheck(str(small.socket), "/info", ("Config", "Mirrors"), URL)
    return Reload(NAME, str(small.pid_file), check=check)


def test_a_program_is_told_by_its_pid_file_and_shows_what_it_took(tmp_path: Path) -> None:
    with running(tmp_path) as small:
        reload = reload_of(small)
        assert reload.check
        assert reloads.shows(reload.check) is False
        small.config.write_text(json.dumps({"mirrors": [URL]}))
        assert reloads.tell(reload)
        assert reloads.wait_until(reload.check, present=True)
        assert small.mirrors() == [f"{URL}/"]
        small.config.unlink()
        assert reloads.tell(reload)
        assert reloads.wait_until(reload.check, present=False)


def test_one_without_a_pid_file_is_found_by_its_name(tmp_path: Path) -> None:
    with running(tmp_path) as small:
        found = reloads.processes(Reload(NAME))
        assert small.process.pid in found
    assert small.process.pid not in reloads.processes(Reload(NAME))


def test_a_pid_file_that_names_somebody_else_does_no_harm(tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "60"])
    try:
        pid_file = tmp_path / "pid"
        pid_file.write_text(str(other.pid))
        assert not reloads.tell(Reload(NAME, str(pid_file)))
        assert other.poll() is None
    finally:
        other.terminate()
        other.wait(HANG)


@pytest.mark.parametrize("content", [None, "", "x", "999999999"])
def test_a_program_that_does_not_run_needs_not_be_told(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "pid").write_text(content)
    assert not reloads.tell(Reload(NAME, str(tmp_path / "pid")))


def test_what_does_not_answer_shows_nothing(tmp_path: Path) -> None:
    answer = ReloadCheck(str(tmp_path / "nobody"), "/info", ("Config",), URL)
    assert reloads.shows(answer) is None
    times = Times()
    assert not reloads.wait_until(answer, present=True, patience=times.patience)
    assert times.waited > reloads.LIMIT


def test_the_right_to_tell_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    with running(tmp_path) as small, monkeypatch.context() as patch:
        patch.setattr("os.kill", refuse)
        with pytest.raises(LocalError, match="may not be told"):
            reloads.tell(reload_of(small))


def test_the_journal_remembers_who_must_be_told(tmp_path: Path) -> None:
    answer = ReloadCheck("/run/x.sock", "/info", ("a", "b"), URL)
    for reload in (Reload("x", "/run/x.pid", "USR1", answer), Reload("y"), None):
        journal = Journal(tmp_path / "journal")
        edit = FileEdit(tmp_path / "file", None, b"new\n", "why", reload=reload)
        journal.apply([("tool", edit)])
        assert [entry.reload for entry in Journal(tmp_path / "journal").entries()] == [reload]
        journal.undo()


def test_a_journal_of_an_older_headrace_is_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.apply([("tool", FileEdit(tmp_path / "file", None, b"new\n", "why"))])
    document = json.loads(journal.path.read_bytes())
    del document["entries"][0]["reload"]
    journal.path.write_text(json.dumps(document))
    assert [entry.reload for entry in journal.entries()] == [None]
    assert journal.undo().restored
