"""Where a download task's bytes lie while they come, and their digest as it grows at the front.

On the disk: the store's partial file. Where the disk cannot take them and the file is small:
memory. What was written is known here byte by byte, so nobody reads what is not there yet.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from headrace.errors import StoreError
from headrace.models import Artifact, Digest
from headrace.transfer.machine import WHOLE_BELOW
from headrace.transfer.range_set import RangeSet

if TYPE_CHECKING:
    from headrace.system.storage.store import Store, StoredFile

if sys.platform == "linux":
    import resource

__all__ = ["MemoryFile", "Spool", "SpoolFile", "TaskStorage"]

_log = logging.getLogger("headrace.transfer")

#: Bytes that one call to the thread hashes, and how many must wait for it: each call, and each part
#: that it reads, costs both threads a change of hands.
_STRETCH = 16 << 20
_PART = 4 << 20
#: Bytes of it that are read at a time.
_AT_A_TIME = 512 << 10
#: A write that waits and takes longer than this (seconds) tells of a busy disk: then writes go to a
#: thread, so that one slow disk does not hold up every connection. One that only had no processor
#: tells nothing of the disk, and a thread would not have one sooner.
_BUSY = 0.02
#: Writes, of 256 KiB where bytes come fast, after which a disk that was busy is tried without a
#: thread again: the first after few, since a loop that waited for another thread looks the same;
#: after twice as many each time, if it goes on, and fewer again with each write that does not wait.
_SOON, _AGAIN = 8, 128


class SpoolFile(Protocol):
    """What a spool needs of a file; the store's `Partial` has it."""

    @property
    def have(self) -> tuple[tuple[int, int], ...]:
        """What is there already."""

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Put bytes; StoreError when they cannot be taken."""

    def read(self, offset: int, length: int) -> bytes:
        """Give bytes."""

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill a buffer as far as there are bytes; return how many it has."""

    def forget(self, start: int, end: int) -> None:
        """Drop bytes."""


class MemoryFile:
    """A small file's bytes while the disk cannot take them."""

    def __init__(self, size: int) -> None:
        """Hold `size` bytes."""
        self.have: tuple[tuple[int, int], ...] = ()
        self._bytes = bytearray(size)

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Put bytes."""
        self._bytes[offset : offset + len(data)] = data

    def read(self, offset: int, length: int) -> bytes:
        """Give bytes."""
        return bytes(memoryview(self._bytes)[offset : offset + length])

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill a buffer."""
        data = memoryview(self._bytes)[offset : offset + len(buffer)]
        buffer[: len(data)] = data
        return len(data)

    def forget(self, start: int, end: int) -> None:
        """Nothing to do: the spool knows what counts."""


