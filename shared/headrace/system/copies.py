"""Copies of documents that clients get as they are: one file for each, too large for memory.

Beside the body lies what the origin said of it (validators, lifetime). A body is written apart and
takes its name when it is whole; the note beside it is replaced last, so that it never names a body
that is not there. Nothing here waits for the disk: what a power failure takes is fetched again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headrace.errors import StoreError
from headrace.models import Document

__all__ = ["Copies", "Copy", "Draft"]

#: Seconds after which a use is written down again, and after which a draft is nobody's any more.
_TOUCH = 300.0
_ABANDONED = 24 * 3600.0


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
    """A body on its way. Readers may follow it, also when it has got its name meanwhile."""

    def __init__(self, path: Path) -> None:
        """Make an empty file; OSError when the disk cannot."""
        self.path = path
        self.size = 0
        self._file = path.open("xb", buffering=0)
        self._reading = path.open("rb", buffering=0)
        self._readers = 0
        self._over = False
        self._hasher = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Add bytes; StoreError when the disk cannot take them."""
        try:
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

    def read(self, offset: int, length: int) -> bytes:
        """Give bytes that were written; between `enter` and `leave`, from one thread."""
        self._reading.seek(offset)
        return self._reading.read(min(length, self.size - offset))

    def enter(self) -> None:
        """A reader comes."""
        self._readers += 1

    def leave(self) -> None:
        """A reader goes."""
        self._readers -= 1
        self._close_reading()

    def _close_reading(self) -> None:
        if self._over and not self._readers:
            self._reading.close()

    def close(self) -> None:
        """End writing."""
        self._file.close()

    def end(self) -> None:
        """Nobody will come to read it under this name any more; those who do go on."""
        self._over = True
        self._close_reading()

    def discard(self) -> None:
        """Remove it."""
        self.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


class Copies:
    """Copies by key. Usable from any thread."""

    def __init__(
        self, root: Path, *, limit: int = 2 << 30, clock: Callable[[], float] = time.time
    ) -> None:
        """`limit` is in bytes on disk."""
        self.root = root
        self.limit = limit
        self._clock = clock

    def get(self, key: str) -> Copy | None:
        """Return the newest copy, however old."""
        note = self._note(key)
        try:
            table = json.loads(note.read_bytes())
            if table["key"] != key:
                return None
            document = Document(body=b"", **table["document"])
            version, size = str(table["version"]), int(table["size"])
            path = self._body(note, version)
            found = path.stat()
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if found.st_size != size:
            return None
        now = self._clock()
        if now - found.st_mtime > _TOUCH:
            for each in (path, note, path.with_suffix(".table")):
                with contextlib.suppress(OSError):
                    os.utime(each, (now, now))
        return Copy(document, path, size, version)

    def begin(self, key: str) -> Draft:
        """Begin a new body; StoreError when the disk cannot take it."""
        note = self._note(key)
        try:
            note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
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
                _take_name(draft.path, path)
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
        self.trim()
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
        """Remove the longest unused until the limit holds; return the bytes that stay."""
        found: list[tuple[float, int, Path]] = []
        for path, status in self._files():
            if path.suffix in (".draft", ".tmp") and self._clock() - status.st_mtime > _ABANDONED:
                with contextlib.suppress(OSError):
                    path.unlink()
            else:
                found.append((status.st_mtime, status.st_size, path))
        used = sum(size for _, size, _ in found)
        if used <= self.limit:
            return used
        for _, size, path in sorted(found):
            if used <= self.limit * 0.9:
                break
            if path.suffix == ".draft":
                continue
            with contextlib.suppress(OSError):
                path.unlink()
                used -= size
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


def _take_name(draft: Path, path: Path) -> None:
    try:
        draft.replace(path)
    except PermissionError:
        # Windows: a reader has it open. The draft stays until it is swept.
        shutil.copyfile(draft, path)


def _unusable(root: Path, error: OSError) -> StoreError:
    return StoreError(
        "copies-unusable",
        f"documents cannot be kept in {root}: {error.strerror or error}",
        hint="check that folder's disk; clients are sent to the origin meanwhile",
    )
