"""``headrace fleet ACTION``: what whoever runs or uses a shared gateway needs beside it."""

from __future__ import annotations

import argparse
from types import ModuleType
from typing import Any

from headrace.cli.context import Context, add_json, add_scope
from headrace.cli.fleet import token

__all__ = ["add", "run"]

#: Each action is a module of this folder, with `add` and `run`; in the order of the help.
_ACTIONS: dict[str, ModuleType] = {
    "token": token,
}


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "fleet",
        help="a gateway that many machines share: tokens for its clients",
        description="What whoever runs, or uses, a gateway that many machines share needs beside "
        "`headrace serve`.",
    )
    add_scope(parser)
    add_json(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for module in _ACTIONS.values():
        module.add(actions)


def run(args: argparse.Namespace, context: Context) -> int:
    """Do what is asked."""
    code: int = _ACTIONS[args.action].run(args, context)
    return code
