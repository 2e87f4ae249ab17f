"""The content store: one folder of files named by their digest, shared by all processes.

    sha256/ab/abcdef…     whole files; the name is the proof, so a file never changes
    partial/<hash of key>.part, .map, .log    files on their way (see `partial`)

What holds after a SIGKILL at any moment: a file gets its digest's name by one rename, after its
bytes were checked by the caller and made to last; so there is never a wrong file under a digest.
A partial file is locked by its process and the system drops the lock with the process; so the next
run resumes it, and `sweep` and `evict` remove those that nobody came back for.

Eviction removes names, oldest use first. A process that has a file open goes on reading it: on
POSIX the bytes live until the last descriptor is closed, and Windows refuses the removal, which is
then left for the next time. A reader therefore opens the file at once when it found it, and takes
"no such file" as "not in the store".
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import StoreError
from headrace.models import Digest
from headrace.ownership.files import is_own
from headrace.system.folders import make as make_folder
from headrace.system.locks import locked, try_lock
from headrace.system.storage.partial import Partial, is_same
from headrace.wording import counted

__all__ = ["Partial", "Store", "StoredFile"]

_log = logging.getLogger("headrace.store")

#: Seconds after which a use is written down again; eviction needs no finer order.
_TOUCH = 60.0
#: Seconds after which a partial file is given up that nobody came back for.
_ABANDONED = 3 * 24 * 3600.0
#: The reserve's share of a large disk is more than anybody misses: a store on a disk that is nine
#: tenths full would else keep nothing although tens of gigabytes are free.
_MOST_RESERVED = 10 << 30
#: Bytes that stay free beside a file on its way. The share that the settings reserve is kept free
#: of what is *kept*; a transfer of the moment may dip into it, else a disk that is 91 % full would
#: have no parallel downloads at all.
_SLACK = 64 << 20
#: Seconds for which the sum of all sizes is believed; other processes add, too.
_USAGE_LIFETIME = 60.0


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A whole file in the store."""

    path: Path
    size: int
    digest: Digest


@dataclass(frozen=True, slots=True)
class _StoreEntry:
    path: Path
    used: float
    size: int
    partial: bool


