"""The command line of ``headrace``: each subcommand is a module with `add` and `run`.

Only the module of the command that runs is imported. Exit codes: 0 all is well, 1 it failed,
2 wrong usage, 3 it works but something needs the user's attention; `run` gives the command's own.
With ``--json`` there is one JSON document on standard output in every ending.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any, Protocol, cast

from headrace import __version__
from headrace.cli.context import FAILED, USAGE, Colour, Context
from headrace.cli.help.parsers import CommandParser
from headrace.cli.language.spoken import translated
from headrace.cli.upkeep.shown.folding import fold
from headrace.cli.upkeep.shown.speaking import terminal_width
from headrace.config import EnvVars, environment
from headrace.errors import HeadraceError, LocalError, UnfitError, UsageError
from headrace.wording import listed, meant, printable, shown

__all__ = ["COMMANDS", "main", "module_of", "parsers"]

_log = logging.getLogger("headrace.cli")

#: What a shell says of a command that SIGINT ended: 128 and the signal's number.
_INTERRUPTED = 130
#: Where the further lines of an error's fault and hint begin.
_BELOW = " " * len("  what to do:  ")
_LEVELS = ("debug", "info", "warning", "error")


class Command(Protocol):
    """What each module of this package offers."""

    def add(self, subparsers: argparse._SubParsersAction[Any]) -> None:
        """Add the command's own parser, under the module's name."""

    def run(self, args: argparse.Namespace, context: Context) -> int:
        """Do it, and return the exit code."""


#: Commands in the order of the help.
COMMANDS = (
    *("on", "off", "status", "open", "doctor", "explain", "image"),
    *("run", "build", "shell"),
    *("why", "logs", "bench", "mirrors", "cache", "config"),
    *("gateway", "serve", "node-agent", "fleet", "completion", "self"),
)
#: The folder of a command's module, where it is not this one.
_ROOMS = {
    "completion": "help",
    "image": "images",
    **dict.fromkeys(("serve", "node-agent", "fleet"), "fleet"),
    **dict.fromkeys(("why", "logs", "bench", "mirrors", "cache", "config", "self"), "upkeep"),
}
#: What it is called, where not as the command.
_NAMES = {"fleet": "actions", "node-agent": "node_agent"}


def module_of(command: str) -> str:
    """Return the name of a command's module."""
    room = f"{_ROOMS[command]}." if command in _ROOMS else ""
    return f"headrace.cli.{room}{_NAMES.get(command, command)}"


