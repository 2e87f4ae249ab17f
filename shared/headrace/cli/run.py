"""``headrace run -- COMMAND``: a gateway for one command, and nothing left behind.

Whatever goes wrong with the gateway, the command runs (promise 2), and what it returns is returned.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.cli import child_process
from headrace.cli.context import USAGE, Context
from headrace.config import EnvVars, Folders
from headrace.errors import ClientError, HeadraceError, LocalError
from headrace.foreign import whole_number
from headrace.interface.hookspecs import DiscoveredOrigin, GatewayAddress, Scope
from headrace.models import Origin

if TYPE_CHECKING:
    from headrace.system.service.identity import Expected

__all__ = ["add", "private_gateway", "run"]

#: Seconds that the command waits for the gateway at most.
START_LIMIT = 10.0
#: Minutes after which a worker with nothing to do ends; the next request starts another.
IDLE = 10
PREFIX = "headrace-run-"


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "run",
        help="run one command through a gateway of its own; nothing is configured",
        description="Start a private gateway, point the tools at it by environment variables, run "
        "COMMAND, and clear up. The exit code is the command's.",
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="no summary at the end")
    parser.add_argument("command_words", nargs=argparse.REMAINDER, metavar="-- COMMAND")


def run(args: argparse.Namespace, context: Context) -> int:
    """Run the command; return its exit code."""
    words: list[str] = args.command_words
    if words[:1] == ["--"]:
        words = words[1:]
    if not words:
        _warn("which command? headrace run -- COMMAND")
        return USAGE
    try:
        path = child_process.find(words[0], context.env)
    except ClientError as error:
        _warn(error.message)
        return (
            child_process.NOT_FOUND
            if error.reference == "not-found"
            else child_process.NOT_EXECUTABLE
        )
    if _inside_another(context):
        return child_process.replace_by(path, words, context.env)
    with ExitStack() as clearing_up:
        try:
            env, summary = _prepare(tuple(words), context, clearing_up)
        except (HeadraceError, OSError) as error:
            _warn(f"{getattr(error, 'message', error)}; the command runs without headrace")
            env, summary = dict(context.env), lambda: ""
        code = child_process.run(path, words, env)
        if not args.quiet and (text := summary()):
            _warn(text)
    return code


def _warn(text: str) -> None:
    sys.stderr.write(f"headrace: {text}\n")
    sys.stderr.flush()


def _inside_another(context: Context) -> bool:
    from headrace.system.service import health  # noqa: PLC0415 - start-up time
    from headrace.system.service.identity import Expected  # noqa: PLC0415 - as above

    port = context.env.get(EnvVars.HEADRACE_RUN, "")
    # Whose it is, is all that can be known here: it has a state of its own.
    number = whole_number(port)
    if number is None or number > 65535:
        return False
    return health.look(GatewayAddress("127.0.0.1", number), Expected()).up


def _prepare(
    words: tuple[str, ...], context: Context, clearing_up: ExitStack
) -> tuple[dict[str, str], Callable[[], str]]:
    """Start (or find) a gateway; return the command's environment and how to sum up."""
    from headrace.cli.setup.discovery import discover  # noqa: PLC0415 - start-up time

    _sweep()
    origins = discover(context, words)
    if not origins:
        raise LocalError("no-origin", "no tool here has an origin that headrace knows")
    scratch = Path(tempfile.mkdtemp(prefix=PREFIX))
    clearing_up.callback(shutil.rmtree, scratch, ignore_errors=True)
    found = _running(context, origins) or start(context, origins, scratch, clearing_up)
    address, expected = found
    env = _environment(words, context, address, [o.origin for o in origins], scratch)
    return env, _summing_up(address, expected)


def _running(
    context: Context, origins: Sequence[DiscoveredOrigin]
) -> tuple[GatewayAddress, Expected] | None:
    """Return the user's gateway, if it is up and fronts these origins."""
    from headrace.system.service import health  # noqa: PLC0415 - start-up time

    address = context.state.gateway()
    if address is None or not _names(origins) <= _names(context.state.origins()):
        return None
    expected = context.state.expected()
    there = health.look(address, expected)
    if there.who:
        _warn(
            f"port {address.port} is held by {there.who}: not your gateway; "
            "this command has one of its own"
        )
    return (address, expected) if there.up and not there.redirecting else None


def _names(origins: Sequence[DiscoveredOrigin]) -> set[tuple[str, str]]:
    return {(found.origin.ecosystem, found.origin.url) for found in origins}


def private_gateway(context: Context, clearing_up: ExitStack) -> tuple[GatewayAddress, Expected]:
    """Start a gateway for this command, with whatever the tools ask now; LocalError where none
    can be. It ends, and nothing of it is left, with `clearing_up`.
    """
    from headrace.cli.setup.discovery import discover  # noqa: PLC0415 - start-up time

    origins = discover(context, ())
    if not origins:
        raise LocalError("no-origin", "no tool here has an origin that headrace knows")
    scratch = Path(tempfile.mkdtemp(prefix=PREFIX))
    clearing_up.callback(shutil.rmtree, scratch, ignore_errors=True)
    return start(context, origins, scratch, clearing_up)


