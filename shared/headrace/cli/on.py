"""``headrace on``: find the origins, start the gateway, point the tools at it."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
from typing import Any

from headrace.cli.context import Context, add_dry_run, add_json, add_scope
from headrace.cli.setup import fleet
from headrace.config import EnvVars
from headrace.errors import ConfigurationError
from headrace.interface.hookspecs import DiscoveredOrigin, FileEdit, Scope

__all__ = ["add", "run"]

_NEXT_SHELL = "what is typed into a shell that begins now is led by its functions"
_NO_FILE = (
    "no file of your shells could be given the line for functions, for links are left alone: put "
    '`eval "$(headrace shell bash)"` into yours'
)


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "on",
        help="route the tools through the gateway",
        description="Find which origins the tools use, start the gateway for them, and point the "
        "tools at it. `headrace off` gives every file back as it was.",
    )
    add_dry_run(parser)
    parser.add_argument(
        "--accept-shared-port",
        action="store_true",
        help="also where other users can take the port while your gateway is down",
    )
    parser.add_argument(
        "--shell",
        action="store_true",
        help="also lead the tools that cannot be pointed anywhere, by a line in your shell's files "
        "(see `headrace shell --help`)",
    )
    parser.add_argument(
        "--containers",
        action="store_true",
        help="also for containers: a gateway of their own, which has no login of yours, at this "
        "machine's address on the bridges of engines",
    )
    fleet.add(parser)
    add_scope(parser)
    add_json(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Do all of it, or nothing."""
    fleet.join(args, context)
    context.settings  # noqa: B018 - a mistake in the settings shows before anything is touched
    context.plugins  # noqa: B018 - as above
    with contextlib.nullcontext() if args.dry_run else context.state.setting_up():
        return _run(args, context)


def _run(args: argparse.Namespace, context: Context) -> int:
    from headrace.cli.checks.kept_state import another_installation  # noqa: PLC0415 - start-up time
    from headrace.cli.setup import planned_edits  # noqa: PLC0415 - as above
    from headrace.cli.setup import service as gateway_service  # noqa: PLC0415 - as above
    from headrace.cli.setup.preparation import prepare  # noqa: PLC0415 - as above
    from headrace.cli.setup.report import OnReport, tell  # noqa: PLC0415 - as above
    from headrace.system.edits import apply  # noqa: PLC0415 - start-up time
    from headrace.system.service import add_functions, functions_edits  # noqa: PLC0415 - as above

    if not args.dry_run:
        context.journal.repair()
    accepted = args.accept_shared_port or bool(context.env.get(EnvVars.HEADRACE_ACCEPT_SHARED_PORT))
    functions = _functions(context, asked=args.shell)
    plan = prepare(context, accepted=accepted, dry_run=args.dry_run, functions=functions)
    found, made, shared, address = plan.found, plan.made, plan.shared, plan.address
    origins = plan.origins
    note = ""
    service: Sequence[FileEdit] = made.edits if made else ()
    if functions and not made:
        service = functions_edits(context.state, context.env)
    written = gateway_service.written(context, service)
    other = another_installation(context)
    if not args.dry_run:
        context.state.turn_on()
        planned_edits.adopt_leftovers(context, address, origins)
        if made:
            address, note = gateway_service.start(context, found, functions=functions)
        elif functions:
            add_functions(context.state, context.env)
        if shared.accepted:
            context.state.accept_shared_port()
    result = planned_edits.wanted(context, address, origins)
    told: Sequence[str] = ()
    trouble: Sequence[str] = ()
    if args.dry_run:
        changed = [edit for _, edit in result.edits if edit.before != edit.after]
    else:
        service = [each for each in service if not gateway_service.is_ours(context, each.path)]
        # What the service has written for itself stays in force.
        tools = [activation.tool for activation in context.plugins.activations()]
        applied = apply.apply(context, result.edits, of=tools)
        changed, told, trouble = applied.changed, applied.told, applied.trouble
        refused = {tool for tool, _ in applied.refused}
        result.edits = [each for each in result.edits if each[0] not in refused]
        result.left_out += applied.refused
    inside, wrong = _containers(context, found, address.port, args)
    trouble = [*trouble, *wrong]
    typed = _typed(context) if args.shell and not args.dry_run else ""
    taken = f"{other}, which takes over" if other and made else ""
    note = "; ".join(filter(None, (note, taken, shared.warning, typed)))
    report = OnReport(
        found,
        address,
        result,
        [*changed, *written],
        note,
        args.dry_run,
        service,
        told,
        trouble,
        inside,
    )
    return tell(context, report)


def _containers(
    context: Context, found: Sequence[DiscoveredOrigin], port: int, args: argparse.Namespace
) -> tuple[Sequence[str], Sequence[str]]:
    """Set up the gateway of containers, where that was said, now or with an earlier `on`. Returns
    what there is to know, and what went wrong.
    """
    from headrace.cli.setup import containers  # noqa: PLC0415 - start-up time

    if not args.containers and not containers.is_on(context):
        return (), ()
    if args.dry_run:
        return containers.foreseen(context, port), ()
    return containers.set_up(context, found, port)


def _typed(context: Context) -> str:
    from headrace.system.service import has_functions  # noqa: PLC0415 - start-up time

    return _NEXT_SHELL if has_functions(context.env) else _NO_FILE


def _functions(context: Context, *, asked: bool) -> bool:
    """Whether the user's shells are to have the functions: it was said, now or with an earlier
    `on`. Who has taken the line out by hand does not get it again.
    """
    from headrace.system.service import has_functions  # noqa: PLC0415 - start-up time

    if context.scope is Scope.SYSTEM:
        if asked:
            raise ConfigurationError(
                "shells-are-users",
                "--shell is for the files of one user's shells, and not for the whole machine",
                hint="say `headrace on --shell` as that user; nothing was changed",
            )
        return False
    return asked or bool(has_functions(context.env))
