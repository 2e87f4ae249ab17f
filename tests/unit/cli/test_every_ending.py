"""However a command ends: one JSON document where it was asked for, the same exit code, and an
error that says what happened, whose fault it is, and what to do next.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headrace.cli import main
from headrace.cli.command_line import COMMANDS, module_of
from headrace.errors import LocalError
from lib.gateway import headrace

#: Commands with ``--json``, and words that they need. What `run` and `build` write is their
#: command's.
NEEDS: dict[str, list[str]] = {name: [] for name in COMMANDS if name not in ("run", "build")}
NEEDS["explain"] = NEEDS["why"] = ["requests"]
NEEDS["image"] = ["find", "pytorch"]
NEEDS["fleet"] = ["token", "ci"]
NEEDS["shell"] = NEEDS["completion"] = ["bash"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path / "headrace"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "SUDO_UID", "HEADRACE_CONFIG", "HEADRACE_PORT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def ended(words: list[str]) -> int:
    try:
        return main(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1


def both_ways(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    """Run a command without and with ``--json``; give the exit code and the error."""
    code = ended(words)
    plain = capsys.readouterr()
    assert ended([words[0], "--json", *words[1:]]) == code
    told = capsys.readouterr()
    error = json.loads(told.out)["error"]
    assert error.keys() == {"reference", "message", "fault_of", "hint"}
    assert plain.out == ""
    if code != 130:
        assert error["message"] in plain.err
        assert f"whose fault: {error['fault_of']}" in plain.err
        assert error["hint"] in plain.err
    return code, error


@pytest.mark.parametrize("command", NEEDS)
@pytest.mark.parametrize("typo", [["--nonsense"], ["one", "two", "three"], ["--scope", "x"]])
def test_wrong_usage_is_the_command_lines_fault(
    command: str, typo: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    # What is explained may be several; none at all is wrong.
    words = [command] if (command, typo[0]) == ("explain", "one") else [command, *typo]
    code, error = both_ways(words, capsys)
    assert code == 2
    assert error["fault_of"] == "this command line"
    assert "--help" in error["hint"]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["status", "--jsn"], "did you mean '--json'?"),
        (["on", "--dryrun"], "did you mean '--dry-run'?"),
        (["statsu"], "did you mean 'status'?"),
        (["gateway", "--port", "99999"], "whole number from 0 to 65535, not '99999'"),
        (["gateway", "--port", "x"], "whole number from 0 to 65535, not 'x'"),
        (["gateway", "--idle-exit", "nan"], "must be minutes from 0 to 525600, not 'nan'"),
        (["gateway", "--idle-exit", "-1"], "must be minutes from 0 to 525600, not '-1'"),
    ],
)
def test_wrong_usage_says_what_is_allowed_or_was_meant(
    words: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(words) == 2
    told = capsys.readouterr().err
    assert meant in told
    assert "whose fault: this command line" in told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gateway", "--port", "0", "--origin", "python"], "python is not ECOSYSTEM=URL"),
        (
            ["gateway", "--port", "0", "--origin", "pyton=http://127.0.0.1:9/simple"],
            "no plugin serves the ecosystem 'pyton'; did you mean 'python'?",
        ),
        (
            [
                "gateway",
                "--host",
                "0.0.0.0",
                "--port",
                "0",
                "--origin",
                "python=http://127.0.0.1:9",
            ],
            "does not listen on 0.0.0.0",
        ),
        (["explain", "torch", "--for", "drver=550"], "did you mean 'driver'?"),
    ],
)
def test_what_an_option_says_is_the_command_lines_fault_too(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, error = both_ways(words, capsys)
    assert code == 2
    assert message in error["message"]
    assert error["fault_of"] == "this command line"


@pytest.mark.parametrize("command", NEEDS)
@pytest.mark.parametrize(
    ("raised", "ending"),
    [
        (LocalError("x", "the disk is full", hint="free it"), (1, "x", "this machine")),
        (PermissionError(13, "Permission denied", "/a/b"), (1, "system", "this machine")),
        (RecursionError("too deep"), (1, "unforeseen", "headrace")),
        (KeyboardInterrupt(), (130, "interrupted", "whoever did it")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_exception_ends_in_words(
    command: str,
    raised: BaseException,
    ending: tuple[int, str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> int:
        raise raised

    monkeypatch.setattr(importlib.import_module(module_of(command)), "run", fail)
    code, error = both_ways([command, *NEEDS[command]], capsys)
    assert (code, error["reference"], error["fault_of"]) == ending


def test_what_failed_after_the_document_is_no_second_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object, context: Any) -> int:
        context.print_json({"a": 1})
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("headrace.cli.status.run", fail)
    assert main(["status", "--json"]) == 1
    told = capsys.readouterr()
    assert json.loads(told.out) == {"a": 1}
    assert "No space left on device" in told.err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        # What its parser refuses, and what the command itself finds, is one kind.
        (["cache", "prune", "--too", "5GB"], 2),
        (["cache", "prune", "--to", "much"], 2),
        (["logs", "--since", "yesterday"], 2),
        (["explain", "torch", "--for", "gpu=H9"], 2),
        (["mirrors", "--ecosystem", "pyton"], 2),
        (["mirrors", "add", "ftp://x.example"], 2),
        (["doctor", "--fix", "--report"], 2),
        (["gateway", "--host", "0.0.0.0"], 2),
        (["gateway", "--origin", "x"], 2),
        (["shell", "csh"], 2),
        # Words that could be right elsewhere, or another day.
        (["cache", "pin", "no-such-file"], 1),
        (["logs", "--tool", "pip"], 1),
        (["why", "requests"], 1),
        (["mirrors", "test", "no-such-mirror"], 1),
        (["mirrors", "disable", "origin"], 1),
        (["doctor", "--report", "/etc/passwd"], 1),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else str(each),
)
def test_wrong_usage_ends_with_2_and_what_is_not_there_with_1(
    words: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    told, error = both_ways(words, capsys)
    assert told == code
    assert error["fault_of"] == "this command line"


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of its own")
@pytest.mark.parametrize(
    ("words", "code"),
    [("status", 0), ("status --json", 0), ("--version", 0), ("why requests", 1), ("statsu", 2)],
)
def test_whoever_closes_a_stream_hears_nothing_of_it(home: Path, words: str, code: int) -> None:
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(home)}
    for closed in ("<&- >&-", "2>&-", "<&- >&- 2>&-"):
        line = f'"$@" {words} {closed}'
        done = subprocess.run(
            ["/bin/sh", "-c", line, "sh", *headrace()], capture_output=True, env=env, check=False
        )
        assert done.returncode == code, (closed, done.stderr)
        assert b"Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("words", [["status"], ["status", "--json"], ["gateway", "--stop"]])
def test_a_full_disk_behind_the_output_is_told_in_words(home: Path, words: list[str]) -> None:
    env = {**os.environ, "PATH": str(Path(sys.executable).parent), "HOME": str(home)}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*headrace(), *words], stdout=full, stderr=subprocess.PIPE, env=env, check=False
        )
    told = done.stderr.decode()
    assert done.returncode == 1
    assert "No space left on device" in told
    assert "Traceback" not in told
    assert "Exception ignored" not in told


def test_gateway_stop_tells_in_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gateway", "--stop", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "gateway": None,
        "stopped": False,
        "led": [],
    }


def test_gateway_wake_tells_in_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gateway", "--wake", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"gateway": None}


def test_a_level_of_the_log_that_is_none_is_told(home: Path) -> None:
    env = {**os.environ, "HEADRACE_LOG": "infos", "HOME": str(home)}
    done = subprocess.run(
        [*headrace(), "gateway", "--stop"], capture_output=True, text=True, env=env, check=True
    )
    assert "HEADRACE_LOG must be one of debug, info, warning, error, not 'infos'" in done.stderr
    assert "did you mean 'info'?" in done.stderr
