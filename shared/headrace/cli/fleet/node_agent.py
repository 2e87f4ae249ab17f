"""``headrace node-agent``: point the container engines of a node at a fleet, as long as it runs."""

from __future__ import annotations

import argparse
import logging
import platform
import signal
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from headrace.cli.context import NEEDS_ATTENTION, OK, Context, Strictness, add_json, add_scope
from headrace.errors import LocalError, UsageError
from headrace.interface.hookspecs import GatewayAddress

__all__ = ["add", "run"]

#: Below the node's root: on its disk, so that whoever comes after a kill finds it.
_STATE = "var/lib/headrace-node"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "node-agent",
        help="point the container engines of a cluster's node at a fleet",
        description="Point containerd, CRI-O, k3s and rke2 of the node whose files lie below "
        "--root at a fleet, keep it so, and give every file back at the end. While the fleet does "
        "not answer, the files are as they were. For a DaemonSet.",
    )
    parser.add_argument("--fleet", metavar="URL", help="the fleet, as https://headrace.lab.example")
    parser.add_argument(
        "--root", type=Path, default=Path("/"), help="where the node's files lie (default: /)"
    )
    parser.add_argument(
        "--state", type=Path, metavar="FOLDER", help=f"of the journal (default: ROOT/{_STATE})"
    )
    parser.add_argument(
        "--engine", action="append", default=[], help="only this one (may be repeated)"
    )
    parser.add_argument(
        "--ca", type=Path, metavar="PEM", help="the fleet's authorities, if the node has them not"
    )
    parser.add_argument(
        "--interval", type=float, default=30.0, metavar="SECONDS", help="between two looks"
    )
    parser.add_argument(
        "--give-back", action="store_true", help="only give back what an earlier one has written"
    )
    add_scope(parser)
    add_json(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Look after the node until told to stop."""
    from headrace.cli.fleet.node import (  # noqa: PLC0415 - start-up time
        FleetStanding,
        Node,
        answers,
        stand,
        told_back,
    )
    from headrace.gateway.serving.access_log import JSONLines  # noqa: PLC0415 - as above
    from headrace.system import folders  # noqa: PLC0415 - as above
    from headrace.system.locks import locked  # noqa: PLC0415 - as above

    context.strictness = Strictness.NONE
    address = _address(args.fleet) if args.fleet or not args.give_back else None
    for handler in logging.getLogger().handlers:
        handler.setFormatter(JSONLines(platform.node() or "node"))
    logging.getLogger("headrace.node").setLevel(logging.INFO)
    authorities = _authorities(args.ca)
    state = args.state or args.root / _STATE
    node = Node(context.plugins, args.root, state, authorities=authorities, only=args.engine)
    stopped = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopped.set())
    folders.make(state)
    # Two at once, as while one pod takes another's place, would each take the other's for the
    # node's own. The lock goes with its process, however that ends.
    with locked(state / "agent.lock"):
        if args.give_back or address is None:
            given = node.give_back(address)
            return _ended(context, whole=told_back(given))
        ask = answers(address, args.ca)
        standing = FleetStanding()
        while not stopped.is_set():
            stand(node, standing, address, up=ask())
            stopped.wait(max(1.0, args.interval))
        return _ended(context, whole=told_back(node.give_back(address)))


def _ended(context: Context, *, whole: bool) -> int:
    if context.as_json:
        context.print_json({"given_back": whole})
    return OK if whole else NEEDS_ATTENTION


def _authorities(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise LocalError(
            "no-authorities",
            f"--ca: {path} cannot be read: {error.strerror or error}",
            hint="name a PEM file that this account can read",
        ) from error


def _address(url: str | None) -> GatewayAddress:
    """Read the fleet's URL. Engines write a host alone, and who has a tag's digest changed on its
    way gives the node another image: no plain HTTP but to the node itself.
    """
    try:
        parts = urlsplit(url or "")
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    plain = parts.scheme == "http" and host in _LOOPBACK
    if not host or parts.path.strip("/") or parts.query or "@" in parts.netloc:
        host = None
    if host is None or not (plain or parts.scheme == "https"):
        raise UsageError(
            "bad-fleet",
            "--fleet must be the URL of a fleet, without a path and a user",
            hint="as https://headrace.lab.example; http only for the node's own loopback",
        )
    return GatewayAddress(host, port or (80 if plain else 443), scheme=parts.scheme)
