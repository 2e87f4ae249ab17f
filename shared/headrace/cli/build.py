"""``headrace build -- COMMAND``: one build of an image, each step of which is led.

As ``headrace run``; where a build cannot be led as it is, but in another way, it says so and ends.
"""

from __future__ import annotations

import argparse
from typing import Any

from headrace.cli import run as led
from headrace.cli.context import Context

__all__ = ["add", "run"]


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "build",
        help="build one image; what its steps download goes through the gateway",
        description="Build an image: COMMAND is the engine's own. What each step of the build "
        "downloads comes through the gateway; nothing of it is in the image, its history or its "
        "layers. The exit code is the command's.",
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress, no summary")
    parser.add_argument("command_words", nargs=argparse.REMAINDER, metavar="-- COMMAND")


def run(args: argparse.Namespace, context: Context) -> int:
    """Run the command; return its exit code."""
    return led.lead(args, context, command="build")
