"""The journal: what headrace wrote into other tools' files, and what stood there before.

Every change is one transaction. What is about to be written is on the disk, in the journal,
before the first file is touched; a crash at any moment leaves either the old files, the new ones,
or a pending transaction that the next `repair` takes back. The journal holds the bytes of the
files, so it is 0600.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from headrace import __version__
from headrace.config import EnvVars
from headrace.errors import ConflictError, LocalError
from headrace.foreign import UnreadableError, foreign, read_json
from headrace.interface.hookspecs import FileEdit, Reload
from headrace.ownership import files as ownership
from headrace.system import atomic
from headrace.system.edits import three_way
from headrace.system.edits.file_step import (
    FileStep,
    missing_folders,
    mode_of,
    perform,
    read_file,
    remove_empty,
    target,
)
from headrace.system.folders import make as make_folder
from headrace.system.locks import locked
from headrace.system.state_files import FORMAT, refuse_newer
from headrace.values import dataclass

__all__ = ["Journal", "JournalEntry", "UndoResult", "Withdraw"]

_log = logging.getLogger("headrace.system")

_T = TypeVar("_T", "JournalEntry", FileStep)

#: A tool's own way to take our settings out of a file that was rewritten since:
#: (tool, path, before, after, now) -> content, or None when it cannot tell.
Withdraw = Callable[[str, Path, bytes | None, bytes, bytes], bytes | None]


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One file as it was, and as headrace left it. `path` is the file that links lead to."""

    tool: str
    path: str
    before: bytes | None
    after: bytes | None
    mode: int | None
    """Permission bits before; None where there was no file."""
    mode_after: int
    """Permission bits as headrace left them."""
    folders: tuple[str, ...] = ()
    """Folders that had to be made, outermost first."""
    reason: str = ""
    time: float = 0.0
    """Epoch of the edit."""
    reload: Reload | None = None
    """Who must be told when this is undone."""


@dataclass(frozen=True, slots=True)
class UndoResult:
    """What `Journal.undo` did, by path."""

    restored: tuple[str, ...] = ()
    """Byte for byte as before."""
    merged: tuple[str, ...] = ()
    """Changed by somebody since: only our part was taken out."""
    kept: tuple[str, ...] = ()
    """Changed by somebody since, in our part: not touched."""


