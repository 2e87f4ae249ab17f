"""How ``headrace doctor --fix`` mends what was found: shown first, then done, each by itself.

Edits of files go through the journal, in the doctor's name, so `off` gives the files back.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.cli.context import Context
from headrace.cli.language.spoken import translated
from headrace.errors import ConflictError, HeadraceError, LocalError
from headrace.interface.hookspecs import FileEdit, Finding, Fix
from headrace.values import dataclass

if TYPE_CHECKING:
    from headrace.system.edits.apply import TakenBack

__all__ = ["TOOL", "Mended", "is_agreed", "mend", "offered", "shown", "sits_there"]

_log = logging.getLogger("headrace.cli")

#: In whose name the journal keeps what was mended.
TOOL = "doctor"


@dataclass(frozen=True, slots=True)
class Mended:
    """What came of one fix."""

    fix: Fix
    trouble: HeadraceError | None = None
    """Why it could not be; None: it is done."""


def offered(findings: Iterable[Finding]) -> list[Fix]:
    """Return the fixes of all findings, each once: two checks may see one fault."""
    found: dict[str, Fix] = {}
    for each in findings:
        if each.fix is not None and each.level != "ok":
            found.setdefault(each.fix.what, each.fix)
    return list(found.values())


def shown(fixes: Sequence[Fix]) -> list[str]:
    """Say what would be done, a line each, with the difference that it makes to files."""
    from headrace.system.edits.three_way import diff  # noqa: PLC0415 - start-up time

    lines: list[str] = []
    for number, fix in enumerate(fixes, 1):
        lines.append(f"{number}. {fix.what}")
        lines += [f"   {line}" for line in diff(fix.edits).splitlines()]
    return lines


def sits_there(context: Context) -> bool:
    """Whether somebody can be asked."""
    return context.to_terminal and sys.stdin is not None and sys.stdin.isatty()


def is_agreed(context: Context, question: str) -> bool:
    """Ask whoever sits there; False where nobody does."""
    if not sits_there(context):
        return False
    sys.stdout.write(f"{translated(question)} [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def mend(context: Context, fixes: Sequence[Fix]) -> list[Mended]:
    """Do each; what is in the way of one stops no other."""
    outcomes = []
    with context.state.setting_up():
        for fix in fixes:
            try:
                _do(context, fix)
            except HeadraceError as error:
                outcomes.append(Mended(fix, error))
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything
                _log.debug("the fix failed", exc_info=error)
                outcomes.append(Mended(fix, _failed(fix, error)))
            else:
                outcomes.append(Mended(fix))
    return outcomes


def _failed(fix: Fix, error: Exception) -> LocalError:
    return LocalError(
        "fix-failed",
        f"could not {fix.what}: {error}" if isinstance(error, OSError) else f"failed: {error!r}",
        hint="what the finding says can be done by hand; the other fixes went on",
    )


def _do(context: Context, fix: Fix) -> None:
    if fix.gives_back:
        _give_back(context, fix)
    elif fix.edits:
        _write(context, fix.edits)
    if fix.perform is not None:
        fix.perform()


def _write(context: Context, edits: Sequence[FileEdit]) -> None:
    from headrace.system.edits import reloads  # noqa: PLC0415 - start-up time
    from headrace.system.edits.file_step import read_file, target  # noqa: PLC0415 - as above

    journal = context.journal
    known = {entry.path: entry.tool for entry in journal.entries()}
    wanted = []
    for edit in edits:
        owner = known.get(str(target(edit.path)), TOOL)
        if owner != TOOL:
            raise ConflictError(
                "led-file",
                f"{edit.path} has what headrace wrote for {owner}",
                hint="`headrace off`, mend it, `headrace on`; it was not changed",
            )
        if read_file(edit.path) != edit.before:
            raise ConflictError(
                "changed-meanwhile",
                f"{edit.path} was changed while headrace was looking at it",
                hint="run the command again",
            )
        # One that was mended before goes on from what was there first.
        before = journal.pristine(edit.path)
        wanted.append((TOOL, FileEdit(edit.path, before, edit.after, edit.reason, edit.private)))
    journal.apply(wanted, of=())
    for reload in dict.fromkeys(edit.reload for edit in edits if edit.reload):
        reloads.tell(reload)


def _give_back(context: Context, fix: Fix) -> None:
    """Take a tool's edits out; by `Fix.edits` where their record is lost."""
    from headrace.system.edits import apply  # noqa: PLC0415 - start-up time

    before = context.journal.entries()
    if not any(entry.tool == fix.gives_back for entry in before):
        for edit in fix.edits:
            context.journal.adopt(fix.gives_back, edit.path, edit.after, edit.reload)
    undone = apply.take_back(context, force=False, of=[fix.gives_back])
    apply.undone(context, before)
    _refuse_half(undone)


def _refuse_half(undone: TakenBack) -> None:
    if undone.failed:
        raise undone.failed[0][1]
    if undone.kept:
        raise ConflictError(
            "changed-since",
            f"{Path(undone.kept[0])} was changed in headrace's own lines since; it stays as it is",
            hint="`headrace off --force` puts the old file back and keeps yours beside it",
        )
