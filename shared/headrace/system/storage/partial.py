"""A file on its way: sparse bytes, and beside them a map of which are there.

The order of writing makes it consistent. Bytes go into the file first; only then may the map, as
the next save puts it down, claim them. The map is replaced as a whole, never written over. So a
process that is killed at any moment leaves a map that claims too little, never too much. What came
since the map was saved is in a log (`range_log`): map and log together have all that was ever given
to anybody. After a
power failure the kernel may have kept the map and lost the bytes. That is accepted, and no fsync
is paid for it during a transfer, because bytes from an earlier run are unproven anyway until the
digest over the whole agrees.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from headrace.errors import StoreError
from headrace.foreign import UnreadableError, foreign, read_json
from headrace.system.locks import try_lock
from headrace.system.storage.range_log import RangeLog
from headrace.transfer.range_set import RangeSet

__all__ = ["Partial", "is_same"]

#: The map is saved when this many bytes came since the last time, or after this many seconds,
#: whichever is first: what a crash costs at most.
_SAVE_BYTES = 32 << 20
_SAVE_SECONDS = 2.0

_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class Partial:
    """One file on its way, held by this process alone. Methods may be called from any thread.

    Made by `Store.partial`. `write` and `read` of different ranges may run at the same time.
    """

    def __init__(
        self,
        path: Path,
        fd: int,
        key: str,
        size: int,
        *,
        make_room: Callable[[int], None],
        shared: bool,
    ) -> None:
        """Take an open and locked file; what its map says is taken over."""
        self.path = path
        self.key = key
        self.size = size
        self.shared = shared
        """False: another process has the file of this key, and this one is nobody else's."""
        self._fd: int | None = fd
        self._users = 0
        self.committed = False
        self._closing = False
        self._doubted = False
        self._make_room = make_room
        self._guard = threading.Lock()
        self._saving = threading.Lock()
        self._log = RangeLog(path.with_suffix(".log"))
        self._seeds: tuple[int, ...] = ()
        self._extents = RangeSet(self._load())
        self._unsaved = 0
        self._saved_at = time.monotonic()

    @classmethod
    def open(
        cls, path: Path, key: str, size: int, *, make_room: Callable[[int], None], shared: bool
    ) -> Partial | None:
        """Open or make the file and lock it; None when somebody else holds it."""
        while True:
            fd = os.open(path, _FLAGS, 0o600)
            try:
                if not try_lock(fd):
                    os.close(fd)
                    return None
                # The one who held it may have renamed or removed it between our open and lock.
                if is_same(fd, path):
                    return cls(path, fd, key, size, make_room=make_room, shared=shared)
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    @property
    def map_path(self) -> Path:
        """Where the map lies."""
        return self.path.with_suffix(".map")

    @property
    def have(self) -> tuple[tuple[int, int], ...]:
        """The bytes that are there: sorted, disjoint [start, end)."""
        with self._guard:
            return tuple(self._extents)

    @property
    def complete(self) -> bool:
        """Whether every byte is there."""
        return self.size == 0 or self.have == ((0, self.size),)

    @contextlib.contextmanager
    def using(self) -> Iterator[int]:
        """Keep the descriptor open meanwhile; its number may belong to another file afterwards."""
        with self._guard:
            if self._fd is None or self._closing:
                raise StoreError("partial-closed", f"{self.path.name} is closed already")
            fd = self._fd
            self._users += 1
        try:
            yield fd
        finally:
            self._release(users=1)

    def _release(self, *, users: int = 0) -> None:
        with self._guard:
            self._users -= users
            if not self._closing or self._users or self._fd is None:
                return
            fd, self._fd = self._fd, None
        os.close(fd)

    # ------------------------------------------------------------------ bytes

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write bytes; StoreError when they lie outside the file or the disk cannot take them."""
        end = offset + len(data)
        if offset < 0 or end > self.size:
            raise StoreError("outside", f"bytes {offset}-{end} of a file of {self.size}")
        with self.using() as fd:
            self._write(fd, offset, memoryview(data))
        with self._guard:
            self._extents.add(offset, end)
            if self.shared and not self._doubted and not self._closing:
                self._log.add(offset, end, self._seeds)
            self._unsaved += len(data)
            due = self._unsaved >= _SAVE_BYTES or (
                time.monotonic() - self._saved_at >= _SAVE_SECONDS
            )
        # A thread that finds a save in progress goes on: the next write saves.
        if due and self._saving.acquire(blocking=False):
            try:
                self._save()
            finally:
                self._saving.release()

    def _write(self, fd: int, offset: int, data: memoryview) -> None:
        retried = False
        while data:
            try:
                done = _pwrite(fd, data, offset)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT) and not retried:
                    retried = True
                    self._make_room(len(data))
                    continue
                raise _store_error(error, self.path) from error
            offset += done
            data = data[done:]

    def read(self, offset: int, length: int) -> bytes:
        """Read bytes, also after the commit. What was never written reads as anything."""
        parts = []
        with self.using() as fd:
            while length > 0:
                try:
                    part = _pread(fd, length, offset)
                except OSError as error:
                    raise _store_error(error, self.path) from error
                if not part:
                    break
                parts.append(part)
                offset += len(part)
                length -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Read what fits into a buffer; return how much that is, 0 behind the file's end."""
        with self.using() as fd:
            try:
                return _pread_into(fd, buffer, offset)
            except OSError as error:
                raise _store_error(error, self.path) from error

    def forget(self, start: int, end: int) -> None:
        """Take bytes out of the map, on disk too: they were found wrong."""
        with self._guard:
            self._extents.remove(start, end)
        self.save()

    def doubt(self) -> None:
        """Write down that nothing here can be used again: the digest did not agree, and whose bytes
        were wrong is only known when this run has ended well.
        """
        with self._guard:
            self._doubted = True
        self.save()

    # ------------------------------------------------------------------ the map

    def _load(self) -> tuple[tuple[int, int], ...]:
        """Read the map; a torn or foreign one, or one of another size, is as good as none.

        A map beside an empty file is of another one that was here: whoever committed that was
        killed before he took its map away. It must go before the first byte comes, because after
        that it would be believed.
        """
        self._seeds = (zlib.crc32(f"{self.key} {self.size}".encode()),)
        claimed: list[tuple[int, int]] = []
        most = 0
        try:
            with foreign("a map"):
                if self.path.stat().st_size == 0:
                    self._remove_map()
                    return ()
                most = min(self.size, self.path.stat().st_size)
                line, _, check = self.map_path.read_bytes().rpartition(b" ")
                if int(check, 16) == zlib.crc32(line):
                    table = read_json(line)
                    if table["key"] == self.key and table["size"] == self.size:
                        claimed = [(int(a), int(b)) for a, b in table["have"]]
                        self._seeds = (zlib.crc32(line),)
        except UnreadableError:
            pass
        claimed += self._log.read(self._seeds[0])
        return tuple((a, b) for a, b in claimed if 0 <= a < b <= most)

    def save(self) -> None:
        """Put the map down; StoreError when the disk cannot take it."""
        with self._saving:
            self._save()

    def _save(self) -> None:
        with self._guard:
            have = [] if self._doubted else list(self._extents)
            # No two maps are the same: entries of the log name theirs by its checksum, and what was
            # forgotten must not come back with a map that claims what an earlier one did.
            table = {"key": self.key, "size": self.size, "have": have, "id": secrets.token_hex(8)}
            self._unsaved = 0
            self._saved_at = time.monotonic()
            line = json.dumps(table, separators=(",", ":")).encode()
            check = zlib.crc32(line)
            before = self._seeds[-1:]
            self._seeds = (*before, check)
        temporary = self.path.with_suffix(".maptmp")
        try:
            temporary.write_bytes(line + b" %08x" % check)
            temporary.replace(self.map_path)
            before = (check,)
        except OSError as error:
            raise _store_error(error, self.map_path) from error
        finally:
            with self._guard:
                self._seeds = before

    # ------------------------------------------------------------------ the end

    def move(self, target: Path) -> None:
        """Make the bytes last and give them their final name (`Store.commit`).

        They reach the disk before the name does: after a power failure a name without its bytes
        would be a wrong file under its digest. The name itself may be lost then, which costs a
        download. `read` goes on working.
        """
        try:
            with self.using() as fd:
                # An earlier run may have had another size in mind.
                os.ftruncate(fd, self.size)
                getattr(os, "fdatasync", os.fsync)(fd)
                if os.name == "posix":
                    self.path.replace(target)
            if os.name != "posix":
                self._move_closed(target)
        except OSError as error:
            raise _store_error(error, self.path) from error
        self._remove_map()
        self.path = target
        self.committed = True

    def _move_closed(self, target: Path) -> None:  # pragma: no cover - Windows
        """Windows renames no file that is open, so readers are kept out for that moment."""
        with self._guard:
            if self._fd is not None:
                os.close(self._fd)
            try:
                self.path.replace(target)
            finally:
                where = target if target.exists() else self.path
                self._fd = os.open(where, os.O_RDONLY | getattr(os, "O_BINARY", 0))

    def _remove_map(self) -> None:
        for path in (self.map_path, self.path.with_suffix(".maptmp")):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        with self._guard:
            self._log.remove()

    def discard(self) -> None:
        """Remove the file and its map, and close. What was committed stays."""
        self._end(remove=True)

    def close(self) -> None:
        """Save the map and let the file go; a later run resumes from it.

        A private one (`shared` False) is removed: nobody would find it again.
        """
        self._end(remove=not self.shared)

    def _end(self, *, remove: bool) -> None:
        with self._guard:
            if self._fd is None or self._closing:
                return
            ours = not self.committed and is_same(self._fd, self.path)
        if ours and not remove:
            with contextlib.suppress(StoreError):
                self.save()
                with self._guard:
                    self._log.remove()
        elif ours:
            # The map goes first: without it the bytes are nothing.
            self._remove_map()
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
        with self._guard:
            self._closing = True
            self._log.close()
        self._release()
        if ours and remove:
            with contextlib.suppress(OSError):  # Windows removes no file that is open
                self.path.unlink(missing_ok=True)


def is_same(fd: int, path: Path) -> bool:
    """Whether a path still names the file that was opened."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except OSError:
        return False


def _store_error(error: OSError, path: Path) -> StoreError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return StoreError(
        "disk-full" if full else "store-io",
        f"{path}: {error.strerror or error}",
        hint="free some space or lower store_limit" if full else "check the cache folder's disk",
    )


if sys.platform != "win32":
    _pwrite = os.pwrite
    _pread = os.pread

    def _pread_into(fd: int, buffer: memoryview, offset: int) -> int:
        return os.preadv(fd, [buffer], offset)

else:  # Windows has no positioned writes: seek and write under one lock
    _seeking = threading.Lock()

    def _pwrite(fd: int, data: bytes | memoryview, offset: int, /) -> int:
        with _seeking:
            os.lseek(fd, offset, os.SEEK_SET)
            return os.write(fd, data)

    def _pread(fd: int, length: int, offset: int, /) -> bytes:
        with _seeking:
            os.lseek(fd, offset, os.SEEK_SET)
            return os.read(fd, length)

    def _pread_into(fd: int, buffer: memoryview, offset: int) -> int:
        data = _pread(fd, len(buffer), offset)
        buffer[: len(data)] = data
        return len(data)