def main(words: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    env = environment()
    _make_writable()
    _set_up_log(env.get(EnvVars.HEADRACE_LOG) or "warning")
    context = Context(env, as_json=_wants_json(words))
    try:
        parser, modules = parsers(words)
        args = parser.parse_args(words)
    except ImportError as error:
        _tell(_named(error), context)
        return FAILED
    except UsageError as error:
        _tell(error, context)
        raise SystemExit(USAGE) from None
    if args.command is None:
        parser.print_help(sys.stderr)
        return USAGE
    context = Context(
        env,
        getattr(args, "scope", None),
        as_json=getattr(args, "json", False),
        colour=getattr(args, "color", Colour.AUTO),
    )
    try:
        code = modules[args.command].run(args, context)
        sys.stdout.flush()
    except KeyboardInterrupt:
        if context.as_json:
            _tell(HeadraceError("interrupted", "interrupted", fault_of="whoever did it"), context)
        return _INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return FAILED
    except Exception as error:  # noqa: BLE001 - whatever it is, the user is told in words
        _tell(_named(error), context)
        return _ending(error)
    return code


def parsers(words: Sequence[str] = ()) -> tuple[CommandParser, dict[str, Command]]:
    """Return the parser, and the modules of the commands that it has: the one that is named, for
    nobody waits for the others, else all.
    """
    parser = CommandParser(
        prog="headrace",
        description="Plain installs, from the fastest sources at hand, checked against the origin.",
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"headrace {__version__}",
        help="show the version; with --json also what runs it, and where it is",
    )
    subparsers = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    asked = next((word for word in words if not word.startswith("-")), None)
    modules: dict[str, Command] = {}
    for name in (asked,) if asked in COMMANDS else COMMANDS:
        modules[name] = cast("Command", importlib.import_module(module_of(name)))
        modules[name].add(subparsers)
    return parser, modules


def _wants_json(words: Sequence[str]) -> bool:
    """Whether ``--json``, or the beginning of it that argparse takes, is among the words.

    For words that cannot be parsed. What stands behind ``run`` is another program's.
    """
    for word in words:
        if word in ("--", "run"):
            return False
        if len(word) > 2 and "--json".startswith(word):
            return True
    return False


def _make_writable() -> None:
    """Let what a terminal cannot show be shown by its number: a file may have any name."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


class _LogLines(logging.Formatter):
    """What a mirror or an origin says may be part of a message, and begins no line of its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        return super().formatMessage(record).replace("\n", "\n  ")

    def format(self, record: logging.LogRecord) -> str:
        text = printable(super().format(record))
        return "\n".join(fold(text, terminal_width(sys.stderr), "  "))


def _set_up_log(level: str) -> None:
    chosen = level.lower()
    known = chosen in _LEVELS
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _LogLines(
            "%(asctime)s %(name)s: %(levelname)s: %(message)s"
            if chosen in ("debug", "info")
            else "headrace: %(levelname)s: %(message)s"
        )
    )
    logging.basicConfig(level=(chosen if known else "warning").upper(), handlers=[handler])
    if not known:
        what = f"the variable {EnvVars.HEADRACE_LOG} must be one of {listed(_LEVELS)}"
        _log.warning("%s, not %s%s", what, shown(level), meant(level, _LEVELS))
    # Their debug lines hold whole header blocks, credentials included.
    for library in ("hpack", "httpcore", "httpx", "urllib3", "asyncio"):
        logging.getLogger(library).setLevel(logging.WARNING)


# ------------------------------------------------------------------ endings


def _named(error: Exception) -> HeadraceError:
    """Say of any exception what happened, whose fault it is, and what to do next."""
    if isinstance(error, HeadraceError):
        return error
    _log.debug("the command failed", exc_info=error)
    if isinstance(error, ImportError):
        return LocalError(
            "incomplete",
            f"this installation is not complete: {error}",
            hint="install headrace again, in the way in which you did it at first",
        )
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return LocalError(
            "system",
            f"the system refused: {where}{error.strerror or error}",
            hint="check permissions, free space and whose the folder is; then run it again",
        )
    return HeadraceError(
        "unforeseen",
        f"this was not foreseen: {type(error).__name__}: {error}",
        hint=f"{EnvVars.HEADRACE_LOG}=debug shows where; please report it with that",
    )


def _ending(error: Exception) -> int:
    """Return the exit code: most of what is wrong with a command line its parser does not know."""
    return USAGE if isinstance(error, UsageError) and not isinstance(error, UnfitError) else FAILED


def _tell(error: HeadraceError, context: Context) -> None:
    if context.as_json and not context.has_told:
        try:
            context.print_json({"error": error.table()})
            sys.stdout.flush()
        except OSError:
            _drop_output()
        return
    width = terminal_width(sys.stderr)
    said = [(f"headrace: {error.message}", "  "), (f"  whose fault: {error.fault_of}", _BELOW)]
    if error.hint:
        said.append((f"  what to do:  {error.hint}", _BELOW))
    lines: list[str] = []
    for text, indent in said:
        lines += fold(printable(translated(text)), width, indent)
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        # What was written does not get through, and would be tried once more at exit.
        _drop_output()
    print(*lines, sep="\n", file=sys.stderr)  # noqa: T201 - the command's own voice


def _drop_output() -> None:
    """Nobody reads on, or nothing more fits; Python would complain once more at exit."""
    with contextlib.suppress(OSError, ValueError):  # of a stream that is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
