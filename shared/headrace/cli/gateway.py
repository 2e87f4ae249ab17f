"""``headrace gateway``: serve, in the foreground, under a holder, or apart from this terminal."""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import math
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from headrace.cli.context import FAILED, OK, Context, Strictness, add_json, add_scope
from headrace.cli.known_words import Words
from headrace.cli.language.spoken import translated
from headrace.config import EnvVars, Folders
from headrace.errors import LocalError, UsageError
from headrace.foreign import whole_number
from headrace.interface.hookspecs import DiscoveredOrigin, GatewayAddress, Scope
from headrace.wording import meant, shown

__all__ = ["add", "check_folders", "origins_of", "run", "state_of", "watcher"]

_log = logging.getLogger("headrace.cli")

#: Minutes of `--idle-exit`: a year.
_LONGEST_IDLE = 525_600


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "gateway",
        help="serve the gateway itself",
        description="Serve the gateway. Without --origin it serves the origins that `headrace on` "
        "recorded, else those that the tools use now.",
    )
    parser.add_argument("--port", type=_port, help="port on loopback; 0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1", help="127.0.0.1 (default) or ::1")
    parser.add_argument(
        "--origin",
        action="append",
        default=[],
        metavar="ECOSYSTEM=URL",
        help="an origin; with a user in the URL it is private: no mirror is asked for its names",
    )
    parser.add_argument(
        "--idle-exit",
        type=_minutes,
        metavar="MINUTES",
        help="end after so long without a request (what holds the socket starts it again)",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--hold", action="store_true", help="restart the worker whenever it dies")
    how.add_argument("--detach", action="store_true", help="as --hold, apart from this terminal")
    how.add_argument(
        "--wake",
        action="store_true",
        help="as --detach, but only what `headrace on` set up and nobody keeps up; else nothing",
    )
    how.add_argument("--stop", action="store_true", help="stop the one that --detach started")
    add_scope(parser)
    add_json(parser)
    # For the holder and for `headrace run`.
    parser.add_argument("--containers", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--fd", type=int, action="append", default=[], help=argparse.SUPPRESS)
    parser.add_argument("--control", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--state", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folders", type=Path, nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--settings", type=Path, help=argparse.SUPPRESS)


def _port(text: str) -> int:
    number = whole_number(text)
    if number is None or number > 65535:
        what = f"must be a whole number from 0 to 65535, not {shown(text)}"
        raise argparse.ArgumentTypeError(what)
    return number


def _minutes(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= _LONGEST_IDLE:
        what = f"must be minutes from 0 to {_LONGEST_IDLE}, not {shown(text)}"
        raise argparse.ArgumentTypeError(what)
    return number


def run(args: argparse.Namespace, context: Context) -> int:
    """Serve until told to stop, or arrange for it."""
    context.strictness = Strictness.NONE if args.stop else Strictness.SHAPES
    # A service does not inherit the environment that these would otherwise come from.
    if args.settings:
        context.env = {**context.env, EnvVars.HEADRACE_CONFIG: str(args.settings)}
    if args.folders:
        context.folders = Folders(*args.folders)
    if args.containers:
        from headrace.cli.setup import containers  # noqa: PLC0415 - start-up time

        return containers.serve(args, context)
    if args.stop:
        return _stop(context)
    if args.wake:
        return _wake(context)
    if args.hold or args.detach:
        return _hold(args, context)
    return _serve(args, context)


# ------------------------------------------------------------------ the worker


def _serve(args: argparse.Namespace, context: Context) -> int:
    from headrace.gateway import server  # noqa: PLC0415 - start-up time
    from headrace.gateway.app import build_app  # noqa: PLC0415 - as above
    from headrace.gateway.wiring import assemble  # noqa: PLC0415 - as above
    from headrace.system.service import listeners, redirects  # noqa: PLC0415 - as above
    from headrace.system.service.link import HolderLink  # noqa: PLC0415 - as above

    check_folders(context)
    origins = origins_of(args, context)
    sockets = listeners.take(args.fd) or listeners.inherited(context.env, os.getpid())
    if not sockets:
        port = context.settings.port if args.port is None else args.port
        sockets = [listeners.bind(args.host, port)]
    state = state_of(args, context)
    env = {**state.network(), **context.env}
    secret = _secret(state)
    host, port = listeners.address_of(sockets[0])
    link = None if args.control is None else HolderLink(socket.socket(fileno=args.control))

    for mistake in context.unknown_words:
        _log.warning("%s", mistake)

    def announce() -> None:
        _say(context, GatewayAddress(host, port), origins)

    def ask_tools() -> list[dict[str, Any]]:
        from headrace.gateway.live.tools import ask_tools  # noqa: PLC0415 - when somebody looks

        place = GatewayAddress(host, port, state.token())
        also, machine = context.settings.also, context.scope is Scope.SYSTEM
        return ask_tools(context.plugins, also, place, env, machine=machine)

    def build() -> Any:
        components = assemble(context.settings, context.folders, origins, env, context.plugins)
        if args.state:
            # Whoever started it for commands has not looked for these.
            found = redirects.redirects(components.ecosystems, origins)
            redirects.record(state.folder, found)
        return build_app(
            components,
            state.token(),
            secret,
            machine=context.scope is Scope.SYSTEM,
            state=state.folder,
            ask_tools=ask_tools,
        )

    end = server.serve(
        build,
        sockets,
        idle_exit=args.idle_exit * 60 if args.idle_exit else None,
        watcher=None if link is not None else watcher(context.env, announce),
        link=link,
    )
    # Python would look through all that is here for what nobody needs any more, several times: a
    # tenth of a second, for which the command waits that had this gateway for itself.
    gc.freeze()
    return FAILED if end is server.ExitReason.FAILED else OK


def _secret(state: Any) -> str | None:
    """What the gateway proves itself with; one that cannot keep any is known by its user alone."""
    try:
        made: str = state.ensure_secret()
    except LocalError:
        return None
    return made


def watcher(env: Mapping[str, str], announce: Callable[[], None]) -> Any:
    """Whom a worker without a holder tells: systemd and whoever reads standard output."""
    from headrace.gateway.server import LifespanListener  # noqa: PLC0415 - start-up time
    from headrace.system.service.notify import Notifier  # noqa: PLC0415 - as above

    notifier = Notifier(env)

    def ready() -> None:
        announce()
        notifier.ready()

    return LifespanListener(ready, notifier.alive, notifier.stopping, every=notifier.every)


def _say(context: Context, address: GatewayAddress, origins: Sequence[DiscoveredOrigin]) -> None:
    names = sorted({found.origin.ecosystem for found in origins})
    text = f"the gateway for {', '.join(names) or 'nothing'} answers at {_place(address)['url']}"
    _say_or_print(context, text, {"gateway": _place(address), "ecosystems": names})


def _place(address: GatewayAddress) -> dict[str, Any]:
    """Return it as plain values; the token is nobody's to read."""
    plain = GatewayAddress(address.host, address.port)
    return {"host": plain.host, "port": plain.port, "url": plain.url()}


def _say_or_print(context: Context, text: str, table: Mapping[str, Any]) -> None:
    if context.as_json:
        context.print_json(table)
    else:
        sys.stdout.write(f"headrace: {translated(text)}\n")
    sys.stdout.flush()


# ------------------------------------------------------------------ under a holder


def _hold(args: argparse.Namespace, context: Context) -> int:
    from headrace.system.service import health, listeners, process  # noqa: PLC0415 - start-up time
    from headrace.system.service.own_pages import INTERCEPTIONS  # noqa: PLC0415 - as above
    from headrace.system.service.redirects import redirects  # noqa: PLC0415 - as above

    if os.name == "nt":
        raise LocalError(
            "no-holder",
            "on Windows the gateway is kept up by a scheduled task",
            hint="`headrace on` registers it; `headrace gateway` serves in this window",
        )
    if args.detach and _woken(args, context):
        return OK
    origins = origins_of(args, context)
    if args.origin and any(found.credential for found in origins):
        raise UsageError(
            "secret-on-command-line",
            "every user of this machine could read that password in the list of processes",
            hint="`headrace on` records origins and their credentials where only you can read them",
        )
    sockets = listeners.take(args.fd) or listeners.inherited(context.env, os.getpid())
    if not sockets:
        port = context.settings.port if args.port is None else args.port
        lock = _lock(context)
        if args.detach and process.is_held(lock):
            raise LocalError(
                "already-running",
                f"the gateway of {context.folders.state} is running",
                hint="`headrace gateway --stop` stops it",
            )
        sockets = [listeners.bind(args.host, port)]
    host, port = listeners.address_of(sockets[0])
    address = GatewayAddress(host, port)
    held = process.SupervisorOptions(
        worker=process.worker_argv(*_worker_words(args, context)),
        redirects=redirects(
            context.plugins.ecosystems([found.origin for found in origins]), origins
        ),
        interceptions=state_of(args, context).folder / INTERCEPTIONS,
        lock=_lock(context),
        log=context.folders.state / "gateway.log" if args.detach else None,
    )
    _make_private(context.folders.state)
    state = state_of(args, context)
    _secret(state)  # before the worker, so that it is known here as well
    if args.hold:
        _say(context, address, origins)
        process.become_holder(held, sockets)
    process.leave_running(held, sockets, context.env)
    seen = health.wait_until_up(address, state.expected(), timeout=15)
    if not seen.up:
        raise LocalError(
            "gateway-silent",
            f"the gateway on port {port} does not answer",
            hint=f"{held.log} says why",
        )
    if seen.redirecting:
        raise LocalError(
            "gateway-redirects",
            "the gateway cannot start; the holder sends everybody to the origin and tries again",
            hint=f"{held.log} says why; `headrace gateway --stop` ends it",
        )
    if not args.origin and context.state.gateway() is None:
        # Nobody ran `on`: whoever looks for the gateway finds it, and `off` stops it.
        context.state.record_gateway(address, "holder")
    _say(context, address, origins)
    return OK


def _wake(context: Context) -> int:
    from headrace.system.service import waking  # noqa: PLC0415 - start-up time

    try:
        waking.wake(context.state, context.folders, context.scope, context.env)
    except LocalError as error:
        if error.reference != "already-running":
            raise
    if context.as_json:
        address = context.state.gateway()
        _say_or_print(context, "", {"gateway": address and _place(address)})
    return OK


def _woken(args: argparse.Namespace, context: Context) -> bool:
    """Start again what `headrace on` set up, if that is what is meant."""
    from headrace.system.service import waking  # noqa: PLC0415 - start-up time

    address = context.state.gateway()
    if address is None or args.origin or args.state or args.fd or args.idle_exit:
        return False
    if args.port not in (None, address.port) or args.host != address.host:
        return False
    if waking.wake(context.state, context.folders, context.scope, context.env) is None:
        return False
    _say(context, address, context.state.origins())
    return True


def _worker_words(args: argparse.Namespace, context: Context) -> list[str]:
    words = ["--scope", str(context.scope)]
    for origin in args.origin:
        words += ["--origin", origin]
    if args.idle_exit:
        words += ["--idle-exit", str(args.idle_exit)]
    if args.state:
        words += ["--state", str(args.state)]
    return words


def _stop(context: Context) -> int:
    from headrace.cli.setup.led import led, way_back  # noqa: PLC0415 - start-up time
    from headrace.system.service import health, process  # noqa: PLC0415 - as above

    stopped = process.stop(_lock(context))
    text = "the gateway has stopped" if stopped else "no gateway was running"
    address = context.state.gateway()
    # A service manager may have it up again, or never have let it go.
    up = address is not None and health.look(address, context.state.expected()).up
    tools = [] if up else led(context)
    _say_or_print(context, text, {"gateway": None, "stopped": stopped, "led": tools})
    if tools:
        sys.stderr.write(f"headrace: {translated(way_back(tools, context.scope))}\n")
    return OK  # it did what it was told; scripts that stop it go on


def _lock(context: Context) -> Path:
    return context.folders.state / "gateway.lock"


def check_folders(context: Context) -> None:
    """Refuse folders of state that somebody else could have put there; LocalError."""
    for folder in (context.folders.state, context.folders.cache):
        _check_own(folder, context.scope)


def _check_own(folder: Path, scope: Scope) -> None:
    """Refuse what somebody else could have put there; LocalError. Then the origin answers."""
    from headrace.ownership import files  # noqa: PLC0415 - start-up time
    from headrace.system import folders  # noqa: PLC0415 - as above

    if folder.exists():
        with contextlib.suppress(OSError):  # a disk that cannot be written is no stranger
            folders.make(folder, 0o755 if scope is Scope.SYSTEM else 0o700)
        account = files.account_of(folder) if scope is Scope.SYSTEM else frozenset()
        files.check_folder(folder, files.trusted() | account)


def _make_private(folder: Path) -> None:
    from headrace.system import folders  # noqa: PLC0415 - start-up time

    try:
        folders.make(folder)
    except OSError as error:
        raise LocalError(
            "state-unwritable",
            f"{folder} cannot be made: {error.strerror or error}",
            hint="HEADRACE_HOME names another place",
        ) from error


# ------------------------------------------------------------------ origins


def state_of(args: argparse.Namespace, context: Context) -> Any:
    """Return the recorded state; ``--state`` names another folder than the scope's."""
    if args.state is None:
        return context.state
    from headrace.system.state import State  # noqa: PLC0415 - start-up time

    folders = Folders(context.folders.config, args.state, context.folders.cache)
    return State(folders, Scope.USER)


def origins_of(args: argparse.Namespace, context: Context) -> list[DiscoveredOrigin]:
    """Return what is served: what is typed, else what `on` recorded, else what tools use now."""
    from headrace.cli.setup.discovery import discover, typed  # noqa: PLC0415 - start-up time

    if args.origin:
        found = [typed(text, "--origin") for text in args.origin]
        _check_served(context, found)
        return found
    recorded: list[DiscoveredOrigin] = state_of(args, context).origins()
    if recorded:
        return recorded
    return discover(context)


def _check_served(context: Context, found: Sequence[DiscoveredOrigin]) -> None:
    """Refuse an ecosystem that no plugin serves; UsageError. One that is broken might serve it."""
    served = {each.name for each in context.plugins.ecosystems([each.origin for each in found])}
    for each in found:
        name = each.origin.ecosystem
        if name not in served and not context.plugins.broken:
            known = Words(context.plugins).ecosystems
            raise UsageError(
                "bad-origin",
                f"--origin: no plugin serves the ecosystem {shown(name)}{meant(name, known)}",
                hint=f"it is the word before the =: {', '.join(known)}",
            )
