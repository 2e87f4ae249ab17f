"""What readers see of a download task: bytes in order, as far as they may be given yet.

`TaskReaders` are all readers of one task; `DownloadReader` is one reader's handle, on a task or on
a file of the store. What may be given is the transfer's `horizon`, and what was given before a
mismatch was found is taken back by ending the stream with `IntegrityError`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from headrace.download.diskless import stream_without_disk
from headrace.download.spool import MemoryFile
from headrace.download.task import DownloadTask
from headrace.download.trickle import Trickle
from headrace.errors import (
    IntegrityError,
    OtherLengthError,
    StoreError,
    TransferError,
    UpstreamError,
)
from headrace.models import Artifact
from headrace.policy.portions import LARGEST, portion
from headrace.policy.timeouts import LATE_SMALL, SOURCES_WITHIN
from headrace.system.storage.file_part import CAN_BE_SENT, FilePart
from headrace.transfer import messages as m
from headrace.transfer.machine import GIVE_UP, HOLD_BACK, WHOLE_BELOW, Phase
from headrace.values import dataclass

if TYPE_CHECKING:
    from headrace.download.spool import Spool, SpoolFile
    from headrace.system.storage.file_part import SendableFile
    from headrace.system.storage.store import StoredFile

__all__ = ["DownloadReader", "Progress", "TaskReaders"]

#: Seconds for which a task that nobody reads is there for the next reader: clients that read a
#: file part by part have nobody there between two parts.
_LINGER = 1.0
#: Gives what comes next of a file, of what lies below an offset.
_Take = Callable[["SpoolFile", int], "bytes | FilePart"]
#: Bytes that are given at a time where they need no memory.
_IN_PLACE = 4 << 20
#: Those who read something just now.
_reading: set[DownloadReader] = set()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a download is, whatever its readers were given of it."""

    name: str
    size: int | None
    here: int
    """Bytes that came, right or wrong."""
    seconds: float
    held_back: bool
    """Somebody waits for the digest, because he can take nothing back."""
    weak: bool
    """What goes out meanwhile is what two mirrors agree on: the origin cannot be reached."""
    given: Mapping[str, int]
    """Bytes of these by source, as far as it is known."""


