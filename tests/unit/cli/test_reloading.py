"""Edits and whoever must be told of them: performed as one, taken back as one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from headrace.cli import reloading
from headrace.cli.context import Context
from headrace.hookspecs import Answer, FileEdit, Reload
from lib.small_daemon import NAME, Small, running

URL = "http://127.0.0.1:17223"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def context_of(folder: Path) -> Context:
    return Context({"HEADRACE_HOME": str(folder / "headrace"), "PATH": ""})


def edit_of(small: Small) -> FileEdit:
    check = Answer(str(small.socket), "/info", ("Config", "Mirrors"), URL)
    before = small.config.read_bytes() if small.config.exists() else None
    after = json.dumps({"mirrors": [URL]}).encode()
    reload = Reload(NAME, str(small.pid_file), check=check)
    return FileEdit(small.config, before, after, "why", reload=reload)


def test_on_tells_the_program_once_and_off_tells_it_again(tmp_path: Path) -> None:
    context = context_of(tmp_path)
    with running(tmp_path / "small") as small:
        wanted = [("small", edit_of(small))]
        applied = reloading.apply(context, wanted, of=["small"])
        assert applied.told == [NAME]
        assert applied.refused == []
        assert small.mirrors() == [f"{URL}/"]
        again = reloading.apply(context, wanted, of=["small"])
        assert (again.told, again.changed) == ([], [])

        before = context.journal.entries()
        context.journal.undo(of=["small"])
        assert reloading.undone(context, before) == ([NAME], [])
        assert small.mirrors() == []
        assert not small.config.exists()


def test_what_a_program_does_not_take_is_taken_back_of_that_tool_alone(tmp_path: Path) -> None:
    context = context_of(tmp_path)
    other = FileEdit(tmp_path / "other", None, b"new\n", "why")
    with running(tmp_path / "small", refuses="17223") as small:
        small.config.write_text('{"mirrors": ["http://his"]}')
        wanted = [("small", edit_of(small)), ("other", other)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("headrace.system.reloads.LIMIT", 0.5)
            applied = reloading.apply(context, wanted, of=["small", "other"])
        ((tool, error),) = applied.refused
        assert tool == "small"
        assert "does not show the gateway" in error.message
        assert applied.changed == [other]
        assert small.config.read_text() == '{"mirrors": ["http://his"]}'
        assert small.mirrors() == ["http://his/"]
        assert other.path.read_bytes() == b"new\n"


def test_a_program_that_missed_the_signal_is_told_by_the_next_on(tmp_path: Path) -> None:
    """As when `on` was killed between the file and the signal."""
    context = context_of(tmp_path)
    with running(tmp_path / "small") as small:
        wanted = [("small", edit_of(small))]
        context.journal.apply(wanted, of=["small"])
        assert small.mirrors() == []
        assert reloading.apply(context, wanted, of=["small"]).told == [NAME]
        assert small.mirrors() == [f"{URL}/"]


def test_a_program_that_does_not_run_is_no_reason_to_leave_its_file(tmp_path: Path) -> None:
    context = context_of(tmp_path)
    with running(tmp_path / "small") as small:
        edit = edit_of(small)
    applied = reloading.apply(context, [("small", edit)], of=["small"])
    assert (applied.told, applied.refused, applied.changed) == ([], [], [edit])
