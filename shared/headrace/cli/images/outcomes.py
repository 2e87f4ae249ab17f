"""What actions that do something with an engine share: which engine, and how they end."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from headrace.cli.context import FAILED, NEEDS_ATTENTION, OK, Context

if TYPE_CHECKING:
    from headrace.interface.images import ImageOutcome, ImageTrial

__all__ = ["add_engine", "tell", "trial_of"]


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the engine."""
    parser.add_argument(
        "--engine",
        default="",
        metavar="PROGRAM",
        help="the engine's program (default: the first one here that answers)",
    )


def trial_of(args: argparse.Namespace, context: Context, image: str) -> ImageTrial:
    """Say how an image is tried here; a person is told line by line, as things are done."""
    from headrace.cli.explaining import builds  # noqa: PLC0415 - start-up time
    from headrace.interface.images import ImageTrial  # noqa: PLC0415 - as above

    def say(text: str) -> None:
        if not context.as_json:
            context.say(text)

    find_here = partial(builds.host_for, context, None)
    return ImageTrial(image, args.engine, context.place(), find_here, say)


def tell(context: Context, what: str, outcomes: Sequence[ImageOutcome]) -> int:
    """Tell what came of it, and return the exit code: the worst of them counts."""
    from headrace.interface.images import ImageStanding  # noqa: PLC0415 - start-up time

    if context.as_json:
        tools = {each.tool: {"standing": each.standing, **each.table} for each in outcomes}
        context.print_json({"what": what, "tools": tools})
    else:
        for each in outcomes:
            for line in each.lines:
                context.say(line)
        if not outcomes:
            context.say("Nothing is known by that name.")
    standings = {each.standing for each in outcomes}
    if not outcomes or ImageStanding.FAILED in standings:
        return FAILED
    return NEEDS_ATTENTION if ImageStanding.ATTENTION in standings else OK
