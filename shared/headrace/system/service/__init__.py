"""Keeping the gateway up: who holds the port, who restarts the worker, and how both are stopped.

`ensure` and `remove` are what ``headrace on`` and ``off`` need.
"""

from __future__ import annotations

# What lies below this is imported by programs that must start at once (`cli.runs.kept`).
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from headrace.config import Folders, Settings
    from headrace.interface.hookspecs import FileEdit, Scope
    from headrace.system.edits.journal import Journal, UndoResult
    from headrace.system.service.managers.choose import RunningGateway
    from headrace.system.state import State

__all__ = [
    "TOOL",
    "add_functions",
    "ensure",
    "functions_edits",
    "has_functions",
    "remove",
    "withdraw",
]

#: How the journal calls the files of this room.
TOOL = "gateway"


def withdraw(tool: str, before: bytes | None, after: bytes, now: bytes) -> bytes | None:
    """Take an edit of this room out of a file that was changed since; None where that is nobody's
    to say.
    """
    from headrace.system.service.managers import shells  # noqa: PLC0415 - start-up time

    if tool != TOOL or not shells.is_edit(before, after):
        return None
    return shells.withdraw(now)


def _journal(state: State) -> Journal:
    from headrace.system.edits.journal import Journal  # noqa: PLC0415 - start-up time

    def mine(tool: str, _: Path, before: bytes | None, after: bytes, now: bytes) -> bytes | None:
        return withdraw(tool, before, after, now)

    return Journal(state.journal, withdraw=mine)


def ensure(
    state: State,
    folders: Folders,
    settings: Settings,
    scope: Scope,
    env: Mapping[str, str],
    *,
    functions: bool = False,
) -> RunningGateway:
    """See that the gateway of a scope is up and stays up, for the origins that `state` records.
    `functions`: the user's shells are to have those that lead tools.

    One that is up already takes new origins and settings without dropping a connection. LocalError
    when it cannot be started; then no file of it is left.
    """
    from pathlib import Path  # noqa: PLC0415 - start-up time

    from headrace.config import EnvVars, home_folder  # noqa: PLC0415 - as above
    from headrace.interface.manager import Plugins  # noqa: PLC0415 - as above
    from headrace.system.service import process  # noqa: PLC0415 - as above
    from headrace.system.service.managers import choose  # noqa: PLC0415 - as above
    from headrace.system.service.redirects import redirects  # noqa: PLC0415 - as above

    journal = _journal(state)
    origins = state.origins()
    ecosystems = Plugins().ecosystems([found.origin for found in origins])
    named = env.get(EnvVars.HEADRACE_CONFIG)
    plan = choose.plan(
        folders,
        scope,
        env,
        home=home_folder(),
        port=settings.port,
        redirects=redirects(ecosystems, origins),
        read=journal.pristine,
        recorded=state.gateway(),
        settings=Path(named) if named else None,
        functions=functions,
    )
    state.ensure_secret()
    was_up = choose.is_ours(plan) and state.kept_up_by() == plan.manager.name
    changed = journal.apply([(TOOL, edit) for edit in plan.edits], of=[TOOL])
    lock = plan.spec.held.lock
    if was_up and not changed and lock is not None and process.reload(lock):
        kept = plan.kept()
    else:
        try:
            kept = plan.start()
        except BaseException:
            plan.manager.stop(plan.spec)
            journal.undo(of=[TOOL])
            plan.manager.forget(plan.spec)
            raise
    state.record_gateway(kept.address, kept.how)
    return kept


def functions_edits(state: State, env: Mapping[str, str]) -> list[FileEdit]:
    """Describe the edits that give a user's shells the functions that lead tools, where the gateway
    is the machine's and nothing else of this room is theirs.
    """
    from headrace.config import home_folder  # noqa: PLC0415 - start-up time
    from headrace.system.service.managers import shells  # noqa: PLC0415 - as above

    shell, read = shells.login_shell(env), _journal(state).pristine
    return shells.with_functions((), home_folder(), env, shell, read)


def add_functions(state: State, env: Mapping[str, str]) -> list[FileEdit]:
    """Make these edits. Returns those that changed a file."""
    found = functions_edits(state, env)
    return _journal(state).apply([(TOOL, edit) for edit in found], of=[TOOL])


def has_functions(env: Mapping[str, str]) -> list[Path]:
    """Return the files of a user's shells that have the line for such functions."""
    from headrace.config import home_folder  # noqa: PLC0415 - start-up time
    from headrace.system.service.managers import shells  # noqa: PLC0415 - as above

    return shells.functions_in(home_folder(), env, shells.login_shell(env))


def remove(
    state: State, folders: Folders, settings: Settings, scope: Scope, env: Mapping[str, str]
) -> UndoResult:
    """Stop the gateway of a scope and take its files back. Nothing to stop is no error."""
    from headrace.config import home_folder  # noqa: PLC0415 - start-up time
    from headrace.interface.hookspecs import GatewayAddress, Scope  # noqa: PLC0415 - as above
    from headrace.system.service.managers import choose, shells  # noqa: PLC0415 - as above

    journal = _journal(state)
    if scope is Scope.USER:
        for path, clean in shells.leftovers(home_folder(), env, shells.login_shell(env)):
            journal.adopt(TOOL, path, clean)
    return choose.remove(
        folders,
        scope,
        env,
        home=home_folder(),
        kept_up_by=state.kept_up_by(),
        address=state.gateway() or GatewayAddress("127.0.0.1", settings.port),
        undo=lambda: journal.undo(of=[TOOL]),
    )