def start(
    context: Context,
    origins: Sequence[DiscoveredOrigin],
    scratch: Path,
    clearing_up: ExitStack,
) -> tuple[GatewayAddress, Expected]:
    """Start a gateway for this command, on a free port."""
    from headrace.cli.setup.discovery import network_of  # noqa: PLC0415 - start-up time
    from headrace.system.service import (  # noqa: PLC0415 - as above
        health,
        last_words,
        listeners,
        process,
    )
    from headrace.system.service.redirects import redirects  # noqa: PLC0415 - as above
    from headrace.system.state import State  # noqa: PLC0415 - as above

    env = dict(context.env)
    if not _usable(context.folders):
        # A read-only home, as on some build machines: then nothing is kept from run to run.
        env[EnvVars.HEADRACE_HOME] = str(scratch / "home")
    folder = scratch / "state"
    state = State(Folders(context.folders.config, folder, context.folders.cache), Scope.USER)
    state.record_origins(origins)
    state.record_network(network_of(context, origins))
    # Also without one in the URL: netrc or keyring may have it, and the port is open to all users.
    if any(found.origin.private for found in origins):
        state.ensure_token()
    state.ensure_secret()
    sock = listeners.bind("127.0.0.1", 0)
    host, port = listeners.address_of(sock)
    address = GatewayAddress(host, port, state.token())
    lock = scratch / "gateway.lock"
    held = process.SupervisorOptions(
        worker=process.worker_argv(
            "--scope", "user", "--state", str(folder), "--idle-exit", str(IDLE)
        ),
        redirects=redirects(context.plugins.ecosystems([found.origin for found in origins])),
        lock=lock,
        log=scratch / "gateway.log",
        grace=3,
        owner=os.getpid(),
    )
    started = process.start(held, [sock], env)
    clearing_up.callback(started.wait)
    clearing_up.callback(process.stop, lock, 5.0)
    expected = state.expected()
    there = health.wait_until_up(address, expected, START_LIMIT)
    if not there.up or there.redirecting:
        said = last_words.of_file(held.log)
        why = f" ({said})" if said else ""
        raise LocalError("gateway-silent", f"the gateway did not start{why}")
    return address, expected


def _usable(folders: Folders) -> bool:
    from headrace.system import folders as made_private  # noqa: PLC0415 - start-up time

    try:
        for folder in (folders.state, folders.cache):
            made_private.make(folder)
    except OSError:
        return False
    return all(os.access(folder, os.W_OK) for folder in (folders.state, folders.cache))


def _environment(
    words: tuple[str, ...],
    context: Context,
    address: GatewayAddress,
    origins: Sequence[Origin],
    scratch: Path,
) -> dict[str, str]:
    """Ask every tool's activation for its variables, and write the files that they need."""
    from headrace.cli.setup.guarded import guarded  # noqa: PLC0415 - start-up time
    from headrace.system import folders as made_private  # noqa: PLC0415 - as above

    env = dict(context.env)
    place = context.place(words)
    read = context.journal.pristine
    for activation in context.plugins.activations():
        try:
            with guarded(activation):
                variables, edits = activation.environment(place, address, origins, read, scratch)
        except HeadraceError as error:
            _warn(f"{activation.tool} is left alone: {error}")
            continue
        for edit in edits:
            if not edit.path.is_relative_to(scratch) or edit.after is None:
                continue
            made_private.make(edit.path.parent)
            edit.path.write_bytes(edit.after)
        _merge(env, variables)
    env[EnvVars.HEADRACE_RUN] = str(address.port)
    return env


def _merge(env: dict[str, str], variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = value


def _sweep() -> None:
    """Remove what a run that was killed left behind: its folder holds origins and a token."""
    from headrace.system.service import process  # noqa: PLC0415 - start-up time

    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            status = folder.lstat()
            mine = not hasattr(os, "getuid") or status.st_uid == os.getuid()
            old = time.time() - status.st_mtime > 3600
            left = mine and old and not folder.is_symlink()
            if left and not process.is_held(folder / "gateway.lock"):
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue


def _summing_up(address: GatewayAddress, expected: Expected) -> Callable[[], str]:
    """Return what tells, once the command is done, what came through the gateway meanwhile."""
    from headrace.cli.summary import sentence  # noqa: PLC0415 - start-up time
    from headrace.system.service import health  # noqa: PLC0415 - as above

    before = health.ask(address, expected, "/status")
    started = time.monotonic()

    def summary() -> str:
        after = health.ask(address, expected, "/status")
        return sentence(before, after, time.monotonic() - started)

    return summary