class Spool:
    """The bytes of one file, what of them is there, and how far they are hashed."""

    def __init__(self, file: SpoolFile, size: int, digest: Digest | None) -> None:
        """Take over what the file has."""
        self.file = file
        self.size = size
        self.written = RangeSet((low, min(high, size)) for low, high in file.have if low < size)
        self._inherited = RangeSet(self.written)
        self._digest = digest
        self._hasher = digest.hasher() if digest else None
        self._hashed = 0
        self._calm = 0
        self._pause = _SOON
        self._full = asyncio.Event()

    async def filled(self) -> None:
        """Return once every byte is written: some may still be in the thread's hands."""
        while self.written.total < self.size:
            self._full.clear()
            await self._full.wait()

    async def doubt(self) -> None:
        """Some of it is wrong: what is on the disk is for no later task."""
        if (doubt := getattr(self.file, "doubt", None)) is not None:
            with contextlib.suppress(StoreError):
                await asyncio.to_thread(doubt)

    async def write(self, offset: int, data: memoryview) -> None:
        """Put bytes; StoreError when the disk cannot take them."""
        if self._calm:
            self._calm -= 1
            # A copy: who is cancelled meanwhile gives the buffer back, and the thread still reads.
            await asyncio.to_thread(self.file.write, offset, bytes(data))
        else:
            begun, waits = time.perf_counter(), _waits()
            self.file.write(offset, data)
            if time.perf_counter() - begun > _BUSY and _waits() != waits:
                self._calm = self._pause
                self._pause = min(2 * self._pause, _AGAIN)
            else:
                self._pause = max(self._pause - 1, _SOON)
        self.written.add(offset, offset + len(data))
        if self.written.total == self.size:
            self._full.set()

    def forget(self, start: int, end: int) -> None:
        """Drop bytes; what is hashed of them counts no more."""
        self.written.remove(start, end)
        self._inherited.remove(start, end)
        self.file.forget(start, end)
        if start < self._hashed and self._digest:
            self._hasher, self._hashed = self._digest.hasher(), 0

    def inherited(self, start: int, end: int) -> bool:
        """Whether an earlier process left all of ``[start, end)``, and it is still there."""
        return self._inherited.covers(start, end)

    @property
    def share(self) -> float:
        """How much of the file is here, 0 to 1."""
        return self.written.total / self.size if self.size else 1.0

    def worth_hashing(self) -> bool:
        """Say whether enough waits at the front for a call to the thread."""
        return self.unhashed() >= _PART

    async def follow(self) -> None:
        """Hash along the front until little is left."""
        while self.worth_hashing():
            await self.hash_some()

    def unhashed(self) -> int:
        """Return how many bytes at the front wait to be hashed."""
        return self.written.run_end(0) - self._hashed if self._hasher else 0

    async def hash_some(self) -> None:
        """Hash the next stretch of the front, in a thread."""
        hasher, start = self._hasher, self._hashed
        end = min(self.written.run_end(0), start + _STRETCH)
        if hasher is None or start >= end:
            return
        await asyncio.to_thread(self._hash, hasher, start, end)
        if self._hasher is hasher:  # else bytes were dropped meanwhile, and it began anew
            self._hashed = end

    def _hash(self, hasher: Any, start: int, end: int) -> None:
        # One buffer for all of it, which stays in a core's own cache: memory that is new each time
        # costs as much as the reading.
        buffer = memoryview(bytearray(min(_AT_A_TIME, end - start)))
        while start < end:
            count = self.file.read_into(start, buffer[: end - start])
            if not count:
                raise StoreError("spool-short", "the partial file lost bytes")
            hasher.update(buffer[:count])
            start += count

    async def agrees(self) -> bool:
        """Hash what is left and say whether the whole has its digest."""
        while self.unhashed():
            await self.hash_some()
        assert self._digest is not None
        assert self._hasher is not None
        return self._hashed == self.size and self._hasher.hexdigest() == self._digest.value

    async def front_hasher(self, offset: int, beside: Sequence[tuple[int, bytes]] = ()) -> Any:
        """Return a hash object that has seen ``[0, offset)``, which must be there, with the bytes
        `beside` (offset and bytes, in order) in the place of those that are here.
        """
        assert self._digest is not None
        if self._hasher is not None and self._hashed == offset and not beside:
            return self._hasher.copy()
        hasher, at = self._digest.hasher(), 0
        for low, data in beside:
            await asyncio.to_thread(self._hash, hasher, at, low)
            hasher.update(data)
            at = low + len(data)
        await asyncio.to_thread(self._hash, hasher, at, offset)
        return hasher


