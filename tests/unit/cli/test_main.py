"""The frame of the command line: usage, errors for people and for programs, exit codes."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest

from headrace.cli import main
from headrace.cli.command_line import COMMANDS
from headrace.cli.context import Context
from headrace.config import Folders
from headrace.errors import LocalError
from headrace.interface.hookspecs import Scope


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path / "headrace"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "SUDO_UID", "HEADRACE_CONFIG", "HEADRACE_PORT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_no_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    told = capsys.readouterr().err
    assert all(command in told for command in COMMANDS)


@pytest.mark.parametrize("words", [["nonsense"], ["on", "--nonsense"], ["off", "--scope", "x"]])
def test_what_is_not_understood_is_wrong_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert command in capsys.readouterr().out


@pytest.mark.parametrize("command", ["on", "off"])
def test_commands_that_write_have_a_dry_run(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert "--dry-run" in capsys.readouterr().out


def test_an_error_says_whose_fault_and_what_to_do(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = home / "headrace" / "config" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("port = 'x'\n")
    assert main(["doctor"]) == 1
    assert main(["on"]) == 1
    told = capsys.readouterr().err
    assert "port must be a whole number from 0 to 65535" in told
    assert "whose fault: your settings" in told
    assert "what to do:  mend that line" in told
    assert main(["on", "--json"]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["reference"] == "bad-settings"
    assert error["fault_of"] == "your settings"
    assert not (home / "headrace" / "state").exists()


def test_status_of_a_machine_where_nothing_is_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert table["gateway"] is None
    assert not table["attention"]


def test_off_where_nothing_is_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["off", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["restored"] == []


def test_explain_where_no_gateway_can_be_started_says_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LocalError("no-origin", "none can be started")

    monkeypatch.setattr("headrace.cli.run.private_gateway", fail)
    assert main(["explain", "requests"]) == 1
    assert "headrace on" in capsys.readouterr().err


def test_the_scope_is_the_machines_only_under_sudo() -> None:
    assert Context({}).scope is Scope.USER
    expected = Scope.SYSTEM if os.geteuid() == 0 else Scope.USER
    assert Context({"SUDO_UID": "1000"}).scope is expected
    assert Context({"SUDO_UID": "1000"}, Scope.USER).scope is Scope.USER
    assert Context({}, Scope.SYSTEM).folders == Folders.of_system()


def test_debug_log_leaves_the_libraries_header_blocks_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEADRACE_LOG", "debug")
    libraries = [logging.getLogger(name) for name in ("hpack", "httpcore")]
    before = [library.level for library in libraries]
    for library in libraries:
        library.setLevel(logging.DEBUG)
    try:
        main(["status", "--json"])
        assert all(library.getEffectiveLevel() >= logging.WARNING for library in libraries)
    finally:
        for library, level in zip(libraries, before, strict=True):
            library.setLevel(level)
