"""The command ``headrace``: each subcommand is a module with `add` and `run`.

Only the module of the command that runs is imported. Exit codes: 0 all is well, 1 it failed,
2 wrong usage, 3 it works but something needs the user's attention; `run` gives the command's own.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any, Protocol, cast

from headrace import __version__
from headrace.cli.context import FAILED, USAGE, Context
from headrace.config import EnvVars, environment
from headrace.errors import HeadraceError

__all__ = ["main"]


class Command(Protocol):
    """What each module of this package offers."""

    def add(self, subparsers: argparse._SubParsersAction[Any]) -> None:
        """Add the command's own parser, under the module's name."""

    def run(self, args: argparse.Namespace, context: Context) -> int:
        """Do it, and return the exit code."""


#: Commands in the order of the help.
COMMANDS = ("on", "off", "status", "doctor", "explain", "run", "gateway")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    env = environment()
    _set_up_log(env.get(EnvVars.HEADRACE_LOG) or "warning")
    parser, modules = _parser(words)
    args = parser.parse_args(words)
    if args.command is None:
        parser.print_help(sys.stderr)
        return USAGE
    context = Context(env, getattr(args, "scope", None), as_json=getattr(args, "json", False))
    try:
        code = modules[args.command].run(args, context)
        sys.stdout.flush()
    except HeadraceError as error:
        _tell(error, context)
        return FAILED
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Nobody reads on; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return code


def _parser(words: Sequence[str]) -> tuple[argparse.ArgumentParser, dict[str, Command]]:
    parser = argparse.ArgumentParser(
        prog="headrace",
        description="Plain installs, from the fastest sources at hand, checked against the origin.",
    )
    parser.add_argument("--version", action="version", version=f"headrace {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    asked = next((word for word in words if not word.startswith("-")), None)
    modules: dict[str, Command] = {}
    for name in (asked,) if asked in COMMANDS else COMMANDS:
        modules[name] = cast("Command", importlib.import_module(f"headrace.cli.{name}"))
        modules[name].add(subparsers)
    return parser, modules


def _set_up_log(level: str) -> None:
    known = {"debug", "info", "warning", "error"}
    logging.basicConfig(
        level=(level if level in known else "warning").upper(),
        format="%(asctime)s %(name)s: %(levelname)s: %(message)s"
        if level in ("debug", "info")
        else "headrace: %(levelname)s: %(message)s",
        stream=sys.stderr,
    )
    # Their debug lines hold whole header blocks, credentials included.
    for library in ("hpack", "httpcore", "httpx", "urllib3", "asyncio"):
        logging.getLogger(library).setLevel(logging.WARNING)


def _tell(error: HeadraceError, context: Context) -> None:
    if context.as_json:
        parts = {
            "reference": error.reference,
            "message": error.message,
            "fault_of": error.fault_of,
            "hint": error.hint,
        }
        context.print_json({"error": parts})
        return
    lines = [f"headrace: {error.message}", f"  whose fault: {error.fault_of}"]
    if error.hint:
        lines.append(f"  what to do:  {error.hint}")
    print(*lines, sep="\n", file=sys.stderr)  # noqa: T201 - the command's own voice
