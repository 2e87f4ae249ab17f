"""``headrace shell``: functions for a shell, so that no command needs `headrace run` before it."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from headrace.cli.context import OK, Context, add_json
from headrace.cli.setup import functions
from headrace.errors import UsageError
from headrace.wording import listed

__all__ = ["add", "run"]

_POWERSHELL = ("powershell", "pwsh")


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "shell",
        help="functions for a shell, for tools that cannot be pointed at the gateway",
        description='Print functions for SHELL, to be used as eval "$(headrace shell bash)", or as '
        "`headrace shell fish | source`. In a shell that somebody types into, each tool that "
        "cannot be pointed at the gateway goes through `headrace run --quiet` then. `headrace on "
        "--shell` writes such a line into your shell's files.",
    )
    parser.add_argument("shell", metavar="SHELL", help=listed(functions.SHELLS))
    add_json(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Print them."""
    from headrace.interface.leading import by_proxy  # noqa: PLC0415 - start-up time
    from headrace.system.service.managers import shell_functions as own  # noqa: PLC0415 - as above

    if args.shell not in functions.SHELLS:
        raise _no_functions(args.shell)
    tools = by_proxy(context.plugins.led_tools())
    text = functions.text(args.shell, own.own_command(context.env), own.own_module(), tools)
    if context.as_json:
        context.print_json({"shell": args.shell, "tools": tools, "text": text})
    else:
        sys.stdout.write(text)
    return OK


def _no_functions(shell: str) -> UsageError:
    if shell.lower() in _POWERSHELL:
        return UsageError(
            "no-functions",
            "there are no functions for PowerShell, which takes `--` out of a function's words",
            hint="write `headrace run -- COMMAND` there",
        )
    return UsageError(
        "no-functions",
        f"there are functions for {listed(functions.SHELLS)}, not for {shell!r}",
        hint="write `headrace run -- COMMAND` in other shells",
    )