class TaskStorage:
    """The spool of one download task, whatever becomes of the disk.

    On the disk it begins. Where the disk fails, a small file goes on in memory; of a large one
    nothing is kept from then on, and each reader streams for itself (`diskless`).
    """

    def __init__(
        self,
        artifact: Artifact,
        store: Store,
        *,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        on_diskless: Callable[[], None],
    ) -> None:
        """`spawn` runs what hashes meanwhile; `on_diskless` is called once, if at all."""
        self.spool: Spool | None = None
        self.stored: StoredFile | None = None
        """The file in the store, once it is whole and right."""
        self.diskless = False
        """The disk cannot take the file: each reader streams for itself."""
        self._artifact = artifact
        self._store = store
        self._spawn = spawn
        self._on_diskless = on_diskless
        self._hashing: asyncio.Task[None] | None = None
        self._preparing = asyncio.Lock()

    @property
    def share(self) -> float:
        """How much of the file is here, 0 to 1."""
        return self.spool.share if self.spool else 0.0

    @property
    def written(self) -> tuple[tuple[int, int], ...]:
        """What is here."""
        return tuple(self.spool.written) if self.spool else ()

    def covers(self, start: int, end: int) -> bool:
        """Say whether all of ``[start, end)`` is here."""
        return self.spool is not None and self.spool.written.covers(start, end)

    def inherited(self, start: int, end: int) -> bool:
        """Whether an earlier process left all of ``[start, end)``, and it is still there."""
        return self.spool is not None and self.spool.inherited(start, end)

    async def prepare(self, size: int) -> bool:
        """Open the partial file now that the length is known; say whether this call did it."""
        if self.spool is not None or self.diskless:
            return False
        async with self._preparing:
            if self.spool is not None:
                return False
            await self._open(size)
            return self.spool is not None

    async def _open(self, size: int) -> None:
        digest = self._artifact.digest
        key = str(digest) if digest else f"url:{self._artifact.url}"
        try:
            partial = await asyncio.to_thread(self._store.partial, key, size)
            if digest is None:  # a resumed file could not be checked against anything
                for low, high in partial.have:
                    partial.forget(low, high)
            self.spool = Spool(partial, size, digest)
        except StoreError as error:
            self._lose_disk(error, size)

    def begin_anew(self) -> None:
        """Drop the file, which had another length; `prepare` opens the next one."""
        old, self.spool = self.spool, None
        if old is not None:
            self._spawn(self._discard(old))

    async def _discard(self, old: Spool) -> None:
        while self._hashing:
            await asyncio.wait({self._hashing})
        if (discard := getattr(old.file, "discard", None)) is not None:
            await asyncio.to_thread(discard)

    def _lose_disk(self, error: StoreError, size: int | None = None) -> None:
        """Go on in memory where the file is small, else leave each reader to its own stream."""
        old = self.spool
        size = old.size if old else size
        if self.diskless or size is None or (old and isinstance(old.file, MemoryFile)):
            return
        _log.warning("%s goes on without the disk: %s", self._artifact.name, error)
        if size > WHOLE_BELOW:
            self.diskless = True
            self._on_diskless()
            return
        memory = MemoryFile(size)
        self.spool = Spool(memory, size, self._artifact.digest)
        if old is not None:
            for low, high in old.written:
                memory.write(low, old.file.read(low, high - low))
                self.spool.written.add(low, high)
            if discard := getattr(old.file, "discard", None):
                discard()

    # ------------------------------------------------------------------ bytes

    async def write(self, offset: int, data: memoryview) -> None:
        """Put bytes where they can be put."""
        assert self.spool is not None
        try:
            await self.spool.write(offset, data)
        except StoreError as error:
            self._lose_disk(error)
            if not self.diskless:  # it is in memory from now on, these bytes too
                await self.spool.write(offset, data)

    def read(self, offset: int, length: int) -> bytes | None:
        """Give bytes that are here; None where the disk fails."""
        assert self.spool is not None
        try:
            return self.spool.file.read(offset, length)
        except StoreError as error:
            self._lose_disk(error)
            return None

    def forget(self, start: int, end: int) -> None:
        """Drop bytes."""
        assert self.spool is not None
        try:
            self.spool.forget(start, end)
        except StoreError as error:
            self._lose_disk(error)

    # ------------------------------------------------------------------ hashing and the end

    async def front_hasher(self, offset: int, beside: Sequence[tuple[int, bytes]] = ()) -> Any:
        """Return a hash object that has seen ``[0, offset)``; None where those bytes are gone.
        `beside` as for `Spool.front_hasher`.
        """
        if self.spool is not None:
            return await self.spool.front_hasher(offset, beside)
        digest = self._artifact.digest
        return digest.hasher() if digest and offset == 0 else None

    def hash_along(self) -> None:
        """Hash what is new at the front, in a thread, if that is worth while."""
        if self._hashing is None and self.spool and self.spool.worth_hashing():
            self._hashing = self._spawn(self._hash_front(self.spool))

    async def _hash_front(self, spool: Spool) -> None:
        try:
            await spool.follow()
        except StoreError as error:
            if spool is self.spool:
                self._lose_disk(error)
        finally:
            self._hashing = None

    async def agrees(self) -> bool | None:
        """Say whether the whole has its digest; None where the disk is lost meanwhile."""
        spool = self.spool
        assert spool is not None
        try:
            await spool.filled()
            while self._hashing:  # the last write may have begun another one
                await asyncio.wait({self._hashing})
            agrees = await spool.agrees()
        except StoreError as error:
            self._lose_disk(error)
            in_memory_now = self.spool is not spool
            return await self.agrees() if in_memory_now else None
        if not agrees:
            _log.warning(
                "%s: the digest does not agree; looking for the source of the wrong bytes",
                self._artifact.name,
            )
            await spool.doubt()
        return agrees

    async def keep(self) -> None:
        """Put the file, whole and right, in the store. Where that fails it is not kept."""
        digest, spool = self._artifact.digest, self.spool
        assert spool is not None
        if digest is None or isinstance(spool.file, MemoryFile):
            return
        try:
            file = cast("Any", spool.file)
            self.stored = await asyncio.to_thread(self._store.commit, file, digest)
        except StoreError as error:
            _log.warning("%s was not kept: %s", self._artifact.name, error)

    async def close(self, *, discard: bool) -> None:
        """Close the partial file; what it holds stays for a later task unless it is discarded."""
        if self.spool is not None:
            end = getattr(self.spool.file, "discard" if discard else "close", None)
            if end is not None:
                await asyncio.to_thread(end)


if sys.platform == "linux":

    def _waits() -> int:
        """Count the times that this thread gave its processor up by itself: to wait."""
        return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw

else:  # whatever takes long counts as waiting
    _waits = itertools.count().__next__
