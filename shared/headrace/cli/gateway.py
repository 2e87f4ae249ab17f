"""``headrace gateway``: serve, in the foreground, under a holder, or apart from this terminal."""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from headrace.cli.context import FAILED, OK, Context, add_scope
from headrace.config import EnvVars, Folders
from headrace.errors import ClientError, LocalError
from headrace.interface.hookspecs import DiscoveredOrigin, GatewayAddress, Scope

__all__ = ["add", "run"]


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "gateway",
        help="serve the gateway itself",
        description="Serve the gateway. Without --origin it serves the origins that `headrace on` "
        "recorded, else those that the tools use now.",
    )
    parser.add_argument("--port", type=int, help="port on loopback; 0 takes a free one")
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
        type=float,
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
    # For the holder and for `headrace run`.
    parser.add_argument("--fd", type=int, action="append", default=[], help=argparse.SUPPRESS)
    parser.add_argument("--control", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--state", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folders", type=Path, nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--settings", type=Path, help=argparse.SUPPRESS)


def run(args: argparse.Namespace, context: Context) -> int:
    """Serve until told to stop, or arrange for it."""
    # A service does not inherit the environment that these would otherwise come from.
    if args.settings:
        context.env = {**context.env, EnvVars.HEADRACE_CONFIG: str(args.settings)}
    if args.folders:
        context.folders = Folders(*args.folders)
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
    from headrace.system.service import listeners  # noqa: PLC0415 - as above
    from headrace.system.service.link import HolderLink  # noqa: PLC0415 - as above

    for folder in (context.folders.state, context.folders.cache):
        _check_own(folder, context.scope)
    sockets = listeners.take(args.fd) or listeners.inherited(context.env, os.getpid())
    if not sockets:
        port = context.settings.port if args.port is None else args.port
        sockets = [listeners.bind(args.host, port)]
    state = _state(args, context)
    env = {**state.network(), **context.env}
    secret = _secret(state)
    origins = _origins(args, context)
    host, port = listeners.address_of(sockets[0])
    link = None if args.control is None else HolderLink(socket.socket(fileno=args.control))

    def announce() -> None:
        _say(GatewayAddress(host, port).url(), origins)

    end = server.serve(
        lambda: build_app(
            assemble(context.settings, context.folders, origins, env, context.plugins),
            state.token(),
            secret,
            machine=context.scope is Scope.SYSTEM,
        ),
        sockets,
        idle_exit=args.idle_exit * 60 if args.idle_exit else None,
        watcher=None if link is not None else _watcher(context.env, announce),
        link=link,
    )
    return FAILED if end is server.ExitReason.FAILED else OK


def _secret(state: Any) -> str | None:
    """What the gateway proves itself with; one that cannot keep any is known by its user alone."""
    try:
        made: str = state.ensure_secret()
    except LocalError:
        return None
    return made


def _watcher(env: Mapping[str, str], announce: Callable[[], None]) -> Any:
    """Whom a worker without a holder tells: systemd and whoever reads standard output."""
    from headrace.gateway.server import LifespanListener  # noqa: PLC0415 - start-up time
    from headrace.system.service.notify import Notifier  # noqa: PLC0415 - as above

    notifier = Notifier(env)

    def ready() -> None:
        announce()
        notifier.ready()

    return LifespanListener(ready, notifier.alive, notifier.stopping, every=notifier.every)


def _say(url: str, origins: Sequence[DiscoveredOrigin]) -> None:
    names = ", ".join(sorted({found.origin.ecosystem for found in origins})) or "nothing"
    sys.stdout.write(f"headrace: the gateway for {names} answers at {url}\n")
    sys.stdout.flush()


# ------------------------------------------------------------------ under a holder


def _hold(args: argparse.Namespace, context: Context) -> int:
    from headrace.system.service import health, listeners, process  # noqa: PLC0415 - start-up time
    from headrace.system.service.redirects import redirects  # noqa: PLC0415 - as above

    if os.name == "nt":
        raise LocalError(
            "no-holder",
            "on Windows the gateway is kept up by a scheduled task",
            hint="`headrace on` registers it; `headrace gateway` serves in this window",
        )
    if args.detach and _woken(args, context):
        return OK
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
    origins = _origins(args, context)
    if args.origin and any(found.credential for found in origins):
        raise ClientError(
            "secret-on-command-line",
            "every user of this machine could read that password in the list of processes",
            hint="`headrace on` records origins and their credentials where only you can read them",
        )
    held = process.SupervisorOptions(
        worker=process.worker_argv(*_worker_words(args, context)),
        redirects=redirects(
            context.plugins.ecosystems([found.origin for found in origins]), origins
        ),
        lock=_lock(context),
        log=context.folders.state / "gateway.log" if args.detach else None,
    )
    _make_private(context.folders.state)
    state = _state(args, context)
    _secret(state)  # before the worker, so that it is known here as well
    if args.hold:
        _say(address.url(), origins)
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
    _say(address.url(), origins)
    return OK


def _wake(context: Context) -> int:
    from headrace.system.service import waking  # noqa: PLC0415 - start-up time

    try:
        waking.wake(context.state, context.folders, context.scope, context.env)
    except LocalError as error:
        if error.reference != "already-running":
            raise
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
    _say(address.url(), context.state.origins())
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
    sys.stdout.write(
        f"headrace: {'the gateway has stopped' if stopped else 'no gateway was running'}\n"
    )
    address = context.state.gateway()
    # A service manager may have it up again, or never have let it go.
    up = address is not None and health.look(address, context.state.expected()).up
    tools = [] if up else led(context)
    if tools:
        sys.stderr.write(f"headrace: {way_back(tools, context.scope)}\n")
    return OK  # it did what it was told; scripts that stop it go on


def _lock(context: Context) -> Path:
    return context.folders.state / "gateway.lock"


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


def _state(args: argparse.Namespace, context: Context) -> Any:
    """Return the recorded state; ``--state`` names another folder than the scope's."""
    if args.state is None:
        return context.state
    from headrace.system.state import State  # noqa: PLC0415 - start-up time

    folders = Folders(context.folders.config, args.state, context.folders.cache)
    return State(folders, Scope.USER)


def _origins(args: argparse.Namespace, context: Context) -> list[DiscoveredOrigin]:
    from headrace.cli.setup.discovery import discover, typed  # noqa: PLC0415 - start-up time

    if args.origin:
        return [typed(text, "--origin") for text in args.origin]
    recorded: list[DiscoveredOrigin] = _state(args, context).origins()
    if recorded:
        return recorded
    return discover(context)