class Store:
    """Content-addressed files under one folder. Methods may be called from any thread."""

    def __init__(
        self,
        root: Path,
        *,
        limit: int,
        reserve: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`limit` in bytes; `reserve` is the share of the disk that kept files leave free."""
        self.root = root
        self.limit = limit
        self.reserve = reserve
        self._clock = clock
        self._guard = threading.Lock()
        self._usage: tuple[float, int] | None = None

    # ------------------------------------------------------------------ finding

    def _path(self, digest: Digest) -> Path:
        return self.root / digest.algorithm / digest.value[:2] / digest.value

    def find(self, digest: Digest, size: int | None = None) -> StoredFile | None:
        """Return the file of a digest and note its use; None when it is not here.

        Where the size is known and another one is found, the disk has lost something: then the
        bytes are hashed again and a wrong file is removed.
        """
        path = self._path(digest)
        try:
            found = path.lstat()
        except OSError:
            return None
        if not is_own(found):
            return None
        if size is not None and found.st_size != size and not self._still_right(path, digest):
            return None
        now = self._clock()
        if now - found.st_mtime > _TOUCH:
            with contextlib.suppress(OSError):
                os.utime(path, (now, now))
        return StoredFile(path, found.st_size, digest)

    def _still_right(self, path: Path, digest: Digest) -> bool:
        try:
            with path.open("rb") as file:
                right = has_digest(file.fileno(), digest)
        except OSError:
            return False
        if not right:
            _log.warning("%s has changed on the disk and is removed", path)
            with contextlib.suppress(OSError):
                path.unlink()
            self._usage = None
        return right

    # ------------------------------------------------------------------ adding

    def partial(self, key: str, size: int) -> Partial:
        """Open the file on its way of a key, with what an earlier run left of it.

        `key` is the digest, or ``url:`` and a hash where there is none. Where another process
        has it in work, a private one is given, so that nobody waits for a stranger. StoreError
        when the disk has no room for it or cannot be used.
        """
        folder = self.root / "partial"
        name = hashlib.sha256(key.encode()).hexdigest()[:40]
        try:
            make_folder(folder)
            self._make_room(size)
            for number in range(1000):
                suffix = f"-{os.getpid()}-{number}" if number else ""
                partial = Partial.open(
                    folder / f"{name}{suffix}.part",
                    key,
                    size,
                    make_room=self._make_room,
                    shared=not number,
                )
                if partial is not None:
                    return partial
        except OSError as error:
            raise self._unusable(error) from error
        raise StoreError("partial-busy", f"too many downloads of {key} at a time")

    def commit(self, partial: Partial, digest: Digest) -> StoredFile:
        """Give a whole file, whose bytes the caller has checked, its digest's name.

        It waits for the disk: call it in a thread. StoreError when the disk cannot take it; the
        partial file stays as it was and can still be read.
        """
        if not partial.complete:
            raise StoreError("not-whole", f"{partial.key} has {partial.have} of {partial.size}")
        target = self._path(digest)
        try:
            make_folder(target.parent)
        except OSError as error:
            raise self._unusable(error) from error
        # Where another process was first its file is replaced by the same bytes.
        partial.move(target)
        now = self._clock()
        with contextlib.suppress(OSError):
            os.utime(target, (now, now))
        with self._guard:
            if self._usage is not None:
                self._usage = (self._usage[0], self._usage[1] + partial.size)
        self.evict(keep=target)
        return StoredFile(target, partial.size, digest)

    def _unusable(self, error: OSError) -> StoreError:
        return StoreError(
            "store-unusable",
            f"the store at {self.root} cannot be used: {error.strerror or error}",
            hint="check the folder's owner and the disk; downloads go on without it",
        )

    def _free(self) -> tuple[int, int]:
        """Return (free, total) bytes of the disk."""
        try:
            usage = shutil.disk_usage(self.root)
        except OSError as error:
            raise self._unusable(error) from error
        return usage.free, usage.total

    def _make_room(self, size: int) -> None:
        """Make sure that `size` more bytes fit on the disk, by eviction; StoreError if not."""
        needed = size + _SLACK
        if self._free()[0] >= needed:
            return
        self.evict(free=needed)
        free = self._free()[0]
        if free < needed:
            raise StoreError(
                "disk-full",
                f"the disk of {self.root} has {free} free: no room for {counted(size, 'byte')}",
                hint="free some space; downloads go on from one source, without the store",
            )

    # ------------------------------------------------------------------ removing

    def usage(self) -> int:
        """Return the bytes that files and partial files take."""
        now = time.monotonic()
        with self._guard:
            if self._usage is not None and now - self._usage[0] < _USAGE_LIFETIME:
                return self._usage[1]
        total = sum(entry.size for entry in self._entries())
        with self._guard:
            self._usage = (now, total)
        return total

    def _entries(self) -> Iterator[_StoreEntry]:
        """List everything that takes room. Files may vanish meanwhile."""
        for top in _scan(self.root):
            if top.name == "partial":
                for item in _scan(Path(top.path)):
                    if item.name.endswith(".part"):
                        yield from _entry(item, partial=True)
            elif top.is_dir(follow_symlinks=False):
                for shard in _scan(Path(top.path)):
                    for item in _scan(Path(shard.path)):
                        yield from _entry(item, partial=False)

    def evict(self, *, keep: Path | None = None, free: int = 0) -> int:
        """Remove what was not used for longest until limit and reserve are kept, and `free` bytes
        more; `keep` stays. Returns the bytes removed.
        """
        if not self.root.exists():
            return 0
        excess = self._excess(free)
        if excess <= 0:
            return 0
        removed = 0
        # One process at a time: two would each remove the whole excess.
        with locked(self.root / "evict.lock"):
            self._usage = None
            excess = self._excess(free)
            for entry in sorted(self._entries(), key=lambda entry: entry.used):
                if removed >= excess:
                    break
                if entry.path != keep and self._remove(entry):
                    removed += entry.size
            self._usage = None
        _log.info("the store gave up %d bytes", removed)
        return removed

    def _excess(self, free: int) -> int:
        """Return how many bytes are too many."""
        here, total = self._free()
        share = min(int(total * min(self.reserve, 0.9)), _MOST_RESERVED)
        wanted = max(free, share)
        return max(self.usage() - self.limit, wanted - here)

    def _remove(self, entry: _StoreEntry) -> bool:
        if entry.partial:
            return _remove_idle(entry.path)
        try:
            entry.path.unlink()
        except OSError:
            return False
        return True

    def sweep(self) -> None:
        """Remove what nobody will come back for: old partial files, and maps without their file.

        Meant for the start of the gateway; safe at any time.
        """
        now = self._clock()
        folder = self.root / "partial"
        for item in _scan(folder):
            path = Path(item.path)
            try:
                age = now - item.stat().st_mtime
            except OSError:
                continue
            if path.suffix == ".part":
                known = any(path.with_suffix(each).exists() for each in (".map", ".log"))
                # A name with a process id is found again by nobody.
                if age > _ABANDONED or "-" in path.stem or not known:
                    _remove_idle(path)
            elif not path.with_suffix(".part").exists():
                with contextlib.suppress(OSError):
                    path.unlink()
        self._usage = None
        with contextlib.suppress(StoreError):
            self.evict()


def has_digest(fd: int, digest: Digest) -> bool:
    """Say whether an open file's bytes, from its current position on, have this digest."""
    with os.fdopen(os.dup(fd), "rb", buffering=0) as file:
        return hashlib.file_digest(file, digest.hasher).hexdigest() == digest.value


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as items:
            return list(items)
    except OSError:
        return []


def _entry(item: os.DirEntry[str], *, partial: bool) -> Iterator[_StoreEntry]:
    try:
        found = item.stat(follow_symlinks=False)
    except OSError:
        return
    # A partial file is sparse: what it takes is its blocks, not its length.
    blocks = getattr(found, "st_blocks", None)
    size = blocks * 512 if partial and blocks is not None else found.st_size
    yield _StoreEntry(Path(item.path), found.st_mtime, size, partial)


def _remove_idle(path: Path) -> bool:
    """Remove a partial file unless a process works on it."""
    try:
        fd = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return False
    try:
        # Between our open and our lock it may have been committed and begun anew.
        if not try_lock(fd) or not is_same(fd, path):
            return False
        for suffix in (".map", ".maptmp", ".log"):
            path.with_suffix(suffix).unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
