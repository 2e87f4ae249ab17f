"""Edits, and then whoever must be told of them: performed as one, undone as one."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from headrace.errors import HeadraceError, LocalError
from headrace.interface.hookspecs import FileEdit, Lingers, Reload
from headrace.values import dataclass

if TYPE_CHECKING:
    from headrace.interface.hookspecs import Activation
    from headrace.system.edits.journal import Journal, JournalEntry, UndoResult
    from headrace.system.edits.reloads import Patience

__all__ = ["LEAVING", "ApplyResult", "TakenBack", "apply", "due", "take_back", "undone"]

_log = logging.getLogger("headrace.system")

#: In whose name a file is written for the moment in which a program drops our setting.
LEAVING = "leaving"
_WHILE_LEAVING = "for a moment, so that the running program drops the gateway"


class KnowsTools(Protocol):
    """Has the activations that described the edits; `headrace.interface.manager.Plugins`."""

    def activations(self) -> Sequence[Activation]:
        """Return them."""


class Editor(Protocol):
    """Whoever edits: with a journal, and the plugins whose activations described the edits."""

    @property
    def journal(self) -> Journal:
        """Record of what is written."""

    @property
    def plugins(self) -> KnowsTools:
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


@dataclass(slots=True)
class TakenBack:
    """What came of taking edits back, by path."""

    restored: list[str] = field(default_factory=list)
    """Byte for byte as before."""
    merged: list[str] = field(default_factory=list)
    """Changed by somebody since: only our part was taken out."""
    kept: list[str] = field(default_factory=list)
    """Changed by somebody since, in our part: not touched."""
    failed: list[tuple[str, HeadraceError]] = field(default_factory=list)
    """Tools of which nothing could be taken back, with what is in the way."""

    def add(self, part: UndoResult) -> None:
        """Count in what the journal did."""
        self.restored += part.restored
        self.merged += part.merged
        self.kept += part.kept


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
    result = ApplyResult()
    _write(editor, wanted, [*of, LEAVING], result)
    after = editor.journal.entries()
    news = {entry.reload for entry in due(before, after)}
    in_force = {entry.reload: entry.tool for entry in after if entry.reload}
    for reload, tool in in_force.items():
        missed = reload.check is not None and reloads.shows(reload.check) is False
        if reload not in news and not missed:
            continue
        try:
            with _whose(tool):
                if reloads.tell(reload):
                    result.told.append(reload.program)
                    _see(reload, present=True, patience=patience)
        except HeadraceError as error:
            held = editor.journal.entries()
            left = take_back(editor, force=False, of=[tool])
            for where in (*(str(each) for _, each in left.failed), *left.kept):
                error.hint += f"; not taken back: {where}"
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


def _write(
    editor: Editor, wanted: Sequence[tuple[str, FileEdit]], of: Sequence[str], result: ApplyResult
) -> None:
    """Write all in one; where that cannot be, tool by tool, so that one's file is its own trouble.

    What is wrong with the journal itself is everybody's trouble.
    """
    try:
        with _whose("the tools"):
            result.changed += editor.journal.apply(wanted, of=of)
    except HeadraceError as error:
        if _of_the_journal(error):
            raise
    else:
        return
    for tool in dict.fromkeys([*of, *(tool for tool, _ in wanted)]):
        mine = [each for each in wanted if each[0] == tool]
        try:
            with _whose(tool):
                result.changed += editor.journal.apply(mine, of=[tool])
        except HeadraceError as error:
            if _of_the_journal(error):
                raise
            result.refused.append((tool, error))


def take_back(editor: Editor, *, force: bool, of: Sequence[str]) -> TakenBack:
    """Take everything of these tools out in one; where that cannot be, each by itself, so that one
    that cannot be given back keeps no other.
    """
    result = TakenBack()
    recorded = {entry.tool for entry in editor.journal.entries()}
    mine = [tool for tool in of if tool in recorded]
    try:
        with _whose("the tools"):
            result.add(editor.journal.undo(force=force, of=of))
    except HeadraceError as error:
        if _of_the_journal(error) or not mine:
            raise
    else:
        return result
    for tool in mine:
        try:
            with _whose(tool):
                result.add(editor.journal.undo(force=force, of=[tool]))
        except HeadraceError as error:
            if _of_the_journal(error):
                raise
            result.failed.append((tool, error))
    return result


def _of_the_journal(error: HeadraceError) -> bool:
    return error.reference.startswith("journal-") or error.reference == "cannot-repair"


@contextlib.contextmanager
def _whose(tool: str) -> Iterator[None]:
    """Make whatever goes wrong with a tool's files an error that names the tool."""
    try:
        yield
    except HeadraceError:
        raise
    except Exception as error:
        _log.debug("the files of %s", tool, exc_info=error)
        raise LocalError(
            "edit-failed",
            f"the files of {tool} cannot be changed: {error!r}",
            hint=f"everything but {tool} goes on; look at its files, then run this again",
        ) from error


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
        except Exception as error:  # noqa: BLE001 - whatever one program is in trouble with
            trouble.append(_said(entry, error))
    return told, trouble


def _said(entry: JournalEntry, error: Exception) -> str:
    if isinstance(error, HeadraceError):
        return str(error)
    program = entry.reload.program if entry.reload else entry.tool
    return f"{program} could not be told that {entry.path} is as before ({error!r}): restart it"


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