class TaskReaders:
    """The readers of one download task."""

    def __init__(self, task: DownloadTask) -> None:
        """Begin with nobody."""
        self.task = task
        self.left = asyncio.Event()
        """No reader is left."""
        self._readers: list[DownloadReader] = []
        self._stopping: asyncio.TimerHandle | None = None
        self.version = secrets.token_hex(8)
        """Names what this task alone gives."""

    def join(
        self, artifact: Artifact, *, takes_back: bool = True, patience: float = 0.0
    ) -> DownloadReader:
        """Give one more reader its handle; see `Downloader.open`."""
        reader = DownloadReader(artifact, self)
        reader.patience = patience
        if not takes_back:
            begins = asyncio.get_running_loop().time() + LATE_SMALL
            reader.trickle = Trickle(self.task.parts, begins)
        self._readers.append(reader)
        self._tell_patience()
        self.left.clear()  # an earlier reader may have been the last one then
        if self._stopping is not None:
            self._stopping.cancel()
        self.task.ask(anybody=True)
        return reader

    def leave(self, reader: DownloadReader) -> None:
        """Take a reader out. What nobody reads asks nobody, unless a source gave wrong bytes:
        which one is worth knowing, and the reader comes back.
        """
        if reader in self._readers:
            self._readers.remove(reader)
            self._tell_patience()
        if self._readers:
            self.tell_positions()
            return
        self.left.set()
        if not self._worth_finishing():
            self.task.ask(anybody=False)
            self._stopping = asyncio.get_running_loop().call_later(_LINGER, self._stop)

    def _worth_finishing(self) -> bool:
        """Whether nobody needs to be asked for the rest, or who gave wrong bytes is to be found."""
        transfer = self.task.transfer
        if transfer is None or self.task.over.is_set():
            return self.task.over.is_set()
        whole = transfer.over or transfer.phase is Phase.VERIFYING
        return whole or transfer.integrity.mismatches > 0

    def _stop(self) -> None:
        if not self._readers and not self._worth_finishing():
            self.task.stop()

    def progress(self) -> Progress:
        """Tell how far it is."""
        task = self.task
        provenance = task.transfer.state.provenance if task.transfer else {}
        return Progress(
            task.artifact.name,
            task.size,
            task.transfer.segments.held.total if task.transfer else 0,
            task.age,
            held_back=any(reader.trickle is not None for reader in self._readers),
            weak=task.parts.weak,
            given={source: runs.total for source, runs in provenance.items() if runs.total},
        )

    @property
    def tools(self) -> tuple[str, ...]:
        """Who reads it, each once."""
        return tuple(dict.fromkeys(each.tool for each in self._readers if each.tool))

    @property
    def patience(self) -> float:
        """Seconds without a byte that the most patient one bears; 0: nobody said."""
        return max((reader.patience for reader in self._readers), default=0.0)

    def _tell_patience(self) -> None:
        transfer = self.task.transfer
        if transfer is not None and transfer.state.patience != self.patience:
            self.task.driver.tell(m.ReadersBear(self.patience))

    def tell_positions(self) -> None:
        """Tell the machine where readers wait."""
        offsets = sorted({reader.position for reader in self._readers if reader.reading})
        self.task.driver.tell(m.ReadersAt(tuple(offsets)))

    @property
    def horizon(self) -> int:
        """Offset below which what is held may be given to readers."""
        task, transfer = self.task, self.task.transfer
        if transfer is None or task.failure:
            return 0
        size = task.size or 0
        # A small file that takes so long that its reader would take us for dead is released as a
        # large one is: without its end until the digest agrees.
        late = task.age > LATE_SMALL
        if late and transfer.phase in (Phase.FETCHING, Phase.VERIFYING):
            return max(transfer.horizon, size - HOLD_BACK)
        if transfer.phase is not Phase.DONE or task.confirmed:
            return transfer.horizon
        whole = size <= max(WHOLE_BELOW, task.artifact.verify_first_below) and not late
        return 0 if whole else size - HOLD_BACK

    @property
    def whole(self) -> bool:
        """Whether the digest agrees."""
        transfer = self.task.transfer
        return transfer is not None and transfer.phase is Phase.DONE

    def own_end(self, position: int) -> int:
        """The same for a reader at `position` that can take nothing back."""
        task, transfer = self.task, self.task.transfer
        if transfer is None or task.failure or not task.confirmed:
            return 0
        return transfer.own_end(position)