class Journal:
    """The journal of one scope."""

    def __init__(
        self,
        path: Path,
        *,
        withdraw: Withdraw = lambda *_: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Read nothing yet."""
        self.path = path
        self._withdraw = withdraw
        self._clock = clock

    # -------------------------------------------------------------- looking

    def entries(self) -> tuple[JournalEntry, ...]:
        """Return what is in force."""
        return self._load()[0]

    def pristine(self, path: Path) -> bytes | None:
        """Return the file as it would be without us: a `Reader` for activations.

        ConflictError when our part of it was changed.
        """
        entries = self.entries()
        # A command asks for the same dozens of files over and over, mostly with nothing in force.
        real = target(path) if entries else path
        for entry in entries:
            if entry.path == str(real):
                return self._without_us(entry, read_file(real))
        return read_file(path)

    # -------------------------------------------------------------- changing

    def apply(
        self, wanted: Sequence[tuple[str, FileEdit]], *, of: Collection[str] | None = None
    ) -> list[FileEdit]:
        """Make the files be as `wanted` says, and nothing else of ours in force; all or nothing.

        The edits' `before` is what `pristine` gave. `of` are the tools that `wanted` speaks for:
        what is in force of others stays (None: of all). Returns the edits that changed a file.
        """
        with self._lock():
            self._repair()
            old = {entry.path: entry for entry in self.entries()}
            new: dict[str, JournalEntry] = {}
            steps, changed = [], []
            for tool, edit in wanted:
                entry, step = self._plan(tool, edit, old)
                if entry.path in new:
                    raise ConflictError("same-file", f"two edits of {edit.path}: headrace's fault")
                if entry.before != entry.after:
                    new[entry.path] = entry
                if step.old != step.new or (
                    step.new is not None and step.old_mode != step.new_mode
                ):
                    steps.append(step)
                    changed.append(edit)
            for path, entry in old.items():
                if of is not None and entry.tool not in of:
                    new.setdefault(path, entry)
                elif path not in new:
                    now = read_file(Path(path))
                    steps.append(_undo_step(entry, now, self._without_us(entry, now)))
            self._transaction(steps, new.values())
            return changed

    def adopt(
        self, tool: str, path: Path, clean: bytes | None, reload: Reload | None = None
    ) -> None:
        """Take over a file that has our lines while the journal knows nothing of it: `clean` is
        the file without them. Changes no file.
        """
        with self._lock():
            self._repair()
            real, now, mode = target(path), read_file(path), mode_of(path)
            entries = self.entries()
            if now is None or mode is None or any(e.path == str(real) for e in entries):
                return
            why = "found without a record"
            entry = JournalEntry(
                tool, str(real), clean, now, mode, mode, (), why, self._clock(), reload
            )
            self._save((*entries, entry), ())

    def undo(self, *, force: bool = False, of: Collection[str] | None = None) -> UndoResult:
        """Take everything of ours out (`of`: of these tools). A file whose part of ours was
        changed is left and reported; with `force` it gets its old content, and the changed one
        stays beside it.
        """
        with self._lock():
            self._repair()
            restored: list[str] = []
            merged: list[str] = []
            kept: list[str] = []
            stay: list[JournalEntry] = []
            steps: list[FileStep] = []
            for entry in self.entries():
                if of is not None and entry.tool not in of:
                    stay.append(entry)
                    continue
                now = read_file(Path(entry.path))
                try:
                    content = self._without_us(entry, now)
                except ConflictError:
                    if not force:
                        kept.append(entry.path)
                        stay.append(entry)
                        continue
                    steps.append(_beside(entry, now))
                    content = entry.before
                steps.append(_undo_step(entry, now, content))
                (restored if content == entry.before else merged).append(entry.path)
            self._transaction(steps, stay)
            return UndoResult(tuple(restored), tuple(merged), tuple(kept))

    def repair(self) -> list[str]:
        """Take back a transaction that a crash cut short; return the files that were put back."""
        if not self.path.exists():
            return []
        with self._lock():
            return self._repair()

    # -------------------------------------------------------------- inside

    def _without_us(self, entry: JournalEntry, now: bytes | None) -> bytes | None:
        try:
            return three_way.without(entry.before, entry.after, now)
        except ValueError as error:
            if now is None:  # the user removed the file, and our lines with it
                return None
            if entry.after is not None:
                content = self._in_the_tools_way(entry, entry.after, now)
                if content is not None:
                    return content
            raise ConflictError(
                "changed-since",
                f"{entry.path} was changed after headrace wrote it: {error}",
                hint="take headrace's lines out by hand, or use `headrace off --force`, "
                "which keeps your version beside the file",
            ) from error

    def _in_the_tools_way(self, entry: JournalEntry, after: bytes, now: bytes) -> bytes | None:
        """A tool's code that fails, in whatever way, has only not told what is ours."""
        try:
            return self._withdraw(entry.tool, Path(entry.path), entry.before, after, now)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
            _log.warning("what is ours in %s is uncertain: %r", entry.path, error)
            return None

    def _plan(
        self, tool: str, edit: FileEdit, old: dict[str, JournalEntry]
    ) -> tuple[JournalEntry, FileStep]:
        path = target(edit.path)
        now = read_file(path)
        mode = mode_of(path)
        known = old.get(str(path))
        if (self._without_us(known, now) if known else now) != edit.before:
            raise ConflictError(
                "changed-meanwhile",
                f"{path} was changed while headrace was looking at it",
                hint="run the command again",
            )
        if known:
            mode_before, folders = known.mode, known.folders
        else:
            mode_before, folders = mode, missing_folders(path.parent)
        new_mode = 0o600 if edit.private else (0o644 if mode_before is None else mode_before)
        if edit.before == edit.after and not known:
            new_mode = 0o644 if mode is None else mode
        entry = JournalEntry(
            tool,
            str(path),
            edit.before,
            edit.after,
            mode_before,
            new_mode,
            folders,
            edit.reason,
            self._clock(),
            edit.reload,
        )
        return entry, FileStep(
            str(path), now, edit.after, mode, new_mode, missing_folders(path.parent)
        )

    def _transaction(self, steps: Sequence[FileStep], after: Iterable[JournalEntry]) -> None:
        entries = self.entries()
        after = tuple(after)
        if not steps and entries == after:
            return
        self._save(entries, steps)
        try:
            for step in steps:
                perform(step)
        except OSError as error:
            self._repair()
            where = error.filename or steps[0].path
            raise LocalError(
                "cannot-write",
                f"{where} cannot be written: {error.strerror or error}",
                hint="nothing was changed; check permissions and free space, then run it again",
            ) from error
        except BaseException:  # Ctrl-C between two files
            self._repair()
            raise
        self._save(after, ())
        gone = {entry.path: entry for entry in entries}.keys() - {entry.path for entry in after}
        for entry in entries:
            if entry.path in gone:
                remove_empty(entry.folders)

    def _repair(self) -> list[str]:
        entries, pending = self._load()
        put_back = []
        for step in reversed(pending):
            # Neither content: somebody else wrote since the crash, and that is not ours to lose.
            if read_file(Path(step.path)) == step.new and step.new != step.old:
                try:
                    perform(step.reversed())
                except OSError as error:
                    raise LocalError(
                        "cannot-repair",
                        f"{step.path} cannot be put back: {error.strerror or error}",
                        hint="the journal still holds it; make it writable, then run it again",
                    ) from error
                put_back.append(step.path)
            if step.old is None:
                remove_empty(step.folders)
        if pending:
            self._save(entries, ())
        return put_back

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """One process at a time, on every platform."""
        with contextlib.ExitStack() as stack:
            try:
                make_folder(self.path.parent)
                held = stack.enter_context(locked(self.path.with_name(f"{self.path.name}.lock")))
            except OSError as error:
                raise LocalError(
                    "journal-unwritable",
                    f"{self.path.parent} cannot be written: {error.strerror or error}",
                    hint="nothing was changed; check the folder's owner",
                ) from error
            if not held:
                # Two at once could each lose what the other wrote of what files were before.
                raise LocalError(
                    "journal-unlockable",
                    f"{self.path.parent} is on a file system that knows no locks",
                    hint=f"set {EnvVars.HEADRACE_HOME} to a folder on a disk of this machine, or "
                    "use `headrace run`, which writes no tool's files; nothing was changed",
                )
            yield

    def _load(self) -> tuple[tuple[JournalEntry, ...], tuple[FileStep, ...]]:

        def broken(why: str) -> LocalError:
            return LocalError(
                "journal-unreadable",
                f"the journal {self.path} cannot be read: {why}",
                hint="it holds what files were before; repair it rather than remove it",
            )

        with foreign("the journal", broken):
            try:
                document = read_json(ownership.read(self.path))
            except FileNotFoundError:
                return (), ()
            except UnreadableError as error:
                raise broken(error.message) from error
            refuse_newer(self.path, document, "journal-newer")
            return (
                tuple(_decode(JournalEntry, entry) for entry in document["entries"]),
                tuple(_decode(FileStep, step) for step in document["pending"]),
            )

    def _save(self, entries: Iterable[JournalEntry], pending: Iterable[FileStep]) -> None:
        document = {
            "format": FORMAT,
            "written_by": __version__,
            "entries": [_encode(entry) for entry in entries],
            "pending": [_encode(step) for step in pending],
        }
        try:
            if not document["entries"] and not document["pending"]:
                self.path.unlink(missing_ok=True)
                atomic.sync_folder(self.path.parent)
                return
            atomic.replace(self.path, json.dumps(document, indent=1).encode() + b"\n", mode=0o600)
        except OSError as error:
            raise LocalError(
                "journal-unwritable",
                f"the journal {self.path} cannot be written: {error.strerror or error}",
                hint="nothing was changed; check permissions and free space",
            ) from error


def _undo_step(entry: JournalEntry, now: bytes | None, content: bytes | None) -> FileStep:
    mode = mode_of(Path(entry.path))
    # A mode that is not the one that we gave is the user's later wish.
    new_mode = entry.mode if mode == entry.mode_after and entry.mode is not None else mode
    return FileStep(entry.path, now, content, mode, new_mode)


def _beside(entry: JournalEntry, now: bytes | None) -> FileStep:
    path = Path(entry.path)
    number = 0
    while (aside := path.with_name(f"{path.name}.headrace-conflict{number or ''}")).exists():
        number += 1
    mode = mode_of(path)
    return FileStep(str(aside), None, now, None, mode)


def _encode(value: JournalEntry | FileStep) -> dict[str, Any]:
    return {
        key: base64.b64encode(item).decode() if isinstance(item, bytes) else item
        for key, item in asdict(value).items()
    }


_BYTES = {"before", "after", "old", "new"}


def _decode(kind: type[_T], entry: dict[str, Any]) -> _T:
    values: dict[str, Any] = {}
    for name in (f.name for f in fields(kind)):
        item = entry.get(name) if name == "reload" else entry[name]  # an older journal has none
        if name in _BYTES and item is not None:
            item = base64.b64decode(item, validate=True)
        item = Reload.of(item) if isinstance(item, dict) else item
        values[name] = tuple(item) if isinstance(item, list) else item
    return kind(**values)
