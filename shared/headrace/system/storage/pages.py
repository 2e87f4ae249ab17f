"""Kept documents: the origin's pages with their headers, and what they were rewritten to.

One file for each, replaced as a whole, with a checksum in its first line. A damaged file is as
good as none, so nothing here waits for the disk (no fsync): what a power failure takes is fetched
again. Everything here is a copy of what an origin said; all of it may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from headrace.errors import StoreError
from headrace.foreign import UnreadableError, foreign, read_json
from headrace.models import Document
from headrace.ownership.files import is_own
from headrace.policy.lru import LRUCache
from headrace.system.folders import make as make_folder
from headrace.system.storage.trimming import Trimming

__all__ = ["PageStore"]

_log = logging.getLogger("headrace.pages")

_MAGIC = "headrace-page 1"
#: Seconds after which a use is written down again.
_TOUCH = 300.0
#: A page larger than this share of the memory is not held there: one giant would drive out all.
_LARGEST_SHARE = 4
#: Seconds by which a page on the disk may look older than it is: a confirmation is not written
#: down for less.
_LOOKS_OLDER = 300.0
#: Pages in memory; those without a body weigh nothing.
_REMEMBERED = 4096


class PageStore:
    """Documents by key, on disk and the recent ones in memory. Usable from any thread."""

    def __init__(
        self,
        root: Path,
        *,
        limit: int = 512 << 20,
        memory: int = 16 << 20,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`limit` is in bytes on disk, `memory` in bytes of document bodies."""
        self.root = root
        self.limit = limit
        self._clock = clock
        self._guard = threading.Lock()
        self._recent = LRUCache[str, Document](
            memory,
            lambda document: len(document.body),
            most=_REMEMBERED,
            largest=memory // _LARGEST_SHARE,
        )
        self._written = LRUCache[str, Document](_REMEMBERED)
        """What is on the disk, without the bodies."""
        self._trimming = Trimming(self.trim)

    # ------------------------------------------------------------------ documents

    def cached(self, key: str) -> Document | None:
        """Return a document from memory; None: ask `get`, which may read the disk."""
        with self._guard:
            return self._recent.get(key)

    def get(self, key: str) -> Document | None:
        """Return a kept document, from memory or from disk."""
        document = self.cached(key)
        if document is not None:
            return document
        read = self._read(self._path(key, "page"))
        if read is None:
            return None
        try:
            with foreign("a kept page"):
                document = Document(body=read[1], **read[0]["document"])
                right = read[0]["key"] == key
        except UnreadableError:
            return None
        if not right:
            return None
        self._remember(key, document, written=True)
        return document

    def put(self, key: str, document: Document) -> None:
        """Keep a document; StoreError when the disk cannot, while memory has it all the same."""
        self._remember(key, document)
        table = asdict(document)
        del table["body"]
        table["headers"] = dict(document.headers)
        self._write(self._path(key, "page"), {"key": key, "document": table}, document.body)
        self._remember(key, document, written=True)

    def confirm(self, key: str, document: Document) -> bool:
        """Remember what its origin said of a kept document: nothing new but that it stands. False
        where that is to be written down, by `put`.
        """
        with self._guard:
            before = self._written.get(key)
        if before is None or replace(document, fetched_at=before.fetched_at, body=b"") != before:
            return False
        if document.fetched_at - before.fetched_at > _LOOKS_OLDER:
            return False
        self._remember(key, document)
        return True

    def _remember(self, key: str, document: Document, *, written: bool = False) -> None:
        with self._guard:
            self._recent.put(key, document)
            if written:
                self._written.put(key, replace(document, body=b""))

    def forget(self, key: str) -> None:
        """Drop a document and what was made of it, because it proved false."""
        with self._guard:
            self._recent.pop(key)
            self._written.pop(key)
        page = self._path(key, "page")
        for path in (page, *page.parent.glob(f"{page.stem}.*")):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    # ------------------------------------------------------------------ renderings

    def rendered(self, key: str, form: str, version: str) -> bytes | None:
        """Return what was kept of a document in this form, if it was made from this version."""
        read = self._read(self._path(key, form))
        if read is None or read[0].get("is") != [key, form, version]:
            return None
        return read[1]

    def keep_rendered(self, key: str, form: str, version: str, data: bytes) -> None:
        """Keep a rendering; the one of an older version goes. StoreError when the disk cannot."""
        self._write(self._path(key, form), {"is": [key, form, version]}, data)

    # ------------------------------------------------------------------ files

    def _path(self, key: str, form: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()[:40]
        if form != "page":
            # A form is the ecosystem's word: hashed, it can be any text and never "page".
            form = "f" + hashlib.sha256(form.encode()).hexdigest()[:12]
        return self.root / name[:2] / f"{name}.{form}"

    def _read(self, path: Path) -> tuple[dict[str, Any], bytes] | None:
        try:
            with path.open("rb") as file:
                if not is_own(os.fstat(file.fileno())):
                    return None
                data = file.read()
        except OSError:
            return None
        first, _, rest = data.partition(b"\n")
        if first != _first_line(rest):
            _log.warning("%s is damaged and left out", path)
            return None
        head, _, body = rest.partition(b"\n")
        now = self._clock()
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime > _TOUCH:
                os.utime(path, (now, now))
        try:
            table = read_json(head)
        except UnreadableError:
            return None
        return (table, body) if isinstance(table, dict) else None

    def _write(self, path: Path, head: Mapping[str, object], body: bytes) -> None:
        rest = json.dumps(head).encode() + b"\n" + body
        # The process's and the thread's own name: two may write the same page at a time.
        temporary = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
        try:
            make_folder(path.parent)
            temporary.write_bytes(_first_line(rest) + b"\n" + rest)
            now = self._clock()
            os.utime(temporary, (now, now))
            temporary.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            message = f"pages cannot be kept in {self.root}: {error.strerror or error}"
            raise StoreError("pages-unusable", message, hint="check that folder's disk") from error
        self._trimming.wrote(len(rest), self.limit)

    def trim(self) -> int:
        """Remove the longest unused until a tenth below the limit; return the bytes that stay."""
        found: list[tuple[float, int, Path]] = []
        for path in self.root.glob("??/*"):
            with contextlib.suppress(OSError):
                status = path.stat()
                if path.suffix == ".tmp" and self._clock() - status.st_mtime > 3600:
                    path.unlink(missing_ok=True)
                else:
                    found.append((status.st_mtime, status.st_size, path))
        used = sum(size for _, size, _ in found)
        if used <= self.limit:
            return used
        for _, size, path in sorted(found):
            if used <= self.limit * 0.9:
                break
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
                used -= size
        return used


def _first_line(rest: bytes) -> bytes:
    return f"{_MAGIC} {zlib.crc32(rest):08x} {len(rest)}".encode()