class DownloadReader:
    """One reader's handle. Call `release` when done, in any case."""

    def __init__(
        self,
        artifact: Artifact,
        readers: TaskReaders | None,
        stored: StoredFile | None = None,
        generation: int = 0,
    ) -> None:
        """Made by `Downloader.open`. With `stored` there is no task, and `generation` is its."""
        self.artifact = artifact
        self.from_store = stored is not None
        self.position = 0
        self.reading = False
        self._told: int | None = None
        """The length that its client may have heard."""
        self.unchecked = False
        """Whether any of it was given before the digest agreed, but the origin's own bytes to one
        that can take nothing back."""
        self.patience = 0.0
        """Seconds without a byte that it bears; 0: nobody said."""
        self.tool = ""
        """Who reads, as it calls itself; "": nobody that was asked."""
        self.trickle: Trickle | None = None
        """What it is given before the digest agrees, where it can take nothing back."""
        self._readers = readers
        self._task = readers.task if readers else None
        self._stored = stored
        self._generation = generation
        self._released = False

    @property
    def path(self) -> Path | None:
        """The whole, checked file, where it is in the store already."""
        stored = self._stored or (self._task.storage.stored if self._task else None)
        return stored.path if stored else None

    @property
    def alive(self) -> bool:
        """Whether a source has answered with bytes of it, so that a body can be promised."""
        task = self._task
        return task is None or (task.answered.is_set() and task.failure is None)

    @property
    def given_by(self) -> dict[str, int]:
        """Bytes of the whole file by source, as far as it is known; ``store``: it was here."""
        if self._readers is None or self._stored is not None:
            return {"store": self._stored.size} if self._stored is not None else {}
        return dict(self._readers.progress().given)

    @property
    def refusal(self) -> UpstreamError | None:
        """How the origin failed when it was asked last; None: it did not."""
        return self._task.accounting.refusal if self._task else None

    async def refused(self, patience: float) -> UpstreamError:
        """Wait until the origin has failed and is not better `patience` seconds later."""
        refused = self._task.accounting.refused if self._task else asyncio.Event()
        await refused.wait()
        while True:
            await asyncio.sleep(patience)
            if (error := self.refusal) is not None:
                return error

    @property
    def etag(self) -> str:
        """Strong validator with its quotes; another one after wrong bytes may have gone out."""
        digest = self.artifact.digest
        base = (digest.value if digest else self._version())[:32]
        generation = self._task.delivery.generation if self._task else self._generation
        return f'"{base}-{generation}"' if generation else f'"{base}"'

    def _version(self) -> str:
        """Name the version of a file without a digest: by its origin's validator, else this
        download alone, so that nobody puts the end of another version behind it.
        """
        transfer = self._task.transfer if self._task else None
        named = [each.validator for each in transfer.sources.values()] if transfer else []
        told = next(filter(None, named), self._readers.version if self._readers else "")
        return hashlib.sha256(f"{self.artifact.url} {told}".encode()).hexdigest()

    async def size(self) -> int:
        """Return the file's length in bytes, once somebody has shown that he can give the file.
        What is read afterwards is of this length: OtherLengthError where it proves to be wrong.

        Small files are awaited whole, so that a failure can still become another answer. Within
        about 8 s, where the length is known from the page; TransferError when nobody can.
        """
        if self._stored is not None:
            return self._stored.size
        task = self._task
        assert task is not None
        known = self.artifact.size
        small = known is not None and known <= WHOLE_BELOW
        with contextlib.suppress(TimeoutError):
            patience = SOURCES_WITHIN if known is not None else max(GIVE_UP, self.patience)
            event = task.over if small and not task.storage.diskless else task.answered
            # Counted from the download's start: who asks again, or comes late, waits no longer.
            await asyncio.wait_for(event.wait(), max(0.0, patience - task.age))
        if task.failure is not None:
            raise task.failure
        if task.size is None:
            raise TransferError("no-answer", f"nobody told the length of {self.artifact.name}")
        self._told = task.size
        return task.size

    def read(
        self, start: int = 0, end: int | None = None, *, already: int = 0
    ) -> AsyncIterator[bytes]:
        """Give ``[start, end)`` in order, in portions. The first `already` bytes of
        it an earlier process gave: they are left out, and judged as if they had been given here.

        Ends with TransferError or IntegrityError rather than with less or with wrong bytes.
        """
        given = self._read(start, end, already, self._bytes)
        return cast("AsyncIterator[bytes]", given)

    def read_in_place(
        self, start: int = 0, end: int | None = None, *, already: int = 0
    ) -> AsyncIterator[bytes | FilePart]:
        """The same, but that what lies in a file is given as a part of it, where it can be sent
        from there.
        """
        return self._read(start, end, already, self._in_place)

    async def _read(
        self,
        start: int,
        end: int | None,
        already: int,
        take: _Take,
    ) -> AsyncIterator[bytes | FilePart]:
        data: bytes | FilePart
        if self._stored is not None:
            async for data in _read_stored(self._stored, start + already, end):
                yield data
            return
        assert self._readers is not None
        task, delivery = self._readers.task, self._readers.task.delivery
        size = await self.size() if self._told is None else self._told
        end = size if end is None else min(end, size)
        self.position, self.reading = start + already, True
        self._recall(task, start, start + already)
        seen = len(delivery.spoilt)
        changed = asyncio.Event()
        delivery.watch(changed.set)
        _reading.add(self)
        try:
            self._readers.tell_positions()
            while self.position < end:
                changed.clear()
                if task.failure is not None:
                    raise task.failure
                seen = self._still_right(task, start, seen)
                if task.size != size:
                    raise OtherLengthError(self.artifact.name)
                data = self._next(self._readers, end, take)
                if not data and task.storage.diskless:
                    async for data in self._stream_without_disk(task, start, end):
                        self.position += len(data)
                        yield data
                    return
                if data := data or await self._wait(task, changed, end, size):
                    self.position += len(data)
                    yield data
        finally:
            delivery.unwatch(changed.set)
            _reading.discard(self)
            self.reading = False
            if self.trickle is not None:
                self.trickle.close()

    def _still_right(self, task: DownloadTask, start: int, seen: int) -> int:
        """Look at what proved wrong since `seen`; IntegrityError where some of it went out."""
        spoilt = task.delivery.spoilt
        if any(self._was_given(start, low, high) for low, high in spoilt[seen:]):
            message = f"{self.artifact.name}: wrong bytes went out"
            raise IntegrityError("restarted", message, hint="ask again")
        return len(spoilt)

    async def _wait(self, task: DownloadTask, changed: asyncio.Event, end: int, size: int) -> bytes:
        """Wait for what may be given; return what there is beside the spool, mostly nothing."""
        if self.trickle is None or not task.confirmed:
            await changed.wait()
            return b""
        return await self.trickle.wait(changed, self.position, end, size)

    def _was_given(self, start: int, low: int, high: int) -> bool:
        """Whether some of these bytes of the spool, which are worthless, went out."""
        if self.trickle is not None:
            return any(self.trickle.taken.within(low, high))
        return max(low, start) < min(high, self.position)

    def _recall(self, task: DownloadTask, start: int, end: int) -> None:
        """Count bytes as given that an earlier process gave, if those are the ones that lie here:
        the digest then judges them too. IntegrityError where nobody could say which they were.

        A reader that can take nothing back was given the origin's own, or what was checked, then
        as now; these are right whatever lies here.
        """
        if start == end or self.trickle is not None:
            return
        if self.artifact.digest is not None and not task.storage.inherited(start, end):
            message = f"{self.artifact.name}: what an earlier process gave of it is not here"
            raise IntegrityError("restarted", message, hint="ask again")
        task.delivery.give(start, end)

    def _next(self, readers: TaskReaders, end: int, take: _Take) -> bytes | FilePart:
        spool = readers.task.storage.spool
        if spool is None:
            return b""
        horizon = readers.horizon if self.trickle is None else readers.own_end(self.position)
        limit = min(spool.written.run_end(self.position), horizon, end)
        if limit <= self.position:
            return b""
        if self.trickle is not None and readers.whole:
            self._check_drips(self.trickle, spool)
        data = take(spool.file, limit)
        self.unchecked |= self.trickle is None and not readers.whole
        readers.task.delivery.give(self.position, self.position + len(data))
        if self.trickle is not None:
            self.trickle.took(self.position, self.position + len(data))
        return data

    def _bytes(self, file: SpoolFile, limit: int) -> bytes:
        """Return what is given next, of what lies below `limit`."""
        return file.read(self.position, min(limit - self.position, portion(len(_reading))))

    def _in_place(self, file: SpoolFile, limit: int) -> bytes | FilePart:
        if not CAN_BE_SENT or isinstance(file, MemoryFile):
            return self._bytes(file, limit)
        end = min(limit, self.position + _IN_PLACE)
        return FilePart(cast("SendableFile", file), self.position, end)

    def _check_drips(self, trickle: Trickle, spool: Spool) -> None:
        """The digest agrees: what went out before must be of the same file."""
        try:
            trickle.check(spool, self.artifact.name)
        except IntegrityError:
            assert self._task is not None
            self._task.delivery.generation += 1
            self.unchecked = True
            raise

    async def _stream_without_disk(
        self, task: DownloadTask, start: int, end: int
    ) -> AsyncIterator[bytes]:
        hasher = None
        given = self.trickle.drips if self.trickle is not None else []
        drips = [each for each in given if start <= each[0] < self.position]
        if self.artifact.digest is not None and end == task.size and start == 0:
            hasher = await task.storage.front_hasher(self.position, drips)
        begun = self.position > start
        self.unchecked = True
        alone = self.trickle is not None
        async for data in stream_without_disk(
            task, self.position, end, hasher, begun=begun, origin_alone=alone
        ):
            yield data

    def release(self) -> None:
        """Say that the reader is gone. The download goes on if it is worth it."""
        if self._released:
            return
        self._released = True
        if self._readers is not None:
            self._readers.leave(self)


async def _read_stored(stored: StoredFile, start: int, end: int | None) -> AsyncIterator[bytes]:
    end = stored.size if end is None else min(end, stored.size)
    try:
        file = await asyncio.to_thread(stored.path.open, "rb", buffering=0)
    except OSError as error:
        raise StoreError("store-io", f"{stored.path}: {error.strerror}") from error
    with file:
        file.seek(start)
        while start < end:
            data = await asyncio.to_thread(file.read, min(LARGEST, end - start))
            if not data:
                raise StoreError("store-short", f"{stored.path} is shorter than it was")
            start += len(data)
            yield data
