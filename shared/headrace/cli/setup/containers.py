"""``headrace on --containers``: a gateway for containers, on the bridges of this machine's engines.

Asked for by name, because it opens a port to whatever runs there. What it is and what it lacks:
`system.service.managers.for_containers`.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from headrace.cli.context import FAILED, OK, Context, Strictness
from headrace.config import EnvVars
from headrace.errors import HeadraceError, LocalError
from headrace.interface.containers import ContainerNetwork, ReadInContainers
from headrace.interface.hookspecs import DiscoveredOrigin, GatewayAddress, Scope
from headrace.system import atomic
from headrace.system import folders as made_private
from headrace.system.service.managers import for_containers
from headrace.system.service.managers.for_containers import ContainersState
from headrace.wording import counted

__all__ = [
    "called",
    "foreseen",
    "is_on",
    "lines",
    "reachable",
    "remove",
    "serve",
    "set_up",
    "state_of",
    "table",
]


def state_of(context: Context) -> ContainersState:
    """Return what is remembered of the gateway of containers."""
    return ContainersState(context.folders, context.scope)


def is_on(context: Context) -> bool:
    """Whether an earlier `on` has set it up."""
    return bool(state_of(context).port())


def reachable(context: Context) -> tuple[list[ContainerNetwork], list[ContainerNetwork]]:
    """Ask the engines for their networks: those where this machine has an address, and those where
    it has none.
    """
    found = context.plugins.container_networks(context.place())
    return [each for each in found if each.host], [each for each in found if not each.host]


def set_up(
    context: Context, found: Sequence[DiscoveredOrigin], port: int
) -> tuple[list[str], list[str]]:
    """Find the bridges and start the gateway there. Returns what the user should know, and what
    went wrong, in which case it is off.
    """
    from headrace.system.service.managers import choose  # noqa: PLC0415 - start-up time

    there, elsewhere = reachable(context)
    told = [f"no containers on {called(each)}: {each.why_not}" for each in elsewhere]
    state = state_of(context)
    silent = _of_the_silent(state.networks(), [*there, *elsewhere])
    engines = dict.fromkeys(each.engine for each in silent)
    told += [
        f"{engine} does not answer; its networks are served as they were" for engine in engines
    ]
    there += silent
    try:
        if not there:
            raise LocalError(
                "no-bridge",
                "no engine here has a bridge where containers could find the gateway",
                hint="start one that is not rootless; then `headrace on --containers` again",
            )
        state.record(there, port)
        by = choose.choose(context.scope, context.env).name
        for_containers.start(state, found, _keeping(context, by))
        return [*told, *_write(context, state)], []
    except HeadraceError as error:
        remove(context)
        return told, [f"containers: {error.message}; {error.hint}"]


def _of_the_silent(
    before: Sequence[ContainerNetwork], found: Sequence[ContainerNetwork]
) -> list[ContainerNetwork]:
    """Return the networks from before of engines that say nothing now. One that starts again has
    the same, and its containers the token that they were given.
    """
    engines = {each.engine for each in found}
    return [each for each in before if each.engine not in engines]


def remove(context: Context) -> bool:
    """Stop it, and forget it; return whether it was there."""
    folder = _folder(context)
    shutil.rmtree(folder, ignore_errors=True)
    there = for_containers.remove(_keeping(context))
    with contextlib.suppress(OSError):
        folder.parent.rmdir()
    return there


def _keeping(context: Context, by: str = "") -> for_containers.Keeping:
    named = context.env.get(EnvVars.HEADRACE_CONFIG)
    return for_containers.Keeping(
        context.folders,
        context.scope,
        Path(named) if named else None,
        {**context.env, **context.state.network()},
        context.journal,
        by,
    )


def _folder(context: Context) -> Path:
    """Return where what is mounted into containers lies: the machine's where only root writes."""
    folders = context.folders
    base = folders.config if context.scope is Scope.SYSTEM else folders.state
    return base / "containers" / "files"


def _option(folder: Path, each: Path) -> str:
    """Return the option of ``docker run`` and ``podman run`` that gives a container one file."""
    return f"-v {each}:/{each.relative_to(folder)}:ro"


def called(network: ContainerNetwork) -> str:
    """Return what a network is called, for people."""
    return f"{network.engine}'s network {network.name}" if network.name else network.engine


def _address(network: ContainerNetwork, port: int, token: str | None) -> GatewayAddress:
    return GatewayAddress(network.known_as or network.host, port, token)


