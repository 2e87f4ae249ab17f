"""``headrace completion``: what a shell reads to complete headrace's commands and options."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.cli.context import OK, Context, add_json
from headrace.wording import listed

if TYPE_CHECKING:
    from headrace.cli.help.parsers import CommandParser

__all__ = ["SHELLS", "add", "run"]

SHELLS = ("bash", "fish", "powershell", "zsh")
"""Shells that can be told what completes a word."""

#: An option that takes one of some words, as its usage has it.
_WORDS = re.compile(r"\{(.+)\}")
#: How the words of somebody else's command are completed. zsh goes on as if ours were not there.
_ANY_COMMAND = {
    "bash": "_headrace_any_command",
    "zsh": "_headrace_any_command",
    "preamble": {
        "bash": '_headrace_any_command() { compgen -A command -A file -- "$1"; }',
        "zsh": """_headrace_any_command() {
  if [[ $words[1] == -- ]]; then shift words; (( CURRENT-- )); fi
  _normal
}""",
    },
}


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "completion",
        help="completion of commands and options for a shell",
        description="Print what SHELL reads to complete `headrace` and its options. It is made "
        "once and holds no answer of today: write it again after an upgrade.",
    )
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=listed(SHELLS))
    add_json(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Print it."""
    text = _text(args.shell)
    if context.as_json:
        context.print_json({"shell": args.shell, "text": text})
    else:
        sys.stdout.write(text)
    return OK


def _text(shell: str) -> str:
    import shtab  # noqa: PLC0415 - start-up time

    from headrace.cli.command_line import parsers  # noqa: PLC0415 - which imports this
    from headrace.cli.setup import functions  # noqa: PLC0415 - start-up time

    parser, _ = parsers()
    for command, what in ((parser, parser.description), *_all(parser)):
        command.description = what  # beside a word there is room for a line
        for action in command.everything():
            if command.prog.endswith(" shell") and not action.option_strings:
                action.choices = functions.SHELLS  # it has words of its own for others
            if found := _WORDS.fullmatch(str(action.metavar)):
                action.choices = found[1].split(",")
            complete: object = None  # where it stays so, shtab looks at the choices
            if action.nargs == argparse.REMAINDER:
                complete = _ANY_COMMAND
            elif action.metavar == "DIR":
                complete = shtab.DIRECTORY
            elif _is_path(action):
                complete = shtab.FILE
            if complete is not None:
                action.complete = complete  # type: ignore[attr-defined]  # what shtab looks for
    return f"{shtab.complete(parser, shell)}\n"


def _all(parser: CommandParser) -> Iterator[tuple[CommandParser, str]]:
    """Give every command with its line, and every action of one."""
    for command, what in parser.commands():
        yield command, what
        yield from _all(command)


def _is_path(action: argparse.Action) -> bool:
    """Whether it is the path of a file; one without an option may be its name in the store."""
    if action.metavar == "FILE":
        return bool(action.option_strings)
    return action.type is Path or action.metavar == "FILE|IMAGE"
