"""What of `headrace on` is done again, and nothing beside it: the gateway's own files and start,
and the lines of tools that were led before. Origins and the network stay as they were recorded.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from headrace.cli.context import Context
from headrace.errors import LocalError
from headrace.interface.hookspecs import FileEdit, Fix, Scope

__all__ = ["gateway_again", "kept_private", "lines_again", "outdated"]


def gateway_again(context: Context) -> Fix:
    """Write what keeps the gateway up, where it is gone, and start it."""

    def perform() -> None:
        from headrace.system import service  # noqa: PLC0415 - start-up time
        from headrace.system.service.managers import account  # noqa: PLC0415 - as above

        if context.scope is Scope.SYSTEM and account.may_become():
            account.check_installation()
        shells = context.scope is Scope.USER and bool(service.has_functions(context.env))
        service.ensure(
            context.state,
            context.folders,
            context.settings,
            context.scope,
            context.env,
            functions=shells,
        )

    return Fix("start the gateway again, and write what keeps it up", perform=perform)


def outdated(context: Context) -> list[tuple[str, FileEdit]]:
    """Return the edits by which files of led tools would be as this headrace writes them, where
    they are not: another version, or one in another place, wrote them.
    """
    from headrace.cli.setup.planned_edits import wanted  # noqa: PLC0415 - start-up time
    from headrace.system.edits.file_step import target  # noqa: PLC0415 - as above

    address = context.state.gateway()
    if address is None:
        return []
    known = {entry.path: entry for entry in context.journal.entries()}
    origins = [each.origin for each in context.state.origins()]
    found = []
    for tool, edit in wanted(context, address, origins).edits:
        entry = known.get(str(target(edit.path)))
        # A file that its user changed beside our lines is merged anew, and so differs rightly.
        if entry and entry.tool == tool and entry.before == edit.before:
            found += [(tool, edit)] if entry.after != edit.after else []
    return found


def lines_again(context: Context, edits: Sequence[tuple[str, FileEdit]]) -> Fix:
    """Write the lines of tools as this headrace writes them, then what keeps the gateway up."""
    tools = list(dict.fromkeys(tool for tool, _ in edits))

    def perform() -> None:
        from headrace.cli.setup.planned_edits import wanted  # noqa: PLC0415 - start-up time
        from headrace.system.edits import apply  # noqa: PLC0415 - as above

        start: Callable[[], None] | None = gateway_again(context).perform
        if start is not None:
            start()
        address = context.state.gateway()
        if address is None or not tools:
            return
        origins = [each.origin for each in context.state.origins()]
        mine = [each for each in wanted(context, address, origins).edits if each[0] in tools]
        refused = apply.apply(context, mine, of=tools).refused
        if refused:
            raise refused[0][1]

    whose = f" for {', '.join(tools)}" if tools else ""
    return Fix(f"write what this headrace needs{whose}, and for the gateway", perform=perform)


def kept_private(path: Path) -> Fix:
    """Take a file from the eyes of others."""

    def perform() -> None:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        descriptor = os.open(path, flags)
        with contextlib.closing(os.fdopen(descriptor, "rb")):
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
                raise LocalError("odd-file", f"{path} is no file of its own", hint="look at it")
            os.fchmod(descriptor, 0o600)

    return Fix(f"make {path} readable by its owner alone", perform=perform)
