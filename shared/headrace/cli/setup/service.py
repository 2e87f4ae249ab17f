"""The gateway of the scope, as ``on`` starts it and ``off`` stops it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from headrace.cli.context import Context
from headrace.cli.setup.discovery import network_of
from headrace.config import EnvVars, home_folder
from headrace.errors import HeadraceError
from headrace.interface.hookspecs import DiscoveredOrigin, FileEdit, GatewayAddress, Scope
from headrace.system import service
from headrace.system.edits.file_step import read_file
from headrace.system.edits.journal import UndoResult
from headrace.system.service.managers import account, choose
from headrace.system.service.runs import places

__all__ = ["is_ours", "machines_gateway", "plan", "start", "stop", "written"]


def plan(
    context: Context, found: Sequence[DiscoveredOrigin], *, functions: bool = False
) -> choose.Plan:
    """Decide who keeps the gateway up, and where; touch nothing. `functions`: the user's shells are
    to have those that lead tools.
    """
    from headrace.system.service.redirects import redirects  # noqa: PLC0415 - start-up time

    if context.scope is Scope.SYSTEM and sys.platform != "win32" and os.geteuid() == 0:
        account.check_installation()
    named = context.env.get(EnvVars.HEADRACE_CONFIG)
    return choose.plan(
        context.folders,
        context.scope,
        context.env,
        home=home_folder(),
        port=context.settings.port,
        redirects=redirects(context.plugins.ecosystems([each.origin for each in found]), found),
        read=context.journal.pristine,
        recorded=context.state.gateway(),
        settings=Path(named) if named else None,
        functions=functions,
    )


def start(
    context: Context, found: Sequence[DiscoveredOrigin], *, functions: bool = False
) -> tuple[GatewayAddress, str]:
    """Record what the gateway needs to know, and start it.

    Returns where it is, and what the user should know. When it does not start, everything is as
    it was.
    """
    state = context.state
    before = state.origins()
    state.record_origins(found)
    state.record_network(network_of(context, found))
    try:
        kept = service.ensure(
            state,
            context.folders,
            context.settings,
            context.scope,
            context.env,
            functions=functions,
        )
    except BaseException:
        if before:
            state.record_origins(before)
        else:
            _forget(context)
        raise
    with contextlib.suppress(HeadraceError):  # then a run takes another port, and no more
        places.record_port(context.folders, found, kept.address.port, context.settings.port)
    return GatewayAddress(kept.address.host, kept.address.port, state.token()), kept.note


def is_ours(context: Context, path: Path) -> bool:
    """Whether a file lies in a folder of headrace's own, so that nobody else looks after it."""
    folders = context.folders
    return any(path.is_relative_to(each) for each in (folders.config, folders.state, folders.cache))


def written(context: Context, edits: Sequence[FileEdit]) -> list[FileEdit]:
    """Return those of the service's edits that change a file of somebody's as it is now."""
    found = []
    for edit in edits:
        now = None
        with contextlib.suppress(HeadraceError):  # then writing it says why
            now = read_file(edit.path)
        if now != edit.after and not is_ours(context, edit.path):
            found.append(edit)
    return found


def stop(context: Context) -> UndoResult:
    """Stop the gateway, take the files of its service manager back, forget what was recorded.
    Returns what became of the files that are not headrace's own.
    """
    undone = service.remove(
        context.state, context.folders, context.settings, context.scope, context.env
    )
    _forget(context)
    return UndoResult(
        *(
            tuple(each for each in paths if not is_ours(context, Path(each)))
            for paths in (undone.restored, undone.merged, undone.kept)
        )
    )


def _forget(context: Context) -> None:
    context.state.forget_gateway()
    context.state.forget_origins()
    context.state.forget_network()


def machines_gateway(context: Context, found: Sequence[DiscoveredOrigin]) -> GatewayAddress | None:
    """The machine's gateway, where it is up, fronts the same origins, and none of the user's own
    secrets are needed.
    """
    from headrace.config import Folders  # noqa: PLC0415 - start-up time
    from headrace.system.service import health  # noqa: PLC0415 - as above
    from headrace.system.state import State  # noqa: PLC0415 - as above

    if context.scope is Scope.SYSTEM or context.env.get(EnvVars.HEADRACE_HOME):
        return None
    if any(each.origin.private for each in found):
        return None
    state = State(Folders.of_system(), Scope.SYSTEM)
    address = state.gateway()
    if address is None:
        return None
    known = {(each.origin.ecosystem, each.origin.url) for each in state.origins()}
    wanted = {(each.origin.ecosystem, each.origin.url) for each in found}
    return address if wanted <= known and health.look(address, state.expected()).up else None
