"""Once its command has been started, nothing of ours decides how a run ends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from headrace.cli import run
from headrace.cli.context import Context
from headrace.cli.runs import telling
from headrace.cli.runs.kept import outcome, quick
from headrace.interface.leading import LedBy, LedCommand
from lib.capabilities import lacks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason=lacks("system", "kept on Linux"))

#: Errors of a headrace that its own command has replaced, removed, or taken the rights from.
LATE = [FileNotFoundError(2, "no such file", "telling.py"), ModuleNotFoundError("headrace"), None]


class Prepared(quick._Prepared):
    """A run whose gateway has done something meanwhile, and no other part of which is wanted."""

    def __init__(self) -> None:
        self.program = "/bin/sh"
        self.env = {}
        self.silent = False
        self.before: Any = {"transfers": 1}
        self.place = ("127.0.0.1", 9, None, "secret")

    def status(self) -> dict[str, object] | None:
        return {"transfers": 2}

    def clear(self) -> None:
        pass


def fail(monkeypatch: pytest.MonkeyPatch, name: str, error: Exception | None) -> None:
    def failing(*_: object) -> None:
        # Where nobody has standard error, Python has no such stream either.
        raise error or AttributeError("'NoneType' object has no attribute 'write'")

    monkeypatch.setattr(telling, name, failing)


@pytest.mark.parametrize("error", LATE)
def test_what_cannot_be_summed_up_costs_no_exit_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception | None
) -> None:
    fail(monkeypatch, "sum_up", error)
    script = f"echo done >> {tmp_path / 'log'}; exit 7"
    assert quick._perform(Prepared(), ["sh", "-c", script]) == 7
    assert (tmp_path / "log").read_text("utf-8") == "done\n"


@pytest.mark.parametrize("error", LATE)
def test_what_cannot_be_told_meanwhile_leaves_the_command_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception | None
) -> None:
    fail(monkeypatch, "tell_meanwhile", error)
    fail(monkeypatch, "sum_up", error)
    monkeypatch.setattr(quick, "_PATIENCE", 0.01)
    script = f"sleep 0.2; echo done >> {tmp_path / 'log'}; exit 7"
    assert quick._perform(Prepared(), ["sh", "-c", script]) == 7
    assert (tmp_path / "log").read_text("utf-8") == "done\n"


@pytest.mark.parametrize("error", LATE)
def test_the_long_way_returns_the_commands_exit_code_as_well(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    def prepared(words: tuple[str, ...], *_: object, **__: object) -> object:
        def summary() -> list[str]:
            raise error or BrokenPipeError

        return words, {}, summary

    monkeypatch.setattr(run, "_prepare", prepared)
    words, led = ("sh", "-c", "exit 7"), LedCommand(LedBy.SETTINGS)
    assert run._run("/bin/sh", words, Context({}), led, None, quiet=False) == 7


def test_a_folder_that_is_being_made_is_not_left_behind(tmp_path: Path) -> None:
    (tmp_path / f"{outcome.PREFIX}new").mkdir()
    assert not quick._left_behind(str(tmp_path))
    (tmp_path / f"{outcome.PREFIX}new/runners").touch()
    assert quick._left_behind(str(tmp_path))