def _write(context: Context, state: ContainersState) -> list[str]:
    """Write what is mounted into containers, for each engine, and say how."""
    said: list[str] = []
    origins = [each.origin for each in state.origins()]
    # The engine's usual network comes first, and this machine is there on all of that engine's.
    first = {each.engine: each for each in reversed(state.networks())}
    for engine, network in sorted(first.items()):
        folder = _folder(context) / engine
        address = _address(network, state.port(), state.token())
        for name, content in _files(context, address, origins).items():
            path = folder / name.lstrip("/")
            made_private.make(path.parent)
            # Who runs in a container may be anybody; the folders are this user's alone.
            atomic.replace(path, content, mode=0o644)
            said.append(f"{engine} run {_option(folder, path)} IMAGE ...")
    return said


def _files(context: Context, address: GatewayAddress, origins: Sequence[Any]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for activation in context.plugins.activations():
        if isinstance(activation, ReadInContainers):
            for path, content in activation.in_containers(address, origins).items():
                found[str(path)] = content
    return found


def foreseen(context: Context, port: int) -> list[str]:
    """Say where the gateway of containers would be."""
    there, elsewhere = reachable(context)
    hosts = dict.fromkeys(f"{each.host}:{port}, for {called(each)}" for each in there)
    missed = [f"no containers on {called(each)}: {each.why_not}" for each in elsewhere]
    return [*(f"a gateway of their own would be at {each}" for each in hosts), *missed]


# ------------------------------------------------------------------ the worker


def serve(args: argparse.Namespace, context: Context) -> int:
    """Serve containers, under the holder or as it; `args` are those of ``headrace gateway``."""
    from headrace.gateway import server  # noqa: PLC0415 - start-up time
    from headrace.gateway.app import build_app  # noqa: PLC0415 - as above
    from headrace.gateway.wiring import assemble  # noqa: PLC0415 - as above
    from headrace.interface.manager import PublicPlugins  # noqa: PLC0415 - as above
    from headrace.system.service import listeners, process  # noqa: PLC0415 - as above
    from headrace.system.service.bridges import Bridges  # noqa: PLC0415 - as above
    from headrace.system.service.link import HolderLink  # noqa: PLC0415 - as above

    state = state_of(context)
    token = state.token()
    if not token:
        raise LocalError(
            "not-set-up",
            "no gateway of containers was set up",
            hint="`headrace on --containers` does that",
        )
    if args.hold:
        named = Path(args.settings) if args.settings else None
        options = for_containers.held(context.folders, context.scope, named)
        process.become_holder(options, for_containers.sockets(state))
    bridges = Bridges(state.networks())
    sockets = listeners.take(args.fd, bridges.hosts) or for_containers.sockets(state)
    mine = for_containers.folders_of(context.folders)
    context.strictness = Strictness.SHAPES
    own = context.settings.mirrors
    settings = replace(context.settings, mirrors=tuple(m for m in own if not m.login))
    end = server.serve(
        lambda: build_app(
            assemble(
                settings,
                mine,
                state.origins(),
                {**context.state.network(), **context.env},
                PublicPlugins(),
            ),
            token,
            state.secret() or None,
            state=state.folder,
            bridges=bridges,
        ),
        sockets,
        idle_exit=args.idle_exit * 60 if args.idle_exit else None,
        link=None if args.control is None else HolderLink(socket.socket(fileno=args.control)),
        bridges=bridges,
    )
    return FAILED if end is server.ExitReason.FAILED else OK


# ------------------------------------------------------------------ telling


def table(context: Context) -> dict[str, Any] | None:
    """Return how it stands, for `status`; None where it is off."""
    from headrace.system.service import health  # noqa: PLC0415 - start-up time

    try:
        state = state_of(context)
        port, address = state.port(), state.gateway()
        if not port or address is None:
            return None
        seen = health.look(address, state.expected())
        networks = state.networks()
    except HeadraceError as error:
        return {"up": False, "port": 0, "networks": [], "files": [], "error": error.message}
    files = sorted(str(path) for path in _folder(context).rglob("*") if path.is_file())
    return {
        "up": seen.up and not seen.redirecting,
        "port": port,
        "networks": [
            {"engine": each.engine, "name": each.name, "host": each.host} for each in networks
        ],
        "files": files,
        "error": "",
    }


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """Say it for people."""
    hosts = list(dict.fromkeys(f"{each['host']}:{told['port']}" for each in told["networks"]))
    where = f"{', '.join(hosts)} ({counted(len(told['networks']), 'network')})"
    if told["up"]:
        yield f"inside   containers find a gateway of their own at {where}"
    else:
        why = told["error"] or "it does not answer; `headrace on --containers` starts it again"
        yield f"inside   the gateway of containers is DOWN at {where}: {why}"
    yield from (f"         {name}" for name in told["files"])
