"""What the actions of ``headrace image`` ask alike: for which host, and what the gateway knows."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from headrace.cli.context import Context
from headrace.errors import LocalError, SettingsError, UsageError

if TYPE_CHECKING:
    from headrace.cli.explaining.at_hand import AtHand
    from headrace.interface.hookspecs import GatewayAnswer
    from headrace.interface.images import ImageTool
    from headrace.variants.hosts import Host

__all__ = ["add_host", "ask", "gateway", "host_of", "labels_of", "sources_of"]

#: Seconds for each question, and bytes of an answer: a registry may list a hundred thousand tags.
_PATIENCE, _LONGEST = 30.0, 8 << 20
#: Bytes of a file that describes a node.
_LONGEST_FILE = 4 << 20


def add_host(parser: argparse.ArgumentParser) -> None:
    """Add the name, and the options that say for which host and which flavour of it."""
    parser.add_argument(
        "what",
        metavar="NAME",
        help="a family (pytorch, torch==2.9, tensorflow, jax, vllm, cuda, rocm), or a repository",
    )
    where = parser.add_mutually_exclusive_group()
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
    flavour = parser.add_mutually_exclusive_group()
    for name, text in (
        ("runtime", "an image to run things in"),
        ("devel", "an image with compilers"),
    ):
        flavour.add_argument(
            f"--{name}", dest="flavour", action="store_const", const=name, default="", help=text
        )


def labels_of(args: argparse.Namespace) -> dict[str, str]:
    """Read the labels of the node that is asked about; none: no node is. They can be read once.

    UsageError says what is wrong with them.
    """
    from headrace.variants.described.labels import labels_in  # noqa: PLC0415 - start-up time

    if args.labels is None:
        return {}
    with _as_usage():
        return labels_in(_content(args.labels))


def host_of(
    args: argparse.Namespace, context: Context, labels: Mapping[str, str] | None = None
) -> Callable[[], Host]:
    """Return what finds the host that is asked about: described, labelled, else this one.

    `labels`, where they were read already. UsageError says what is wrong with a description.
    """
    from headrace.cli.explain import check_described  # noqa: PLC0415 - start-up time
    from headrace.cli.explaining import builds  # noqa: PLC0415 - as above

    if args.described is not None:
        check_described(args.described)
    node = labels_of(args) if labels is None else labels
    if not node:
        return lambda: builds.host_for(context, args.described)
    host = _node(node)
    return lambda: host


def _node(labels: Mapping[str, str]) -> Host:
    """Make a host of a node's labels; UsageError says what is missing."""
    from headrace.variants import tables as cuda_tables  # noqa: PLC0415 - start-up time
    from headrace.variants.described.labels import described_by  # noqa: PLC0415 - as above

    with _as_usage():
        return described_by(labels, cuda_tables.load())


@contextlib.contextmanager
def _as_usage() -> Iterator[None]:
    try:
        yield
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


# ------------------------------------------------------------------ through the gateway


@contextlib.contextmanager
def gateway(context: Context, tools: Sequence[ImageTool]) -> Iterator[AtHand]:
    """Find it, or start one that ends with the question; LocalError where none answers."""
    from headrace.cli.explaining.at_hand import at_hand  # noqa: PLC0415 - start-up time

    registries = [origin for tool in tools for origin in tool.origins()]
    with at_hand(context, registries) as there:
        if there.address is None:
            raise LocalError(
                "gateway-silent",
                "no gateway answers, and images are looked for through it",
                hint="`headrace on` starts it",
            )
        yield there


def ask(there: AtHand, path: str, accept: str) -> GatewayAnswer | None:
    """Ask the gateway, as a client would; None where it says nothing."""
    from headrace.system.service import health  # noqa: PLC0415 - start-up time

    assert there.address is not None
    return health.answer(
        there.address, there.expected, path, _PATIENCE, accept=accept, limit=_LONGEST
    )


def sources_of(there: AtHand, path: str) -> list[dict[str, Any]]:
    """Return what the gateway says of where a path comes from, by artifact."""
    from headrace.system.service import health  # noqa: PLC0415 - start-up time

    assert there.address is not None
    told = health.ask(there.address, there.expected, f"/explain?what={quote(path)}", _PATIENCE)
    return told.get("artifacts", []) if isinstance(told, dict) else []
