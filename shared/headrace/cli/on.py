"""``headrace on``: find the origins, start the gateway, point the tools at it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from headrace.cli.context import NEEDS_ATTENTION, OK, Context, add_dry_run, add_json, add_scope
from headrace.errors import ConfigurationError, LocalError
from headrace.hookspecs import DiscoveredOrigin, FileEdit, GatewayAddress, Override, Scope
from headrace.redact import for_display

if TYPE_CHECKING:
    from headrace.cli.edits_of import Wanted

__all__ = ["add", "run"]


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "on",
        help="route the tools through the gateway",
        description="Find which origins the tools use, start the gateway for them, and point the "
        "tools at it. `headrace off` gives every file back as it was.",
    )
    add_dry_run(parser)
    add_scope(parser)
    add_json(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Do all of it, or nothing."""
    from headrace.cli import edits_of  # noqa: PLC0415 - start-up time
    from headrace.cli.discovery import discover  # noqa: PLC0415 - as above

    context.settings  # noqa: B018 - a mistake in the settings shows before anything is touched
    context.plugins  # noqa: B018 - as above
    if not args.dry_run:
        context.journal.repair()
    found = discover(context)
    if not found:
        raise LocalError(
            "no-origin",
            "no tool here could say which origin it uses",
            hint="`headrace doctor` says why; nothing was changed",
        )
    _refuse_lending(found, context.scope)
    origins = [each.origin for each in found]
    planned = _planned(context, found)
    # What is wrong with the files shows before a gateway is started.
    _first_error(edits_of.wanted(context, planned, origins))
    if args.dry_run:
        result = edits_of.wanted(context, planned, origins)
        return _tell(args, context, found, planned, result, [edit for _, edit in result.edits])
    edits_of.adopt_leftovers(context, planned, origins)
    address = _machines(context, found) or _ensure(context, found)
    result = edits_of.wanted(context, address, origins)
    # What the service has written for itself stays in force.
    tools = [activation.tool for activation in context.plugins.activations()]
    changed = context.journal.apply(result.edits, of=tools)
    return _tell(args, context, found, address, result, changed)


def _refuse_lending(found: Sequence[DiscoveredOrigin], scope: Scope) -> None:
    lent = next((each for each in found if each.credential), None)
    if scope is Scope.SYSTEM and lent is not None:
        raise ConfigurationError(
            "machine-would-lend",
            f"{lent.where} holds a credential for {for_display(lent.origin.url)}, which a gateway "
            "for the whole machine would lend to every user",
            hint="run `headrace on` as each user instead; nothing was changed",
        )


def _needs_token(context: Context, found: Sequence[DiscoveredOrigin]) -> bool:
    """Every user of the machine can reach a loopback port, but not what is one user's own."""
    return context.scope is Scope.USER and any(each.origin.private for each in found)


def _planned(context: Context, found: Sequence[DiscoveredOrigin]) -> GatewayAddress:
    known = context.state.gateway()
    if known is not None:
        return known
    token = "TOKEN" if _needs_token(context, found) else None
    return GatewayAddress("127.0.0.1", context.settings.port, token)


def _first_error(result: Wanted) -> None:
    if not result.edits and result.left_out:
        raise result.left_out[0][1]


def _machines(context: Context, found: Sequence[DiscoveredOrigin]) -> GatewayAddress | None:
    """The machine's gateway, where it is up and none of the user's own secrets are needed."""
    from headrace.config import EnvVars, Folders  # noqa: PLC0415 - start-up time
    from headrace.system.service import health  # noqa: PLC0415 - as above
    from headrace.system.state import State  # noqa: PLC0415 - as above

    if context.scope is Scope.SYSTEM or context.env.get(EnvVars.HEADRACE_HOME):
        return None
    state = State(Folders.of_system(), Scope.SYSTEM)
    address = state.gateway()
    if address is None or any(each.origin.private for each in found):
        return None
    known = {(each.origin.ecosystem, each.origin.url) for each in state.origins()}
    wanted = {(each.origin.ecosystem, each.origin.url) for each in found}
    return address if wanted <= known and health.is_up(address) else None


def _ensure(context: Context, found: Sequence[DiscoveredOrigin]) -> GatewayAddress:
    from headrace.system import service  # noqa: PLC0415 - start-up time

    state = context.state
    before = state.origins()
    state.record_origins(found)
    state.record_network(context.env)
    if _needs_token(context, found):
        state.ensure_token()
    try:
        address = service.ensure(
            state, context.folders, context.settings, context.scope, context.env
        )
    except BaseException:
        if before:
            state.record_origins(before)
        elif not context.journal.entries():
            state.forget_origins()
            state.forget_gateway()
        raise
    return GatewayAddress(address.host, address.port, state.token())


# ------------------------------------------------------------------ telling


def _tell(  # noqa: PLR0917 - everything that there is to tell
    args: argparse.Namespace,
    context: Context,
    found: Sequence[DiscoveredOrigin],
    address: GatewayAddress,
    result: Wanted,
    changed: Sequence[FileEdit],
) -> int:
    from headrace.cli import edits_of  # noqa: PLC0415 - start-up time
    from headrace.system.edits import diff  # noqa: PLC0415 - as above

    winning = edits_of.overrides(context, address)
    code = NEEDS_ATTENTION if result.left_out else OK
    if context.as_json:
        context.print_json(
            {
                "dry_run": args.dry_run,
                "scope": context.scope,
                "gateway": {"host": address.host, "port": address.port},
                "origins": [_origin(each) for each in found],
                "edits": [
                    {
                        "tool": tool,
                        "path": str(edit.path),
                        "reason": edit.reason,
                        "changed": edit in changed,
                    }
                    for tool, edit in result.edits
                ],
                "left_out": [
                    {"tool": tool, "why": error.message, "hint": error.hint}
                    for tool, error in result.left_out
                ],
                "overrides": [_override(each) for each in winning],
                **({"diff": diff(changed)} if args.dry_run else {}),
            }
        )
        return code
    out = context.console
    for each in found:
        kind = " (your own: no mirror is asked for it)" if each.origin.private else ""
        out.print(f"origin   {for_display(each.origin.url)}{kind}, from {each.where}", markup=False)
    verb = "would be at" if args.dry_run else "answers at"
    out.print(f"gateway  {verb} http://{address.host}:{address.port}/", markup=False)
    for tool, edit in result.edits:
        state = "" if edit in changed else " (as it was)"
        out.print(f"{tool:<8} {edit.path}: {edit.reason}{state}", markup=False)
    for tool, error in result.left_out:
        out.print(f"{tool:<8} left out: {error.message}", markup=False, style="yellow")
        out.print(f"         {error.hint}", markup=False)
    for each_override in winning:
        text = f"{each_override.tool:<8} but {each_override.where} {each_override.what}"
        out.print(text, markup=False, style="yellow")
        out.print(f"         {each_override.hint}", markup=False)
    if args.dry_run:
        out.print(diff(changed), markup=False, end="")
    return code


def _origin(each: DiscoveredOrigin) -> dict[str, object]:
    origin = each.origin
    return {
        "ecosystem": origin.ecosystem,
        "name": origin.name,
        "url": for_display(origin.url),
        "private": origin.private,
        "where": each.where,
    }


def _override(each: Override) -> dict[str, str]:
    return {"tool": each.tool, "where": each.where, "what": each.what, "hint": each.hint}
