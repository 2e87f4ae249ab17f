"""Edits, and then whoever must be told of them: performed as one, undone as one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headrace.cli.context import Context
from headrace.errors import HeadraceError, LocalError
from headrace.hookspecs import FileEdit, Reload

if TYPE_CHECKING:
    from headrace.system.journal import Entry

__all__ = ["Applied", "apply", "due", "undone"]


@dataclass(slots=True)
class Applied:
    """What came of the edits."""

    changed: list[FileEdit] = field(default_factory=list)
    refused: list[tuple[str, HeadraceError]] = field(default_factory=list)
    """Tools that were told and did not take it: their files are as before."""
    told: list[str] = field(default_factory=list)
    """Programs that read their configuration again."""


def apply(
    context: Context, wanted: Sequence[tuple[str, FileEdit]], *, of: Collection[str]
) -> Applied:
    """Write, tell, and check. What a program did not take is taken back, of that tool alone."""
    from headrace.system import reloads  # noqa: PLC0415 - start-up time

    before = context.journal.entries()
    result = Applied(context.journal.apply(wanted, of=of))
    after = context.journal.entries()
    changed = due(before, after)
    in_force = {entry.reload: entry.tool for entry in after if entry.reload}
    for reload in dict.fromkeys([*changed, *in_force]):
        tool, check = in_force.get(reload), reload.check
        if reload not in changed and (check is None or reloads.shows(check) is not False):
            continue
        try:
            if reloads.tell(reload):
                result.told.append(reload.program)
                _see(reload, present=tool is not None)
        except LocalError as error:
            if tool is None:  # ours is gone from the file: it counts from its next start on
                continue
            _take_back(context, tool)
            result.refused.append((tool, error))
    gone = {tool for tool, _ in result.refused}
    result.changed = [edit for tool, edit in wanted if tool not in gone and edit in result.changed]
    return result


def undone(before: Sequence[Entry], after: Sequence[Entry]) -> tuple[list[str], list[str]]:
    """Tell whoever had our setting that it is gone; return who was told, and what went wrong."""
    from headrace.system import reloads  # noqa: PLC0415 - start-up time

    told, trouble = [], []
    for reload in due(before, after):
        try:
            if reloads.tell(reload):
                told.append(reload.program)
                _see(reload, present=False)
        except LocalError as error:
            trouble.append(str(error))
    return told, trouble


def due(before: Iterable[Entry], after: Iterable[Entry]) -> list[Reload]:
    """Return who must be told: of the files that are not as they were, each once."""
    old = {entry.path: entry for entry in before}
    new = {entry.path: entry for entry in after}
    found: dict[Reload, None] = {}
    for path in {**old, **new}:
        was, now = old.get(path), new.get(path)
        entry = now or was
        if entry is None or entry.reload is None:
            continue
        if was is None or now is None or was.after != now.after:
            found[entry.reload] = None
    return list(found)


def _take_back(context: Context, tool: str) -> None:
    before = context.journal.entries()
    context.journal.undo(of=[tool])
    undone(before, context.journal.entries())


def _see(reload: Reload, *, present: bool) -> None:
    from headrace.system import reloads  # noqa: PLC0415 - start-up time

    if reload.check is None or reloads.wait_until(reload.check, present=present):
        return
    if present:
        raise LocalError(
            "setting-not-taken",
            f"{reload.program} was told to read its configuration again and does not show the "
            "gateway; its files are as before",
            hint=f"the log of {reload.program} says what it did not like",
        )
    raise LocalError(
        "setting-not-dropped",
        f"{reload.program} was told to read its configuration again and still shows the gateway",
        hint=f"its file is as before: restart {reload.program}",
    )
