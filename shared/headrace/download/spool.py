"""Where a download's bytes lie while they come, and their digest as it grows along the front.

On the disk: the store's partial file. Where the disk cannot take them and the file is small:
memory. What was written is known here byte by byte, so nobody reads what is not there yet.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any, Protocol

from headrace.errors import StoreError
from headrace.models import Digest
from headrace.transfer.range_set import RangeSet

__all__ = ["MemoryFile", "Spool", "SpoolFile"]

#: Bytes that one call to the thread hashes.
_STRETCH = 4 << 20
_PART = 1 << 20
#: A write that takes longer than this (seconds) tells of a busy disk: then writes go to a thread,
#: so that one slow disk does not hold up every connection.
_BUSY = 0.02
#: Writes after which a disk that was busy is tried without a thread again.
_AGAIN = 512


class SpoolFile(Protocol):
    """What a spool needs of a file; the store's `Partial` has it."""

    @property
    def have(self) -> tuple[tuple[int, int], ...]:
        """What is there already."""

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Put bytes; StoreError when they cannot be taken."""

    def read(self, offset: int, length: int) -> bytes:
        """Give bytes."""

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

    def forget(self, start: int, end: int) -> None:
        """Nothing to do: the spool knows what counts."""


class Spool:
    """The bytes of one file, what of them is there, and how far they are hashed."""

    def __init__(self, file: SpoolFile, size: int, digest: Digest | None) -> None:
        """Take over what the file has."""
        self.file = file
        self.size = size
        self.written = RangeSet((low, min(high, size)) for low, high in file.have if low < size)
        self._digest = digest
        self._hasher = digest.hasher() if digest else None
        self._hashed = 0
        self._calm = 0
        self._full = asyncio.Event()

    async def filled(self) -> None:
        """Return once every byte is written: some may still be in the thread's hands."""
        while self.written.total < self.size:
            self._full.clear()
            await self._full.wait()

    async def doubt(self) -> None:
        """Some of it is wrong: what is on the disk is for no later run."""
        if (doubt := getattr(self.file, "doubt", None)) is not None:
            with contextlib.suppress(StoreError):
                await asyncio.to_thread(doubt)

    async def write(self, offset: int, data: memoryview) -> None:
        """Put bytes; StoreError when the disk cannot take them."""
        if self._calm:
            self._calm -= 1
            await asyncio.to_thread(self.file.write, offset, data)
        else:
            begun = time.perf_counter()
            self.file.write(offset, data)
            if time.perf_counter() - begun > _BUSY:
                self._calm = _AGAIN
        self.written.add(offset, offset + len(data))
        if self.written.total == self.size:
            self._full.set()

    def forget(self, start: int, end: int) -> None:
        """Drop bytes; what is hashed of them counts no more."""
        self.written.remove(start, end)
        self.file.forget(start, end)
        if start < self._hashed and self._digest:
            self._hasher, self._hashed = self._digest.hasher(), 0

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
        while start < end:
            part = self.file.read(start, min(_PART, end - start))
            if not part:
                raise StoreError("spool-short", "the partial file lost bytes")
            hasher.update(part)
            start += len(part)

    async def agrees(self) -> bool:
        """Hash what is left and say whether the whole has its digest."""
        while self.unhashed():
            await self.hash_some()
        assert self._digest is not None
        assert self._hasher is not None
        return self._hashed == self.size and self._hasher.hexdigest() == self._digest.value

    async def front_hasher(self, offset: int) -> Any:
        """Return a hash object that has seen ``[0, offset)``, which must be there."""
        assert self._digest is not None
        if self._hasher is not None and self._hashed == offset:
            return self._hasher.copy()
        hasher = self._digest.hasher()
        await asyncio.to_thread(self._hash, hasher, 0, offset)
        return hasher
