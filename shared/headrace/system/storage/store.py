"""The content store: one folder of files named by their digest, shared by all processes.

    sha256/ab/abcdef…     whole files; the name is the proof, so a file never changes
    partial/<hash of key>.part, .map, .log    files on their way (see `partial`)
    pins/    what the user wants to keep (see `pins`)
    index.sqlite    what they take, and in which order they were used (see `usage_index`)

What holds after a SIGKILL at any moment: a file gets its digest's name by one rename, after its
bytes were checked by the caller and made to last; so there is never a wrong file under a digest.
A partial file is locked by its process and the system drops the lock with the process; so the next
run resumes it, and `sweep` and `evict` remove those that nobody came back for.

Eviction removes names, oldest use first, in batches and in a thread of its own: nobody who waits
for a file waits for it, and no file that comes costs a look at those that are here. A process that
has a file open goes on reading it: on POSIX the bytes live until the last descriptor is closed, and
Windows refuses the removal, which is then left for the next time. A reader therefore opens the file
at once when it found it, and takes "no such file" as "not in the store".
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from headrace.errors import StoreError
from headrace.models import Digest
from headrace.ownership.files import is_own
from headrace.system.folders import make as make_folder
from headrace.system.locks import locked
from headrace.system.storage.eviction import (
    StoreEntry,
    list_folder,
    oldest_first,
    partials,
    remove_idle,
)
from headrace.system.storage.partial import Partial
from headrace.system.storage.pins import Pins
from headrace.system.storage.usage_index import IndexedFile, UsageIndex
from headrace.values import dataclass
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
#: What is removed beside what is too much: a share of what is here, but not more files than this,
#: so that no file that comes pays for thousands that go.
_BATCH, _MOST_FILES = 0.1, 32
#: Seconds for which the sum of the partial files is believed; other processes have some, too.
_PARTIALS_LIFETIME = 60.0
#: Seconds after which the index is held against the folder again.
_RECONCILED_FOR = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A whole file in the store."""

    path: Path
    size: int
    digest: Digest


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
        self.pins = Pins(root)
        self._index = UsageIndex(root / "index.sqlite")
        self._guard = threading.Lock()
        # Who looks whether a partial file is in work has it locked for that moment.
        self._opening = threading.RLock()
        self._partials: tuple[float, int] | None = None
        self._newest: Path | None = None
        self._evicting: threading.Thread | None = None
        self._again = False

    # ------------------------------------------------------------------ finding

    def path(self, digest: Digest) -> Path:
        """Return where the file of a digest is, or would be."""
        return self.root / digest.algorithm / digest.value[:2] / digest.value

    def find(self, digest: Digest, size: int | None = None) -> StoredFile | None:
        """Return the file of a digest and note its use; None when it is not here.

        Where the size is known and another one is found, the disk has lost something: then the
        bytes are hashed again and a wrong file is removed.
        """
        path = self.path(digest)
        try:
            found = path.lstat()
        except OSError:
            return None
        if not is_own(found):
            return None
        if size is not None and found.st_size != size and not self.verify(digest):
            return None
        now = self._clock()
        if now - found.st_mtime > _TOUCH:
            with contextlib.suppress(OSError):
                os.utime(path, (now, now))
        return StoredFile(path, found.st_size, digest)

    def verify(self, digest: Digest) -> bool:
        """Hash a file again, and remove it where it is wrong; False also where it is not here."""
        path = self.path(digest)
        try:
            with path.open("rb") as file:
                right = has_digest(file.fileno(), digest)
        except OSError:
            return False
        if not right:
            _log.warning("%s has changed on the disk and is removed", path)
            with contextlib.suppress(OSError):
                path.unlink()
            self._index.discard(digest)
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
                with self._opening:
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
        partial file stays as it was and can still be read. What has to go for it goes later.
        """
        if not partial.complete:
            raise StoreError("not-whole", f"{partial.key} has {partial.have} of {partial.size}")
        target = self.path(digest)
        try:
            make_folder(target.parent)
        except OSError as error:
            raise self._unusable(error) from error
        self._index.add(digest, partial.size, self._clock())
        try:
            # Where another process was first its file is replaced by the same bytes.
            partial.move(target)
        except StoreError:
            if not target.exists():
                self._index.discard(digest)
            raise
        now = self._clock()
        with contextlib.suppress(OSError):
            os.utime(target, (now, now))
        self._newest = target
        if not self._index.reconciled() or max(self._excess(0)) > 0:
            self._evict_soon()
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
        if not self.root.exists():
            return 0
        self._reconcile()
        return self._usage(fresh=True)

    def _usage(self, *, fresh: bool) -> int:
        now = time.monotonic()
        with self._guard:
            known = self._partials
        if fresh or known is None or now - known[0] > _PARTIALS_LIFETIME:
            known = now, sum(entry.size for entry in partials(self.root))
            with self._guard:
                self._partials = known
        return self._index.total() + known[1]

    def _reconcile(self, *, older_than: float = 0.0) -> None:
        """Hold the index against the folder if that was last done before this epoch."""
        self._index.reopen_if_replaced()
        if not self._index.reconciled() > older_than:
            # One process at a time: what one has found the next need not look for.
            with locked(self.root / "evict.lock"):
                if not self._index.reconciled() > older_than:
                    self._index.reconcile(self.root, self._clock())

    def entries(self) -> list[StoreEntry]:
        """Return everything that takes room, longest unused first."""
        if not self.root.exists():
            return []
        self._reconcile()
        return list(oldest_first(self.root, self._index))

    def evict(self, *, keep: Path | None = None, free: int = 0, batch: bool = True) -> int:
        """Remove what was not used for longest until limit and reserve are kept, and `free` bytes
        more; `keep` and what is pinned stay. What limit and reserve ask for is done in batches,
        unless the caller wants no more than that. Returns the bytes removed.
        """
        if not self.root.exists():
            return 0
        self._reconcile()
        if max(self._excess(free, fresh=True)) <= 0:
            return 0
        # One process at a time: two would each remove the whole excess.
        with locked(self.root / "evict.lock"):
            removed = self._remove_oldest(
                self._excess(free, fresh=True), keep, batch=batch and not free
            )
        _log.info("the store gave up %d bytes", removed)
        return removed

    def _excess(self, free: int, *, fresh: bool = False) -> tuple[int, int]:
        """Return how many bytes are too many for the limit, and for the disk."""
        here, total = self._free()
        share = min(int(total * min(self.reserve, 0.9)), _MOST_RESERVED)
        return self._usage(fresh=fresh) - self.limit, max(free, share) - here

    def _remove_oldest(self, excess: tuple[int, int], keep: Path | None, *, batch: bool) -> int:
        if max(excess) <= 0:
            return 0
        share = min(self.limit, self._usage(fresh=False)) * _BATCH if batch else 0.0
        known = self._index.total()
        pinned = self.pins.all().keys()
        removed = 0
        gone: list[IndexedFile] = []
        stuck: list[tuple[IndexedFile, float]] = []
        try:
            for entry in oldest_first(self.root, self._index):
                # What the index had and the folder had not is out of the sum now, too.
                missed = known - self._index.total()
                still = max(excess[0] - missed, excess[1]) - removed
                if still <= 0 and (still <= -share or len(gone) >= _MOST_FILES):
                    break
                if entry.path == keep or (entry.file and entry.file.digest in pinned):
                    continue
                if self._remove(entry):
                    removed += entry.size
                    gone += [entry.file] if entry.file else []
                elif entry.file:
                    # It goes to the end, or each batch would begin with it.
                    stuck.append((entry.file, self._clock()))
        finally:
            self._index.change(gone, stuck)
            self._partials = None
        return removed

    def _remove(self, entry: StoreEntry) -> bool:
        if entry.file is not None:
            try:
                entry.path.unlink()
            except OSError:
                return False
            return True
        # Whoever opens one may wait for this thread to make room: so none is waited for here.
        if not self._opening.acquire(blocking=False):
            return False
        try:
            return remove_idle(entry.path)
        finally:
            self._opening.release()

    # ------------------------------------------------------------------ in the background

    def _evict_soon(self) -> None:
        with self._guard:
            self._again = True
            if self._evicting is None:
                self._evicting = threading.Thread(target=self._evict_now, daemon=True)
                try:
                    self._evicting.start()
                except RuntimeError:  # the process ends, or may have no more threads
                    self._evicting = None

    def _evict_now(self) -> None:
        while True:
            with self._guard:
                if not self._again:
                    self._evicting = None
                    return
                self._again = False
            try:
                self.evict(keep=self._newest)
            except Exception as error:  # noqa: BLE001 - the next file tries again
                _log.warning("the store could not be kept within its limit: %r", error)

    def settle(self) -> None:
        """Wait until what has to go has gone."""
        while (thread := self._evicting) is not None:
            thread.join()

    def close(self) -> None:
        """Let the index go; it comes back when it is needed."""
        self.settle()
        self._index.close()

    # ------------------------------------------------------------------ at the start

    def sweep(self) -> None:
        """Remove what nobody will come back for: old partial files, and maps without their file.

        Meant for the start of the gateway; safe at any time.
        """
        now = self._clock()
        folder = self.root / "partial"
        for path in list_folder(folder):
            try:
                age = now - path.stat().st_mtime
            except OSError:
                continue
            if path.suffix == ".part":
                known = any(path.with_suffix(each).exists() for each in (".map", ".log"))
                # A name with a process id is found again by nobody.
                if age > _ABANDONED or "-" in path.stem or not known:
                    with self._opening:
                        remove_idle(path)
            elif not path.with_suffix(".part").exists():
                with contextlib.suppress(OSError):
                    path.unlink()
        if self.root.exists():
            self._reconcile(older_than=now - _RECONCILED_FOR)
        with contextlib.suppress(StoreError):
            self.evict()


def has_digest(fd: int, digest: Digest) -> bool:
    """Say whether an open file's bytes, from its current position on, have this digest."""
    with os.fdopen(os.dup(fd), "rb", buffering=0) as file:
        return hashlib.file_digest(file, digest.hasher).hexdigest() == digest.value
