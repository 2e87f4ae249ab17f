"""``headrace completion``: what a shell reads to complete headrace's commands and options."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from headrace.cli.context import OK, Context, add_json
from headrace.wording import listed

__all__ = ["SHELLS", "add", "run"]

SHELLS = ("bash", "fish", "powershell", "zsh")
"""Shells that can be told what completes a word."""

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
    for command, what in parser.commands():
        command.description = what  # beside a word there is room for a line
        for action in command.arguments():
            if command.prog.endswith(" shell"):
                action.choices = functions.SHELLS  # it has words of its own for others
            if action.nargs == argparse.REMAINDER:
                action.complete = _ANY_COMMAND  # type: ignore[attr-defined]  # what shtab looks for
    return f"{shtab.complete(parser, shell)}\n"
