"""``headrace image find NAME``: the newest image of a name that this machine's GPUs can run."""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING, Any

from headrace.cli.context import FAILED, OK, Context, add_json, add_scope
from headrace.cli.images.asking import add_host, ask, gateway, host_of, sources_of

if TYPE_CHECKING:
    from headrace.interface.explanations import Explanation

__all__ = ["add", "run"]


def add(actions: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = actions.add_parser(
        "find",
        help="the newest one that runs here, why no newer one, and where it would come from",
        description="Ask the registry for its tags, and find the newest image that this driver and "
        "all of these GPUs run. Nothing is pulled.",
    )
    add_host(parser)
    add_scope(parser, within=True)
    add_json(parser, within=True)


def run(args: argparse.Namespace, context: Context) -> int:
    """Ask plugins, which ask the registry through the gateway."""
    from headrace.interface.images import ImageQuestion  # noqa: PLC0415 - as above

    find_host = host_of(args, context)
    tools = list(context.plugins.image_tools())
    with gateway(context, tools) as there:
        question = ImageQuestion(args.what, args.flavour, find_host, partial(ask, there))
        found = [each for tool in tools for each in tool.find(question)]
        artifacts = [
            artifact
            for each in found
            for path in each.paths
            for artifact in sources_of(there, path)
        ]
    return _tell(context, args.what, found, artifacts)


def _tell(
    context: Context, what: str, found: list[Explanation], artifacts: list[dict[str, Any]]
) -> int:
    from headrace.cli.explain import tell_artifacts  # noqa: PLC0415 - start-up time

    if context.as_json:
        tools = {each.tool: each.table for each in found}
        context.print_json({"what": what, "tools": tools, "artifacts": artifacts})
    else:
        for each in found:
            for number, line in enumerate(each.lines):
                start = each.tool if number == 0 else ""
                context.say(f"{start:<8} {line}", indent=" " * 9)
        tell_artifacts(context, artifacts)
        if not found:
            context.say("Nothing is known by that name.")
    return OK if any(each.answers for each in found) else FAILED
