"""``headrace image ACTION``: images of containers, by what this machine or another one can run."""

from __future__ import annotations

import argparse
import signal
from types import FrameType, ModuleType
from typing import Any

from headrace.cli.context import Context, add_json, add_scope
from headrace.cli.images import check, find, outdated, pull, warm, write

__all__ = ["add", "run"]

#: What a shell says of a command that a signal ended.
_ENDED = 128
#: Each action is a module of this folder, with `add` and `run`; in the order of the help.
_ACTIONS: dict[str, ModuleType] = {
    "find": find,
    "pull": pull,
    "check": check,
    "write": write,
    "outdated": outdated,
    "warm": warm,
}


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "image",
        help="which image of a name this machine's GPUs can run; pinned ones that are outdated",
        description="Find images of containers by what this machine, or another one, can run, and "
        "keep those that files name up to date and at hand.",
    )
    add_scope(parser)
    add_json(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for module in _ACTIONS.values():
        module.add(actions)


def run(args: argparse.Namespace, context: Context) -> int:
    """Do what is asked. SIGTERM ends it as Ctrl-C does: an engine's program and a container that
    were started end with it.
    """
    before = signal.signal(signal.SIGTERM, _end)
    try:
        code: int = _ACTIONS[args.action].run(args, context)
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
    return code


def _end(number: int, frame: FrameType | None) -> None:
    del frame
    # One is enough: what is put away now is not to be left in the middle.
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(_ENDED + number)
