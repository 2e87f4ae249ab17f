"""What came lately, file by file: for people who ask what just happened, after a restart too.

One line of JSON for each file that came or was here already. Two files of a bounded size, the older
of which goes when the newer one is full. Lines are written behind, together: nobody who downloads
waits for them. Several gateways of a user write to the same file; what cannot
be written or read is left out, for nothing here is worth an error to anybody.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from headrace.foreign import read_json_or_none
from headrace.ownership.files import is_own, opened
from headrace.system.folders import make as make_folder
from headrace.system.locks import locked

__all__ = ["NAME", "DownloadRecord", "entries", "new_lines"]

_log = logging.getLogger("headrace.record")

#: Its name in the state folder.
NAME = "downloads.jsonl"
#: Bytes of each of the two files, and of one line.
LIMIT = 2 << 20
_LONGEST = 8 << 10
#: Seconds from an event to its line.
_BEHIND = 0.5
#: Epoch: the year 9999.
_END_OF_TIME = 253_402_300_000
#: Lines that wait at most: a disk that takes none costs no memory.
_WAITING = 2000


class DownloadRecord:
    """Takes entries from any thread."""

    def __init__(self, path: Path | None, *, limit: int = LIMIT) -> None:
        """`path` None: nothing is kept."""
        self._path = path
        self._limit = limit
        self._guard = threading.Lock()
        self._writing = threading.Lock()
        self._lines: list[bytes] = []
        self._timer: threading.Timer | None = None
        self._closed = False

    def add(self, entry: Mapping[str, Any]) -> bool:
        """Keep an entry of plain values; False: it is too long, and is not kept."""
        if self._path is None:
            return True
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        if len(line) > _LONGEST:
            return False
        with self._guard:
            if len(self._lines) >= _WAITING:
                return True
            self._lines.append(line)
            if self._timer is None and not self._closed:
                self._timer = threading.Timer(_BEHIND, self.flush)
                self._timer.daemon = True
                self._timer.name = "record"
                self._timer.start()
        return True

    def flush(self) -> None:
        """Write what waits. Never raises."""
        with self._writing:
            with self._guard:
                self._timer = None
                lines, self._lines = self._lines, []
            if not lines or self._path is None:
                return
            try:
                self._write(self._path, b"".join(lines))
            except OSError as error:
                _log.info("what came is not recorded: %s", error)

    def _write(self, path: Path, content: bytes) -> None:
        make_folder(path.parent)
        with locked(path.with_suffix(".lock")):
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
            descriptor = os.open(path, flags, 0o600)
            with os.fdopen(descriptor, "ab") as file:
                file.write(content)
                full = file.tell() >= self._limit
            if full:
                path.replace(_older(path))

    def close(self) -> None:
        """Write the rest."""
        with self._guard:
            self._closed = True
            timer = self._timer
        if timer is not None:
            timer.cancel()
        self.flush()


def _older(path: Path) -> Path:
    return path.with_suffix(".old.jsonl")


def entries(path: Path) -> Iterator[dict[str, Any]]:
    """Yield what was recorded, the oldest first; PermissionError where that is somebody else's."""
    for each in (_older(path), path):
        content = b""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            content = each.read_bytes() if is_own(each.lstat()) else b""
        for line in content.splitlines():
            if (entry := _entry(line)) is not None:
                yield entry


def new_lines(path: Path, place: tuple[int, int]) -> tuple[list[dict[str, Any]], tuple[int, int]]:
    """Return what was recorded behind a place (inode, byte), and the place behind that. (0, 0) is
    before everything in the newer file.
    """
    # What filled the newer file was written just before that became the older one.
    rest, place = _behind(_older(path), place) if place[0] else (b"", place)
    more, place = _behind(path, place, anew=True)
    # Neither contains a half line.
    lines = (rest + more).splitlines()
    return [entry for line in lines if (entry := _entry(line)) is not None], place


def _behind(
    path: Path, place: tuple[int, int], *, anew: bool = False
) -> tuple[bytes, tuple[int, int]]:
    """Return the whole lines behind a place, and the place behind them. Of another file than the
    place is in: nothing, or with `anew` all.
    """
    try:
        with opened(path) as file:
            found = os.fstat(file.fileno())
            known = place[0] == found.st_ino and place[1] <= found.st_size
            if not known and not anew:
                return b"", place
            start = place[1] if known else 0
            file.seek(start)
            content = file.read()
    except OSError:
        return b"", place
    # The last line may be half written.
    whole = content[: content.rfind(b"\n") + 1]
    return whole, (found.st_ino, start + len(whole))


def _entry(line: bytes) -> dict[str, Any] | None:
    told = read_json_or_none(line)
    if not isinstance(told, dict) or not isinstance(told.get("kind"), str):
        return None
    at = told.get("at")
    # The system's own calendar ends somewhere behind that.
    return told if isinstance(at, int | float) and 0 <= at < _END_OF_TIME else None
