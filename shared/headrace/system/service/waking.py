"""Starting again what `headrace on` set up and what is no more: after a reboot, a kill, a stop."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from headrace.config import EnvVars, Folders, home_folder
from headrace.errors import LocalError
from headrace.interface.hookspecs import GatewayAddress, Scope
from headrace.interface.manager import Plugins
from headrace.system.edits.journal import Journal
from headrace.system.service import health, process
from headrace.system.service.managers import choose, for_containers
from headrace.system.service.managers.bare import Bare
from headrace.system.service.managers.spec import describe
from headrace.system.service.redirects import redirects
from headrace.system.state import State

__all__ = ["wake"]


def wake(
    state: State, folders: Folders, scope: Scope, env: Mapping[str, str]
) -> GatewayAddress | None:
    """Start the gateway where nobody holds its port, and return where it is.

    None where it is not `headrace on`'s, or kept up by a service manager; LocalError where it is
    running, or cannot be started. One at a time, and not while `on` or `off` is at work.
    """
    if state.gateway() is None or state.kept_up_by() != Bare.name:
        return None
    with state.setting_up():
        address = state.gateway()
        if address is None:
            return None
        lock = folders.state / "gateway.lock"
        if process.is_held(lock) or health.look(address, state.expected()).up:
            raise LocalError(
                "already-running",
                f"the gateway of {folders.state} is running",
                hint="`headrace gateway --stop` stops it",
            )
        named = env.get(EnvVars.HEADRACE_CONFIG)
        origins = state.origins()
        ecosystems = Plugins().ecosystems([found.origin for found in origins])
        spec = describe(
            folders,
            scope,
            address.port,
            home_folder(),
            redirects(ecosystems, origins),
            host=address.host,
            settings=Path(named) if named else None,
        )
        if spec.held.script is None or not spec.held.script.is_file():
            return None  # one that was started by hand, of which `on` knows nothing
        choose.Plan(address, Bare(env), spec, (), "", state).start()
        with contextlib.suppress(LocalError):  # `status` tells of it; nobody waits for it here
            for_containers.wake(folders, scope, env, Journal(state.journal))
        return address
