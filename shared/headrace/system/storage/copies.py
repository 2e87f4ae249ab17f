"""Copies of documents that clients get as they are: one file for each, too large for memory.

Beside the body lies what the origin said of it (validators, lifetime). A body is written apart and
takes its name when it is whole; the note beside it is replaced last, so that it never names a body
that is not there. Nothing here waits for the disk: what a power failure takes is fetched again.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, field
from pathlib import Path
from typing import Any, BinaryIO

from headrace.errors import StoreError
from headrace.foreign import UnreadableError, foreign, read_json
from headrace.models import Document
from headrace.ownership.files import is_own
from headrace.system.folders import make as make_folder
from headrace.system.storage.trimming import Trimming
from headrace.values import dataclass

__all__ = ["Copies", "Copy", "Draft"]

#: Seconds after which a use is written down again, and after which a draft is nobody's any more.
_TOUCH = 300.0
_ABANDONED = 24 * 3600.0
#: Bytes that stay free on the disk beside a body on its way.
_SLACK = 64 << 20


@dataclass(frozen=True, slots=True)
class Copy:
    """A whole document on the disk."""

    document: Document
    """What the origin said of it; its `body` is empty."""
    path: Path
    size: int
    version: str
    """SHA-256 of the body, shortened."""

    @property
    def table(self) -> Path:
        """Where the table of what it names belongs."""
        return self.path.with_suffix(".table")


class Draft:
    """A body on its way. Readers may follow it, also when it has got its name meanwhile.

    Usable from any thread.
    """

    def __init__(self, path: Path) -> None:
        """Make an empty file; OSError when the disk cannot."""
        self.path = path
        self.size = 0
        self._file = path.open("xb", buffering=0)
        self._reading: BinaryIO | None = None
        self._readers = 0
        self._unwanted = False
        self._hasher = hashlib.sha256()
        self._guard = threading.Lock()

    def write(self, data: bytes) -> None:
        """Add bytes; StoreError when the disk cannot take them."""
        try:
            with self._guard:
                view = memoryview(data)
                while view:
                    view = view[self._file.write(view) or 0 :]
        except OSError as error:
            raise _unusable(self.path.parent, error) from error
        self._hasher.update(data)
        self.size += len(data)

    @property
    def version(self) -> str:
        """Name of what was written so far."""
        return self._hasher.hexdigest()[:40]

    def enter(self) -> None:
        """A reader comes, while this still has its own name; StoreError when it cannot read."""
        with self._guard:
            try:
                # Only while somebody reads: Windows renames no file that is open.
                self._reading = self._reading or self.path.open("rb", buffering=0)
            except OSError as error:
                raise _unusable(self.path.parent, error) from error
            self._readers += 1

    def read(self, offset: int, length: int) -> bytes:
        """Give bytes that were written; between `enter` and `leave`."""
        with self._guard:
            assert self._reading is not None
            self._reading.seek(offset)
            return self._reading.read(min(length, self.size - offset))

    def leave(self) -> None:
        """A reader goes."""
        with self._guard:
            self._readers -= 1
            if not self._readers and self._reading is not None:
                self._reading.close()
                self._reading = None
                if self._unwanted:
                    self._remove()

    def close(self) -> None:
        """End writing."""
        with self._guard:
            self._file.close()

    def discard(self) -> None:
        """Remove it; where the system minds its readers, when the last of them goes."""
        self.close()
        with self._guard:
            self._unwanted = True
            self._remove()

    def _remove(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


@dataclass(slots=True)
class _Kept:
    """All files of one document."""

    used: float = 0.0
    size: int = 0
    paths: list[Path] = field(default_factory=list)


class Copies:
    """Copies by key. Usable from any thread."""

    def __init__(
        self, root: Path, *, limit: int = 2 << 30, clock: Callable[[], float] = time.time
    ) -> None:
        """`limit` is in bytes on disk."""
        self.root = root
        self.limit = limit
        self._clock = clock
        self._guard = threading.Lock()
        self._trimming = Trimming(self.trim)

    def get(self, key: str) -> Copy | None:
        """Return the newest copy, however old."""
        note = self._note(key)
        try:
            with foreign("a kept document"):
                table = read_json(note.read_bytes())
                if table["key"] != key or not is_own(note.lstat()):
                    return None
                document = Document(body=b"", **table["document"])
                version, size = str(table["version"]), int(table["size"])
                path = self._body(note, version)
                found = path.lstat()
        except UnreadableError:
            return None
        if found.st_size != size or not is_own(found):
            return None
        now = self._clock()
        if now - found.st_mtime > _TOUCH:
            for each in (path, note, path.with_suffix(".table")):
                with contextlib.suppress(OSError):
                    os.utime(each, (now, now))
        return Copy(document, path, size, version)

    def begin(self, key: str, size: int | None = None) -> Draft:
        """Begin a new body of so many bytes; StoreError when the disk cannot take it."""
        note = self._note(key)
        try:
            make_folder(note.parent)
            if size is not None and shutil.disk_usage(note.parent).free < size + _SLACK:
                raise _unusable(self.root, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
            return Draft(note.with_suffix(f".{os.getpid()}-{time.monotonic_ns()}.draft"))
        except OSError as error:
            raise _unusable(self.root, error) from error

    def commit(self, key: str, draft: Draft, document: Document) -> Copy:
        """Make a whole body the copy of its key; StoreError when the disk cannot."""
        note, version = self._note(key), draft.version
        path = self._body(note, version)
        try:
            draft.close()
            # The same bytes may lie there already, being read by somebody (Windows minds).
            if path.exists() and path.stat().st_size == draft.size:
                draft.discard()
            else:
                _take_name(draft, path)
        except OSError as error:
            draft.discard()
            raise _unusable(self.root, error) from error
        copy = Copy(document, path, draft.size, version)
        self._write_note(note, key, copy)
        for older in note.parent.glob(f"{note.stem}.*.body"):
            if older != path:
                for each in (older, older.with_suffix(".table")):
                    with contextlib.suppress(OSError):
                        each.unlink(missing_ok=True)
        self._trimming.wrote(copy.size, self.limit)
        return copy

    def renew(self, key: str, copy: Copy, document: Document) -> Copy:
        """Note that the origin said of this very body that it is current."""
        renewed = Copy(document, copy.path, copy.size, copy.version)
        self._write_note(self._note(key), key, renewed)
        return renewed

    def forget(self, key: str) -> None:
        """Drop a copy: the origin has no such document any more."""
        note = self._note(key)
        for each in note.parent.glob(f"{note.stem}.*"):
            if each.suffix != ".draft":
                with contextlib.suppress(OSError):
                    each.unlink()

    def trim(self) -> int:
        """Remove the longest unused until a tenth below the limit; return the bytes that stay."""
        # What belongs to one document goes at once.
        found: dict[str, _Kept] = {}
        for path, status in self._files():
            if path.suffix in (".draft", ".tmp"):
                if self._clock() - status.st_mtime > _ABANDONED:
                    with contextlib.suppress(OSError):
                        path.unlink()
                continue
            kept = found.setdefault(path.name.partition(".")[0], _Kept())
            kept.used = max(kept.used, status.st_mtime)
            kept.size += status.st_size
            kept.paths.append(path)
        used = sum(kept.size for kept in found.values())
        if used <= self.limit:
            return used
        for kept in sorted(found.values(), key=lambda kept: kept.used):
            if used <= self.limit * 0.9:
                break
            for path in kept.paths:
                with contextlib.suppress(OSError):
                    path.unlink()
            used -= kept.size
        return used

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self.root.glob("??/*"):
            with contextlib.suppress(OSError):
                yield path, path.stat()

    def _write_note(self, note: Path, key: str, copy: Copy) -> None:
        table: dict[str, Any] = asdict(copy.document)
        del table["body"]
        table["headers"] = dict(copy.document.headers)
        whole = {"key": key, "version": copy.version, "size": copy.size, "document": table}
        temporary = note.with_suffix(f".{os.getpid()}-{time.monotonic_ns()}.tmp")
        try:
            temporary.write_text(json.dumps(whole), "utf-8")
            temporary.replace(note)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise _unusable(self.root, error) from error

    def _note(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()[:40]
        return self.root / name[:2] / f"{name}.note"

    @staticmethod
    def _body(note: Path, version: str) -> Path:
        return note.with_suffix(f".{version}.body")


def _take_name(draft: Draft, path: Path) -> None:
    try:
        draft.path.replace(path)
    except PermissionError:
        # Windows: a reader has it open. The draft goes with its last reader.
        shutil.copyfile(draft.path, path)
        draft.discard()


def _unusable(root: Path, error: OSError) -> StoreError:
    return StoreError(
        "copies-unusable",
        f"documents cannot be kept in {root}: {error.strerror or error}",
        hint="check that folder's disk; clients are sent to the origin meanwhile",
    )
