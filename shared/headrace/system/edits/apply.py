"""Edits, and then whoever must be told of them: performed as one, undone as one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from headrace.errors import HeadraceError, LocalError
from headrace.interface.hookspecs import FileEdit, Lingers, Reload

if TYPE_CHECKING:
    from headrace.interface.manager import Plugins
    from headrace.system.edits.journal import Journal, JournalEntry
    from headrace.system.edits.reloads import Patience

__all__ = ["LEAVING", "ApplyResult", "apply", "due", "undone"]

#: In whose name a file is written for the moment in which a program drops our setting.
LEAVING = "leaving"
_WHILE_LEAVING = "for a moment, so that the running program drops the gateway"


class Editor(Protocol):
    """Whoever edits: with a journal, and the plugins whose activations described the edits."""

    @property
    def journal(self) -> Journal:
        """Record of what is written."""

    @property
    def plugins(self) -> Plugins:
        """Know what a program needs that does not drop a setting by itself."""


@dataclass(slots=True)
class ApplyResult:
    """What came of the edits."""

    changed: list[FileEdit] = field(default_factory=list)
    refused: list[tuple[str, HeadraceError]] = field(default_factory=list)
    """Tools that were told and did not take it: their files are as before."""
    told: list[str] = field(default_factory=list)
    """Programs that read their configuration again."""
    trouble: list[str] = field(default_factory=list)
    """What went wrong where somebody was told that our setting is gone."""


def apply(
    editor: Editor,
    wanted: Sequence[tuple[str, FileEdit]],
    *,
    of: Collection[str],
    patience: Patience | None = None,
) -> ApplyResult:
    """Write, tell, and check. What a program did not take is taken back, of that tool alone.

    Where nothing changed nobody is told, but for a program that does not show what its file says,
    because an earlier run was cut short before it was told.
    """
    from headrace.system.edits import reloads  # noqa: PLC0415 - start-up time

    before = editor.journal.entries()
    result = ApplyResult(editor.journal.apply(wanted, of=[*of, LEAVING]))
    after = editor.journal.entries()
    news = {entry.reload for entry in due(before, after)}
    in_force = {entry.reload: entry.tool for entry in after if entry.reload}
    for reload, tool in in_force.items():
        missed = reload.check is not None and reloads.shows(reload.check) is False
        if reload not in news and not missed:
            continue
        try:
            if reloads.tell(reload):
                result.told.append(reload.program)
                _see(reload, present=True, patience=patience)
        except LocalError as error:
            held = editor.journal.entries()
            editor.journal.undo(of=[tool])
            undone(editor, held, patience=patience)
            result.refused.append((tool, error))
    kept = {entry.path for entry in after}
    # Whoever has the same setting from another file now was told above, and shows it rightly.
    gone = [entry for entry in before if entry.path not in kept and entry.reload not in in_force]
    told, trouble = undone(editor, gone, patience=patience)
    result.told += told
    result.trouble += trouble
    refused = {tool for tool, _ in result.refused}
    result.changed = [
        edit for tool, edit in wanted if tool not in refused and edit in result.changed
    ]
    return result


def undone(
    editor: Editor, before: Sequence[JournalEntry], *, patience: Patience | None = None
) -> tuple[list[str], list[str]]:
    """Tell whoever had our setting, by the entries that were, that it is gone.

    Files that are still in force concern nobody here. Returns who was told, and what went wrong.
    """
    told: list[str] = []
    trouble: list[str] = []
    in_force = {entry.path for entry in editor.journal.entries()}
    gone = [entry for entry in before if entry.path not in in_force]
    for entry in due(gone, ()):
        try:
            if _drop(editor, entry, patience):
                told.append(entry.reload.program if entry.reload else entry.tool)
        except HeadraceError as error:
            trouble.append(str(error))
    return told, trouble


def due(before: Iterable[JournalEntry], after: Iterable[JournalEntry]) -> list[JournalEntry]:
    """Return the files that are not as they were and of which somebody must be told, the first of
    each.
    """
    old = {entry.path: entry for entry in before}
    new = {entry.path: entry for entry in after}
    found: dict[Reload, JournalEntry] = {}
    for path in {**old, **new}:
        was, now = old.get(path), new.get(path)
        entry = now or was
        if entry is None or entry.reload is None:
            continue
        if was is None or now is None or was.after != now.after:
            found.setdefault(entry.reload, entry)
    return list(found.values())


def _drop(editor: Editor, entry: JournalEntry, patience: Patience | None) -> bool:
    """Make a program drop what its restored file no longer says; False where it does not run."""
    from headrace.system.edits import reloads  # noqa: PLC0415 - start-up time
    from headrace.system.edits.file_step import read_file  # noqa: PLC0415 - as above

    reload, path = entry.reload, Path(entry.path)
    if reload is None or not reloads.processes(reload):
        return False
    restored = read_file(path)
    leaving = _leaving(editor, entry.tool, path, restored)
    if leaving is not None:
        # Through the journal, so that a crash in this moment leaves nothing for good.
        edit = FileEdit(path, restored, leaving, _WHILE_LEAVING)
        editor.journal.apply([(LEAVING, edit)], of=[LEAVING])
    try:
        told = reloads.tell(reload)
        if told:
            _see(reload, present=False, patience=patience)
    finally:
        if leaving is not None:
            editor.journal.undo(of=[LEAVING])
    if leaving is not None:
        reloads.tell(reload)
    return told


def _leaving(editor: Editor, tool: str, path: Path, restored: bytes | None) -> bytes | None:
    for activation in editor.plugins.activations():
        if activation.tool == tool and isinstance(activation, Lingers):
            return activation.leaving(path, restored)
    return None


def _see(reload: Reload, *, present: bool, patience: Patience | None) -> None:
    from headrace.system.edits import reloads  # noqa: PLC0415 - start-up time

    if reload.check is None:
        return
    if reloads.wait_until(reload.check, present=present, patience=patience):
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
