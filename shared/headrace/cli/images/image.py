"""``headrace image find NAME``: the newest image of a name that this machine's GPUs can run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from headrace.cli.context import FAILED, OK, Context, add_json, add_scope
from headrace.errors import LocalError, SettingsError, UsageError

if TYPE_CHECKING:
    from headrace.cli.explaining.at_hand import AtHand
    from headrace.interface.hookspecs import Explanation, GatewayAnswer
    from headrace.variants.hosts import Host

__all__ = ["add", "run"]

#: Seconds for each question, and bytes of an answer: a registry may list a hundred thousand tags.
_PATIENCE, _LONGEST = 30.0, 8 << 20
#: Bytes of a file that describes a node.
_LONGEST_FILE = 4 << 20


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "image",
        help="which image of a name this machine's GPUs can run",
        description="Find images of containers by what this machine, or another one, can run.",
    )
    add_scope(parser)
    add_json(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    finding = actions.add_parser(
        "find",
        help="the newest one that runs here, why no newer one, and where it would come from",
        description="Ask the registry for its tags, and find the newest image that this driver and "
        "all of these GPUs run. Nothing is pulled.",
    )
    finding.add_argument(
        "what",
        metavar="NAME",
        help="a family (pytorch, torch==2.9, tensorflow, jax, vllm, cuda, rocm), or a repository",
    )
    where = finding.add_mutually_exclusive_group()
    where.add_argument(
        "--for",
        dest="described",
        metavar="FACTS",
        help="for another host: driver=550,gpu=V100",
    )
    where.add_argument(
        "--kubernetes",
        dest="labels",
        metavar="LABELS",
        help="for a node, by its labels: KEY=VALUE,… or a file with them or with the node itself "
        "(JSON or YAML; - reads it from standard input)",
    )
    flavour = finding.add_mutually_exclusive_group()
    for name, text in (
        ("runtime", "an image to run things in"),
        ("devel", "an image with compilers"),
    ):
        flavour.add_argument(
            f"--{name}", dest="flavour", action="store_const", const=name, default="", help=text
        )
    add_scope(finding, within=True)
    add_json(finding, within=True)


def run(args: argparse.Namespace, context: Context) -> int:
    """Ask plugins, which ask the registry through the gateway."""
    from headrace.cli.explain import check_described  # noqa: PLC0415 - start-up time
    from headrace.cli.explaining.at_hand import at_hand  # noqa: PLC0415 - as above

    if args.described is not None:
        check_described(args.described)
    find_host = _host_of(args, context)
    with at_hand(context) as there:
        if there.address is None:
            raise LocalError(
                "gateway-silent",
                "no gateway answers, and images are looked for through it",
                hint="`headrace on` starts it",
            )
        found = context.plugins.images(
            args.what, args.flavour, find_host=find_host, ask=partial(_ask, there)
        )
        sources = [_sources(there, path) for each in found for path in each.paths]
    artifacts = [artifact for each in sources for artifact in each]
    return _tell(context, args.what, found, artifacts)


def _ask(there: AtHand, path: str, accept: str) -> GatewayAnswer | None:
    from headrace.system.service import health  # noqa: PLC0415 - start-up time

    assert there.address is not None
    return health.answer(
        there.address, there.expected, path, _PATIENCE, accept=accept, limit=_LONGEST
    )


def _sources(there: AtHand, path: str) -> list[dict[str, Any]]:
    from headrace.system.service import health  # noqa: PLC0415 - start-up time

    assert there.address is not None
    told = health.ask(there.address, there.expected, f"/explain?what={quote(path)}", _PATIENCE)
    return told.get("artifacts", []) if isinstance(told, dict) else []


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


# ------------------------------------------------------------------ for which host


def _host_of(args: argparse.Namespace, context: Context) -> Callable[[], Host]:
    from headrace.cli.explaining import builds  # noqa: PLC0415 - start-up time

    if args.labels is None:
        return lambda: builds.host_for(context, args.described)
    host = _node(args.labels)
    return lambda: host


def _node(text: str) -> Host:
    """Read a node's labels; UsageError says what is missing."""
    from headrace.variants import tables as cuda_tables  # noqa: PLC0415 - start-up time
    from headrace.variants.described.labels import described_by, labels_in  # noqa: PLC0415 - as above

    try:
        return described_by(labels_in(_content(text)), cuda_tables.load())
    except SettingsError as error:
        raise UsageError(error.reference, error.message, hint=error.hint) from error


def _content(text: str) -> str:
    if text == "-":
        return sys.stdin.read(_LONGEST_FILE)
    path = Path(text)
    if "=" in text and not path.is_file():
        return text
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_LONGEST_FILE)
    except OSError as error:
        what = f"--kubernetes: {text} is neither labels (KEY=VALUE,…) nor a file: {error.strerror}"
        raise UsageError("bad-labels", what) from error
