"""One tool's trouble, whatever it is, keeps no command from any other tool."""

from __future__ import annotations

import argparse
import errno
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from headrace.cli import doctor, off
from headrace.cli.checks import machine
from headrace.cli.context import NEEDS_ATTENTION, OK, Context
from headrace.cli.setup import planned_edits, standing
from headrace.errors import ConfigurationError, LocalError
from headrace.interface.hookspecs import (
    Activation,
    FileEdit,
    GatewayAddress,
    Override,
    Scope,
    Standing,
)
from headrace.system.edits import apply
from headrace.system.edits import journal as journal_module
from headrace.system.edits.file_step import FileStep, perform
from lib.waiting import HANG

ADDRESS = GatewayAddress("127.0.0.1", 9)
BEFORE, OURS = b"mine\n", b"mine\nours\n"

#: What a plugin, a parser or a system may raise.
ERRORS: list[BaseException] = [
    ConfigurationError("x", "cannot be read", hint="mend it"),
    LocalError("x", "cannot be written", hint="make room"),
    ValueError("zip() argument 2 is longer than argument 1"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    KeyError("pip"),
    AttributeError("no attribute"),
    AssertionError(),
    RecursionError("maximum recursion depth exceeded"),
    OSError(errno.EIO, "Input/output error"),
    SystemExit(3),
]


class Tool:
    """A tool with one file; `wrong` raises in what it names."""

    opt_in = False

    def __init__(
        self, name: str, folder: Path, wrong: dict[str, BaseException] | None = None
    ) -> None:
        self.tool = name
        self.path = folder / f"{name}.conf"
        self.wrong = wrong or {}

    def _now(self, what: str) -> None:
        if what in self.wrong:
            raise self.wrong[what]

    def discover(self, *_: object) -> list[Any]:
        self._now("discover")
        return []

    def enable(self, *_: object) -> list[FileEdit]:
        self._now("enable")
        return [FileEdit(self.path, BEFORE, OURS, "why")]

    def standing(self, *_: object) -> Standing:
        self._now("standing")
        return Standing.ROUTED

    def overrides(self, *_: object) -> list[Override]:
        self._now("overrides")
        return []

    def withdraw(self, *_: object) -> bytes | None:
        self._now("withdraw")
        return None

    def environment(self, *_: object) -> tuple[dict[str, str], list[FileEdit]]:
        self._now("environment")
        return {}, []


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    env = {"HOME": str(tmp_path), "PATH": "", "HEADRACE_HOME": str(tmp_path / "headrace")}
    return Context(env, Scope.USER, as_json=True)


Tools = Callable[..., tuple[Tool, Tool]]


@pytest.fixture
def tools(context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    def made(**wrong: BaseException) -> tuple[Tool, Tool]:
        bad, good = Tool("bad", tmp_path, wrong), Tool("good", tmp_path)
        for tool in (bad, good):
            tool.path.write_bytes(BEFORE)
        found = [cast("Activation", tool) for tool in (bad, good)]
        monkeypatch.setattr(context.plugins, "activations", lambda: found)
        return bad, good

    return made


def written(context: Context, *tools: Tool) -> None:
    edits = [(tool.tool, FileEdit(tool.path, BEFORE, OURS, "why")) for tool in tools]
    context.journal.apply(edits)


def undone(context: Context, capsys: pytest.CaptureFixture[str], **args: bool) -> tuple[int, Any]:
    capsys.readouterr()
    code = off.run(argparse.Namespace(**{"dry_run": False, "force": False, **args}), context)
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("error", ERRORS, ids=lambda each: type(each).__name__)
def test_off_gives_the_others_back_whatever_a_tools_own_code_raises(
    context: Context, tools: Tools, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    bad, good = tools(withdraw=error)
    written(context, bad, good)
    bad.path.write_bytes(b"rewritten\n")  # so that the tool's own way is asked
    code, told = undone(context, capsys)
    assert good.path.read_bytes() == BEFORE
    assert (code, told["kept"], told["gateway_stopped"]) == (
        NEEDS_ATTENTION,
        [str(bad.path)],
        False,
    )
    code, told = undone(context, capsys, force=True)
    assert (code, bad.path.read_bytes(), told["gateway_stopped"]) == (OK, BEFORE, True)


@pytest.mark.parametrize("kind", [OSError(errno.EROFS, "Read-only file system"), ValueError("x")])
def test_off_names_what_could_not_be_written_and_gives_the_others_back(
    context: Context,
    tools: Tools,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    kind: Exception,
) -> None:
    bad, good = tools()
    written(context, bad, good)

    def unless_bad(step: FileStep) -> None:
        if step.path == str(bad.path):
            raise kind
        perform(step)

    with monkeypatch.context() as patch:
        patch.setattr(journal_module, "perform", unless_bad)
        code, told = undone(context, capsys)
    assert (good.path.read_bytes(), bad.path.read_bytes()) == (BEFORE, OURS)
    assert (code, told["gateway_stopped"]) == (NEEDS_ATTENTION, False)
    assert [(each["tool"], bool(each["why"] and each["hint"])) for each in told["failed"]] == [
        ("bad", True)
    ]
    assert [entry.tool for entry in context.journal.entries()] == ["bad"]
    code, told = undone(context, capsys)
    assert (code, bad.path.read_bytes(), told["failed"]) == (OK, BEFORE, [])


def test_off_gives_back_what_a_plugin_wrote_that_is_gone_since(
    context: Context, tools: Tools, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _, good = tools()
    gone = Tool("gone", tmp_path)
    gone.path.write_bytes(BEFORE)
    written(context, gone, good)
    code, told = undone(context, capsys)
    assert (code, sorted(told["restored"])) == (OK, sorted([str(gone.path), str(good.path)]))


def test_on_writes_the_others_where_one_tools_file_cannot_be_written(
    context: Context, tools: Tools, tmp_path: Path
) -> None:
    """As where a pip.conf is a link into a store that nobody may write."""
    bad, good = tools()
    bad.path.unlink()
    (tmp_path / "file").write_bytes(b"")
    edits = [
        ("bad", FileEdit(tmp_path / "file" / "conf", None, OURS, "why")),
        ("good", FileEdit(good.path, BEFORE, OURS, "why")),
    ]
    applied = apply.apply(context, edits, of=["bad", "good"])
    assert [(tool, error.reference) for tool, error in applied.refused] == [("bad", "cannot-write")]
    assert (good.path.read_bytes(), [each.path for each in applied.changed]) == (OURS, [good.path])


def test_on_writes_the_others_where_one_tools_lines_were_changed(
    context: Context, tools: Tools
) -> None:
    bad, good = tools()
    written(context, bad, good)
    bad.path.write_bytes(b"mine\nours, but changed\n")
    planned = planned_edits.wanted(context, ADDRESS, [])
    good.path.write_bytes(b"mine\nours\nmore\n")
    edits = [("good", FileEdit(good.path, b"mine\nmore\n", b"mine\nours anew\nmore\n", "why"))]
    applied = apply.apply(context, edits, of=["bad", "good"])
    assert planned.left_out == []
    assert [(tool, error.reference) for tool, error in applied.refused] == [
        ("bad", "changed-since")
    ]
    assert good.path.read_bytes() == b"mine\nours anew\nmore\n"


@pytest.mark.parametrize("error", ERRORS, ids=lambda each: type(each).__name__)
def test_status_and_the_plan_of_on_show_the_others_whatever_a_tool_raises(
    context: Context, tools: Tools, error: BaseException
) -> None:
    tools(enable=error, standing=error, overrides=error, withdraw=error)
    planned = planned_edits.wanted(context, ADDRESS, [])
    assert [tool for tool, _ in planned.edits] == ["good"]
    assert [tool for tool, _ in planned.left_out] == ["bad"]
    states = {row["tool"]: row["state"] for row in standing.rows(context, ADDRESS)}
    assert states == {"bad": "broken", "good": "routed"}
    planned_edits.adopt_leftovers(context, ADDRESS, [])


def test_a_leftover_that_a_tool_cannot_name_keeps_no_other_from_being_found(
    context: Context, tools: Tools
) -> None:
    _, good = tools(withdraw=RecursionError())
    good.path.write_bytes(OURS)
    good.withdraw = lambda *_: BEFORE  # type: ignore[method-assign]
    planned_edits.adopt_leftovers(context, ADDRESS, [])
    assert [entry.tool for entry in context.journal.entries()] == ["good"]


def test_a_tool_that_hangs_keeps_no_other_tool_from_being_asked(
    context: Context, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tools()
    met = threading.Barrier(2, timeout=HANG)

    def waits(*_: object) -> Standing:
        met.wait()
        return Standing.ROUTED

    for tool in (first, second):
        monkeypatch.setattr(tool, "standing", waits)
    rows = standing.rows(context, ADDRESS)
    assert [(row["tool"], row["state"]) for row in rows] == [("bad", "routed"), ("good", "routed")]


def test_a_tool_is_told_as_soon_as_it_answers(
    context: Context, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, _ = tools()
    told: list[str] = []
    others_told = threading.Event()

    def waits(*_: object) -> Standing:
        assert others_told.wait(HANG)
        return Standing.ROUTED

    def tell(row: dict[str, Any]) -> None:
        told.append(row["tool"])
        others_told.set()

    monkeypatch.setattr(slow, "standing", waits)
    rows = standing.rows(context, ADDRESS, tell)
    assert told == ["good", "bad"]
    assert [row["tool"] for row in rows] == ["bad", "good"]


def test_two_tools_that_read_one_file_write_it_once(context: Context, tools: Tools) -> None:
    bad, good = tools()
    bad.path = good.path
    planned = planned_edits.wanted(context, ADDRESS, [])
    assert ([tool for tool, _ in planned.edits], planned.left_out) == (["bad"], [])
    good.enable = lambda *_: [FileEdit(good.path, BEFORE, b"else", "why")]  # type: ignore[method-assign]
    planned = planned_edits.wanted(context, ADDRESS, [])
    assert [(tool, error.reference) for tool, error in planned.left_out] == [("good", "same-file")]


def test_a_check_of_doctor_that_fails_in_the_middle_keeps_what_it_found(
    context: Context, tools: Tools, tmp_path: Path
) -> None:
    bad, good = tools()
    written(context, bad, good)
    bad.path.unlink()
    bad.path.mkdir()  # what cannot be read as a file
    found = doctor._guarded(machine.files, context)
    assert [(each.level, str(tmp_path) in each.text) for each in found] == [
        ("warning", True),
        ("ok", True),
    ]
