"""``headrace image check IMAGE``: an image that the engine here has, tried in a container."""

from __future__ import annotations

import argparse
from typing import Any

from headrace.cli.context import Context, add_json, add_scope
from headrace.cli.images.outcomes import add_engine, tell, trial_of

__all__ = ["add", "run"]


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = actions.add_parser(
        "check",
        help="try one that is here in a container: driver, libraries, a product of matrices",
        description="Start a container of an image that the engine here has, without a network, "
        "and try in it what this machine can show. Nothing is pulled.",
    )
    parser.add_argument("image", metavar="IMAGE", help="an image, as the engine names it")
    add_engine(parser)
    add_scope(parser, within=True)
    add_json(parser, within=True)


def run(args: argparse.Namespace, context: Context) -> int:
    """Have plugins try it."""
    trial = trial_of(args, context, args.image)
    # Whoever knows the name first does it.
    tried = (list(tool.check(trial)) for tool in context.plugins.image_tools())
    outcomes = next(filter(None, tried), [])
    return tell(context, args.image, outcomes)
