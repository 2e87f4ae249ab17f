"""The gateway of the scope, as ``on`` starts it and ``off`` stops it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headrace.cli.context import Context
from headrace.hookspecs import DiscoveredOrigin, FileEdit, GatewayAddress, Scope
from headrace.system.service import choose

__all__ = ["SERVICE", "machines_gateway", "plan", "start", "stop"]

#: The journal's word for the files of whoever keeps the gateway up.
SERVICE = "service"


def plan(context: Context, found: Sequence[DiscoveredOrigin]) -> choose.Plan:
    """Decide who keeps the gateway up, and where; touch nothing."""
    from headrace.network import listeners  # noqa: PLC0415 - start-up time
    from headrace.system.service.redirects import redirects  # noqa: PLC0415 - as above

    ecosystems = context.plugins.ecosystems([each.origin for each in found])
    return choose.plan(
        context.folders,
        context.scope,
        context.env,
        home=Path.home(),
        port=context.settings.port,
        redirects=redirects(ecosystems),
        read=context.journal.pristine,
        listen=listeners.bind,
        recorded=context.state.gateway(),
    )


def start(context: Context, found: Sequence[DiscoveredOrigin], made: choose.Plan) -> str:
    """Record what the gateway needs to know, and start it; return what the user should know.

    When it does not start, everything is as it was.
    """
    state = context.state
    before = state.origins()
    state.record_origins(found)
    state.record_network(context.env)

    def apply(edits: Sequence[FileEdit]) -> None:
        context.journal.apply([(SERVICE, edit) for edit in edits], of=[SERVICE])

    try:
        kept = choose.ensure(made, apply)
    except BaseException:
        if before:
            state.record_origins(before)
        else:
            stop(context, made.address, made.keeper.name)
        raise
    state.record_gateway(made.address, kept.how)
    return kept.note


def stop(context: Context, address: GatewayAddress, kept_up_by: str) -> None:
    """Stop the gateway, take the files of its keeper back, forget what was recorded."""
    from headrace.network import listeners  # noqa: PLC0415 - start-up time

    choose.remove(
        context.folders,
        context.scope,
        context.env,
        home=Path.home(),
        kept_up_by=kept_up_by,
        address=address,
        listen=listeners.bind,
        undo=lambda: context.journal.undo(of=[SERVICE], force=True),
    )
    context.state.forget_gateway()
    context.state.forget_origins()
    context.state.forget_network()


def machines_gateway(context: Context, found: Sequence[DiscoveredOrigin]) -> GatewayAddress | None:
    """The machine's gateway, where it is up, fronts the same origins, and none of the user's own
    secrets are needed.
    """
    from headrace.config import EnvVars, Folders  # noqa: PLC0415 - start-up time
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
    return address if wanted <= known and health.is_up(address) else None
