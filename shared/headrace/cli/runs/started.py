"""Starting a gateway that is there for commands only, and ends with the last of them."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.cli.context import Context
from headrace.cli.runs.kept.outcome import PREFIX
from headrace.config import EnvVars, Folders
from headrace.errors import LocalError
from headrace.interface.hookspecs import DiscoveredOrigin, GatewayAddress, Scope
from headrace.values import dataclass

if TYPE_CHECKING:
    from headrace.system.service.identity import Expected
    from headrace.system.state import State

__all__ = [
    "START_LIMIT",
    "Files",
    "GatewayOfRun",
    "own",
    "scratch_folder",
    "serve",
    "sweep",
    "usable",
]

# ruff: noqa: PLC0415 - start-up time of the other commands

#: Seconds that the command waits for the gateway at most.
START_LIMIT = 10.0
#: Minutes after which a worker with nothing to do ends; the next request starts another.
IDLE = 10
#: Seconds after which a folder that nobody has locked is nobody's.
_OLD = 3600


@dataclass(frozen=True, slots=True)
class GatewayOfRun:
    """A gateway that answers, and a folder for what this command alone needs."""

    address: GatewayAddress
    expected: Expected
    scratch: Path
    before: Any = None
    """Its ``/status`` before the command; None: it was just started, and has done nothing."""


@dataclass(frozen=True, slots=True)
class Files:
    """What belongs to a gateway of commands."""

    state: State
    lock: Path
    runners: Path | None
    """None: it ends with this process."""
    remove: tuple[Path, ...]
    env: Mapping[str, str]


def own(
    context: Context, origins: Sequence[DiscoveredOrigin], clearing_up: ExitStack
) -> GatewayOfRun:
    """Start a gateway for this command alone, on a free port; LocalError where none can be."""
    from headrace.system.service import listeners, process
    from headrace.system.state import State

    scratch, locked = scratch_folder(clearing_up)
    env = dict(context.env)
    if not usable(context.folders):
        # A read-only home, as on some build machines: then nothing is kept from run to run.
        env[EnvVars.HEADRACE_HOME] = str(scratch / "home")
    folder, lock = scratch / "state", scratch / "gateway.lock"
    state = State(Folders(context.folders.config, folder, context.folders.cache), Scope.USER)
    runners = scratch / "runners" if locked else None
    files = Files(state, lock, runners, (scratch,) if runners else (), env)
    clearing_up.callback(process.stop, lock, 5.0)
    address = serve(context, origins, files, listeners.bind("127.0.0.1", 0))
    return GatewayOfRun(address, state.expected(), scratch)


def serve(
    context: Context, origins: Sequence[DiscoveredOrigin], files: Files, sock: socket.socket
) -> GatewayAddress:
    """Start a gateway on a socket and see it answer; LocalError when it does not.

    Whoever calls this stops it, in either case.
    """
    from headrace.cli.setup.discovery import network_of
    from headrace.system.service import health, last_words, listeners, process
    from headrace.system.service import redirects as written
    from headrace.system.service.own_pages import INTERCEPTIONS
    from headrace.variants.host_paths import OVERRIDES

    state = files.state
    state.record_origins(origins)
    state.record_network(network_of(context, origins))
    # Also without one in the URL: netrc or keyring may have it, and the port is open to all users.
    if any(found.origin.private for found in origins):
        state.ensure_token()
    state.ensure_secret()
    address = GatewayAddress(*listeners.address_of(sock), state.token())
    held = process.SupervisorOptions(
        worker=process.worker_argv(
            "--scope", "user", "--state", str(state.folder), "--idle-exit", str(IDLE)
        ),
        # Who finds them out here would load every ecosystem for that, a third of such a start; the
        # worker has them anyway, and no client knows this gateway before it has answered.
        redirects_file=state.folder / written.FILE,
        interceptions=state.folder / INTERCEPTIONS,
        lock=files.lock,
        log=state.folder / "gateway.log",
        grace=3,
        owner=0 if files.runners else os.getpid(),
        runners=files.runners,
        remove=files.remove,
    )
    # For which host builds are chosen is said by each command, in the path.
    env = {name: value for name, value in files.env.items() if name not in OVERRIDES}
    if files.runners:
        process.leave_running(held, [sock], env)
    else:
        process.start(held, [sock], env)
    there = health.wait_until_up(address, state.expected(), START_LIMIT)
    if not there.up or there.redirecting:
        said = last_words.of_file(held.log) if held.log else ""
        why = f" ({said})" if said else ""
        raise LocalError("gateway-silent", f"the gateway did not start{why}")
    return address


def scratch_folder(clearing_up: ExitStack, below: Path | None = None) -> tuple[Path, bool]:
    """Make a folder for one command, which goes with it, and with whoever clears up after it.

    Second: whether it is locked for as long as the command lives.
    """
    from headrace.system.service.runs.runners import Runners

    scratch = Path(tempfile.mkdtemp(prefix=PREFIX, dir=below))
    clearing_up.callback(shutil.rmtree, scratch, ignore_errors=True)
    # Under another name until it is locked: then nobody takes it for left behind.
    runners = Runners(scratch / "runners-new")
    clearing_up.callback(runners.close)
    if not runners.join(0):
        return scratch, False
    clearing_up.callback(runners.leave)
    runners.path = (scratch / "runners-new").rename(scratch / "runners")
    return scratch, True


def usable(folders: Folders) -> bool:
    """Whether state and cache can be written."""
    from headrace.system import folders as made_private

    try:
        for folder in (folders.state, folders.cache):
            made_private.make(folder)
    except OSError:
        return False
    return all(os.access(folder, os.W_OK) for folder in (folders.state, folders.cache))


def sweep(folders: Folders) -> None:
    """Remove what a run that was killed left behind: its folder holds origins and a token."""
    from headrace.system.service import process
    from headrace.system.service.runs import places
    from headrace.system.service.runs.runners import nobody_runs

    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            status = folder.lstat()
            mine = not hasattr(os, "getuid") or status.st_uid == os.getuid()
            if not mine or folder.is_symlink():
                continue
            locked = (folder / "runners").exists()
            old = time.time() - status.st_mtime > _OLD
            left = nobody_runs(folder / "runners") if locked else old
            if left and not process.is_held(folder / "gateway.lock"):
                shutil.rmtree(folder, ignore_errors=True)
    places.sweep(folders)
