"""What a terminal is told of the commands: short, long, in any width, with or without colours."""

from __future__ import annotations

import builtins
import importlib
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from headrace import __version__
from headrace.cli import main
from headrace.cli.command_line import COMMANDS, parsers
from headrace.cli.context import Colour, Context
from headrace.cli.help.examples import of_command
from headrace.cli.help.parsers import EXIT_CODES
from headrace.errors import UsageError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path / "headrace"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def told(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 0
    return capsys.readouterr().out


def examples() -> list[str]:
    parser, _ = parsers()
    every = [parser, *(each for each, _ in parser.commands())]
    return [command for each in every for command, _ in of_command(each.prog)]


def test_every_command_has_examples_and_says_in_a_line_what_it_does() -> None:
    parser, _ = parsers()
    assert [each.prog for each, _ in parser.commands()] == [f"headrace {n}" for n in COMMANDS]
    for command, what in parser.commands():
        assert of_command(command.prog), command.prog
        assert what, command.prog


@pytest.mark.parametrize("example", examples())
def test_an_example_can_be_copied(example: str) -> None:
    # eval "$(headrace …)", a pipe or a file on the right: the shell's business.
    inner = example.removeprefix('eval "$(').removesuffix(')"')
    words = shlex.split(inner.partition(" > ")[0].partition(" | ")[0])
    words = words[1:] if words[0] == "sudo" else words
    assert words[0] == "headrace"
    parser, _ = parsers()
    parser.parse_args(words[1:])


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_long_help_has_examples_first_and_exit_codes_last_and_short_help_neither(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [command] if command else []
    short, long = told([*words, "-h"], capsys), told([*words, "--help"], capsys)
    assert long.index("examples:") < long.index("options:") < long.index("exit codes:")
    assert "examples:" not in short
    assert "exit codes:" not in short
    for code, _ in EXIT_CODES:
        assert f"\n  {code} " in long


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_help_fits_the_terminal(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    copied = set(examples())
    for command in COMMANDS:
        for line in told([command, "--help"], capsys).splitlines():
            if line.startswith("usage: ") or line.strip() in copied:
                continue  # what is to be copied is not broken
            assert len(line) <= int(columns), line


def test_the_version_for_programs_says_what_runs_it(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--version", "--json"], ["--json", "--version"]):
        assert main(words) == 0
        said = json.loads(capsys.readouterr().out)
        assert said["version"] == __version__
        assert Path(said["interpreter"]).exists()
        assert (Path(said["installed_in"]) / "cli").is_dir()


def colours(env: dict[str, str], colour: Colour, monkeypatch: pytest.MonkeyPatch) -> bool:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    console = Context(env, colour=colour).console
    with console.capture() as shown:
        console.print("word", style="red")
    return "\x1b[" in shown.get()


@pytest.mark.parametrize(
    ("env", "colour", "coloured"),
    [
        ({}, Colour.AUTO, False),  # a test is no terminal
        ({"FORCE_COLOR": "1"}, Colour.AUTO, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, Colour.AUTO, False),
        ({}, Colour.ALWAYS, True),
        ({"NO_COLOR": "1"}, Colour.ALWAYS, True),
        ({"FORCE_COLOR": "1"}, Colour.NEVER, False),
    ],
)
def test_a_word_on_colours_goes_before_the_environment(
    env: dict[str, str],
    colour: Colour,
    coloured: bool,  # noqa: FBT001 - a column
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert colours(env, colour, monkeypatch) is coloured


@pytest.mark.parametrize("where", ["before", "behind"])
def test_the_word_on_colours_may_stand_on_either_side_of_the_command(where: str) -> None:
    parser, _ = parsers()
    words = ["--color", "never"]
    args = parser.parse_args([*words, "status"] if where == "before" else ["status", *words])
    assert args.color is Colour.NEVER


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["statsu"], "status"),
        (["on", "--scope", "sytem"], "system"),
        (["--color", "allways", "status"], "always"),
        (["completion", "bsh"], "bash"),
        (["off", "--forse"], "--force"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_one_that_was_meant(
    words: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(words)
    assert f"did you mean {meant!r}?" in capsys.readouterr().err


def test_an_installation_that_lacks_something_is_told_and_not_traced(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(name: str) -> Any:
        raise ImportError(f"cannot import {name}")

    monkeypatch.setattr(importlib, "import_module", broken)
    assert main(["status"]) == 1
    err = capsys.readouterr().err
    assert "this installation is not complete" in err
    assert "install headrace again" in err


def test_completion_is_not_made_without_its_library_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **rest: Any) -> Any:
        if name == "shtab":
            raise ModuleNotFoundError("No module named 'shtab'")
        return real(name, *args, **rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert main(["completion", "bash"]) == 1
    assert "this installation is not complete" in capsys.readouterr().err


def test_a_parser_without_a_word_for_an_error_says_it_as_every_other() -> None:
    parser, _ = parsers()
    with pytest.raises(UsageError, match="invalid choice"):
        parser.parse_args(["xyzzy"])


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["status", "more"], "headrace status"),
        (["mirrors", "--every"], "headrace mirrors"),
        (["mirrors", "test", "tuna", "bfsu"], "headrace mirrors test"),
        (["--every"], "headrace"),
    ],
)
def test_what_a_command_does_not_know_is_told_with_its_own_usage(
    words: list[str], command: str
) -> None:
    with pytest.raises(UsageError, match="unrecognized arguments") as told:
        parsers()[0].parse_args(words)
    assert told.value.hint.startswith(f"`{command} --help` tells what there is; usage: {command} [")
