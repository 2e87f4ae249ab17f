"""``headrace image pull NAME``: that image brought to the engine here, and tried in a container."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from headrace.cli.context import Context, add_json, add_scope
from headrace.cli.images.asking import add_host, ask, gateway, host_of
from headrace.cli.images.outcomes import add_engine, tell, trial_of

__all__ = ["add", "run"]


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = actions.add_parser(
        "pull",
        help="bring that one to the engine here, by its digest, and try it in a container",
        description="Find the newest image that this driver and all of these GPUs run, pull it by "
        "its digest, and try it in a container: the driver, the libraries, a product of matrices.",
    )
    add_host(parser)
    add_engine(parser)
    parser.add_argument("--no-check", action="store_true", help="leave out the trial")
    add_scope(parser, within=True)
    add_json(parser, within=True)


def run(args: argparse.Namespace, context: Context) -> int:
    """Have plugins find and pull it."""
    from headrace.cli.images.coming import watching  # noqa: PLC0415 - as above
    from headrace.interface.images import ImagePull, ImageQuestion  # noqa: PLC0415 - as above

    find_host = host_of(args, context)
    tools = list(context.plugins.image_tools())
    with gateway(context, tools) as there:
        request = ImagePull(
            ImageQuestion(args.what, args.flavour, find_host, partial(ask, there)),
            trial_of(args, context, ""),
            not args.no_check,
            partial(watching, context, there),
        )
        # Whoever knows the name first does it: it is not to be pulled twice.
        tried = (list(tool.pull(request)) for tool in tools)
        outcomes = next(filter(None, tried), [])
    return tell(context, args.what, outcomes)
