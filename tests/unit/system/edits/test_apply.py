"""Edits and whoever must be told of them: performed as one, taken back as one."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.cli.context import Context
from headrace.interface.hookspecs import FileEdit, Reload, ReloadCheck
from headrace.system.edits import apply
from lib.capabilities import lacks
from lib.engines.small_daemon import NAME, Small, running
from lib.times import Times

URL = "http://127.0.0.1:17223"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason=lacks("system", "reads /proc"))


def context_of(folder: Path) -> Context:
    return Context({"HEADRACE_HOME": str(folder / "headrace"), "PATH": ""})


def edit_of(small: Small, url: str = URL, *, before: bytes | None = None) -> FileEdit:
    check = ReloadCheck(str(small.socket), "/info", ("Config", "Mirrors"), url)
    after = json.dumps({"mirrors": [url]}).encode()
    reload = Reload(NAME, str(small.pid_file), check=check)
    return FileEdit(small.config, before, after, "why", reload=reload)


def test_on_tells_the_program_once_and_off_tells_it_again(tmp_path: Path) -> None:
    context = context_of(tmp_path)
    with running(tmp_path / "small") as small:
        wanted = [("small", edit_of(small))]
        applied = apply.apply(context, wanted, of=["small"])
        assert (applied.told, applied.refused, applied.trouble) == ([NAME], [], [])
        assert small.mirrors() == [f"{URL}/"]
        assert small.signals() == 1

        before = context.journal.entries()
        context.journal.undo(of=["small"])
        assert apply.undone(context, before) == ([NAME], [])
        assert small.mirrors() == []
        assert small.signals() == 2
        assert not small.config.exists()


def test_an_on_that_changes_nothing_sends_no_signal_and_waits_for_nothing(tmp_path: Path) -> None:
    context, times = context_of(tmp_path), Times()
    with running(tmp_path / "small") as small:
        wanted = [("small", edit_of(small))]
        apply.apply(context, wanted, of=["small"])
        again = apply.apply(context, wanted, of=["small"], patience=times.patience)
        assert (again.told, again.changed, again.trouble) == ([], [], [])
        assert small.signals() == 1
        assert times.waited == 0


def test_a_change_of_one_tool_tells_no_other_one(tmp_path: Path) -> None:
    context, times = context_of(tmp_path), Times()
    other = FileEdit(tmp_path / "other", None, b"new\n", "why")
    with running(tmp_path / "small") as small:
        wanted = [("small", edit_of(small)), ("other", other)]
        tools = ["small", "other"]
        apply.apply(context, wanted[:1], of=tools)
        for some in (wanted, wanted[:1]):  # a file that comes, and one that goes
            applied = apply.apply(context, some, of=tools, patience=times.patience)
            assert (applied.told, applied.trouble) == ([], [])
        assert small.signals() == 1
        assert times.waited == 0


def test_a_program_that_has_the_setting_from_another_file_now_is_told_once(tmp_path: Path) -> None:
    """As a dockerd that was started again with another --config-file."""
    context, times = context_of(tmp_path), Times()
    with running(tmp_path / "small") as small:
        edit = edit_of(small)
        elsewhere = replace(edit, path=tmp_path / "elsewhere.json")
        context.journal.apply([("small", elsewhere)], of=["small"])
        wanted = [("small", edit)]
        applied = apply.apply(context, wanted, of=["small"], patience=times.patience)
        assert (applied.told, applied.trouble) == ([NAME], [])
        assert small.signals() == 1
        assert small.mirrors() == [f"{URL}/"]
        assert not elsewhere.path.exists()


def test_a_program_that_keeps_what_is_gone_is_reported(tmp_path: Path) -> None:
    context, times = context_of(tmp_path), Times()
    with running(tmp_path / "small", clings=True) as small:
        apply.apply(context, [("small", edit_of(small))], of=["small"])
        applied = apply.apply(context, [], of=["small"], patience=times.patience)
        assert applied.told == []
        assert ["still shows the gateway" in each for each in applied.trouble] == [True]


def test_what_a_program_does_not_take_is_taken_back_of_that_tool_alone(tmp_path: Path) -> None:
    context = context_of(tmp_path)
    other = FileEdit(tmp_path / "other", None, b"new\n", "why")
    with running(tmp_path / "small", refuses="17223") as small:
        small.config.write_text('{"mirrors": ["http://his"]}')
        edit = edit_of(small, before=small.config.read_bytes())
        wanted = [("small", edit), ("other", other)]
        tools = ["small", "other"]
        applied = apply.apply(context, wanted, of=tools, patience=Times().patience)
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
        assert apply.apply(context, wanted, of=["small"]).told == [NAME]
        assert small.mirrors() == [f"{URL}/"]


def test_a_program_that_does_not_run_is_no_reason_to_leave_its_file(tmp_path: Path) -> None:
    context = context_of(tmp_path)
    with running(tmp_path / "small") as small:
        edit = edit_of(small)
    applied = apply.apply(context, [("small", edit)], of=["small"])
    assert (applied.told, applied.refused, applied.changed) == ([], [], [edit])


def test_another_port_is_told_once_and_the_old_one_is_gone(tmp_path: Path) -> None:
    context = context_of(tmp_path)
    with running(tmp_path / "small") as small:
        apply.apply(context, [("small", edit_of(small))], of=["small"])
        edit = edit_of(small, "http://127.0.0.1:17224")
        applied = apply.apply(context, [("small", edit)], of=["small"])
        assert (applied.told, applied.refused) == ([NAME], [])
        assert small.mirrors() == ["http://127.0.0.1:17224/"]


def test_a_tool_that_wants_nothing_any_more_is_told_that_it_is_gone(tmp_path: Path) -> None:
    context = context_of(tmp_path)
    with running(tmp_path / "small") as small:
        apply.apply(context, [("small", edit_of(small))], of=["small"])
        applied = apply.apply(context, [], of=["small"])
        assert applied.told == [NAME]
        assert small.mirrors() == []
        assert not small.config.exists()


class Lingering:
    """An activation whose program takes what is left out for "as it was"."""

    tool = "small"

    def leaving(self, path: Path, restored: bytes | None) -> bytes | None:
        del path
        return None if restored and b"mirrors" in restored else b'{"mirrors": []}'


def test_a_program_that_clings_to_what_is_left_out_is_led_away_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = context_of(tmp_path)
    other = FileEdit(tmp_path / "other", None, b"new\n", "why")
    with running(tmp_path / "small", clings=True) as small:
        monkeypatch.setattr(context.plugins, "activations", lambda: [Lingering()])
        wanted = [("small", edit_of(small)), ("small", other)]
        apply.apply(context, wanted, of=["small"])
        assert small.mirrors() == [f"{URL}/"]
        applied = apply.apply(context, wanted[1:], of=["small"])
        assert (applied.told, applied.refused) == ([NAME], [])
        assert small.mirrors() == []
        assert not small.config.exists()
        # What else the tool has in force stays.
        assert [entry.path for entry in context.journal.entries()] == [str(other.path)]


def test_a_crash_in_the_moment_of_leaving_is_mended_by_the_next_off(tmp_path: Path) -> None:
    context = context_of(tmp_path)
    path = tmp_path / "file"
    path.write_bytes(b"his\n")
    edit = FileEdit(path, b"his\n", b"for a moment\n", "why")
    context.journal.apply([(apply.LEAVING, edit)], of=[apply.LEAVING])
    apply.apply(context, [], of=["small"])
    assert path.read_bytes() == b"his\n"
