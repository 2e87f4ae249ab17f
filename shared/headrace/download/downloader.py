"""Artifacts for readers: from the store, or from one shared download that every reader follows.

`Downloader.open` finds or starts the download; `DownloadReader` is one reader's handle on it.
Bytes are given in order while they arrive; what may be given is the transfer's `horizon`, and what
was given before a mismatch was found is taken back by ending the stream with `IntegrityError`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.config import Settings
from headrace.download.connections import ConnectionLimiter
from headrace.download.context import DownloadContext
from headrace.download.diskless import stream_without_disk
from headrace.download.task import DownloadTask
from headrace.errors import IntegrityError, StoreError, TransferError
from headrace.models import Artifact, Source, SourceFailed, TransferFinished
from headrace.transfer.machine import GIVE_UP, WHOLE_BELOW

if TYPE_CHECKING:
    from headrace.system.storage.store import Store, StoredFile
    from headrace.upstream.client import Client

__all__ = ["DownloadReader", "Downloader"]

#: Bytes that a reader is given at a time; all the memory that a reader needs.
CHUNK = 256 << 10
STORED_CHUNK = 512 << 10
#: Seconds in which a client must have its headers, less what the gateway itself needs.
_HEADERS = 8.0
#: Seconds that a large download waits in line before it goes on with one connection.
_TURN = 1.5
#: Seconds that a download waits for the last one of the same file to put its bytes down.
_HANDOVER = 1.0


class Downloader:
    """All downloads of a process. For one event loop."""

    def __init__(
        self,
        client: Client,
        store: Store,
        settings: Settings,
        *,
        report: Callable[..., None],
        observe: Callable[[SourceFailed | TransferFinished], None],
        confirm: Callable[[Artifact], Awaitable[bool]] | None = None,
        headers_for: Callable[[Artifact, Source], Mapping[str, str]],
    ) -> None:
        """`headers_for` gives a request's extra headers: the origin's credential, and to the
        origin alone. `confirm` is asked about artifacts that a provisional page named.
        """
        self._store = store
        self.context = DownloadContext(
            client,
            store,
            ConnectionLimiter(settings.connections),
            report,
            observe,
            confirm,
            headers_for,
        )
        self._runs: dict[str, DownloadTask] = {}
        self._readers: dict[DownloadTask, list[DownloadReader]] = {}
        self._turns = asyncio.Semaphore(max(1, settings.downloads))
        self._etags: dict[str, int] = {}
        """Generations that were burnt by wrong bytes, by key; small, for the process's life."""
        self._corrupt_sources: dict[str, set[str]] = {}
        """Sources that gave wrong bytes, by key: the statistics may forget sooner."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending: dict[str, asyncio.Task[None]] = {}
        """By key: the last run, which may still hold the partial file."""
        self._per_host = settings.connections_per_mirror

    @property
    def active(self) -> int:
        """Downloads under way."""
        return len(self._runs)

    @property
    def connections(self) -> int:
        """Connections in use for artifacts."""
        return self.context.connections.used

    @property
    def busy(self) -> Mapping[str, int]:
        """Requests that run now, by the source's id; a live table."""
        return self.context.connections.busy

    async def open(
        self,
        artifact: Artifact,
        sources: Sequence[Source],
        *,
        more: Callable[[], Sequence[Source]] | None = None,
    ) -> DownloadReader:
        """Give a handle on an artifact's bytes; returns at once, `DownloadReader.size` waits.

        `sources` best first, the origin among them. `more` is asked for sources that were found
        late, for some seconds.
        """
        digest = artifact.digest
        key = str(digest) if digest else f"url:{artifact.url}"
        run = self._runs.get(key)
        if run is None and digest is not None:
            stored = await asyncio.to_thread(self._store.find, digest)
            if stored is not None:
                return DownloadReader(artifact, None, self, stored, self._etags.get(key, 0))
            run = self._runs.get(key)  # somebody may have begun meanwhile
        if run is not None and run.failure is not None:
            run = None
        if run is None:
            liars = self._corrupt_sources.get(key, set())
            usable = [
                s
                for s in sources
                if s.is_origin or (digest and artifact.mirrored and s.id not in liars)
            ]
            run = self._runs[key] = DownloadTask(artifact, usable, self.context, more)
            run.generation = self._etags.get(key, 0)
            run.accounting.corrupt_sources |= liars
            self._readers[run] = []
            task = asyncio.ensure_future(self._drive(key, run, self._ending.get(key)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            self._ending[key] = task
        download = DownloadReader(artifact, run, self, None, run.generation)
        self._readers[run].append(download)
        run.left.clear()  # an earlier reader may have been the last one then
        return download

    async def _drive(self, key: str, run: DownloadTask, before: asyncio.Task[None] | None) -> None:
        """Take a run from its start to its end, and clean up after it.

        `before` is the last run for the same file. Where it is about to end it is waited for: what
        it leaves on the disk is not fetched again.
        """
        turn = False
        try:
            if before is not None:
                await asyncio.wait({before}, timeout=_HANDOVER)
            large = run.artifact.size is None or run.artifact.size > WHOLE_BELOW
            if large:
                turn = await self._take_turn(run)
            await run.start()
            if large and not turn:
                turn = await self._wait_for_turn(run)
            await run.over.wait()
            if run.storage.diskless:
                await run.left.wait()
        finally:
            if turn:
                self._turns.release()
            if run.generation:
                self._etags[key] = run.generation
            if run.accounting.corrupt_sources:
                self._corrupt_sources[key] = run.accounting.corrupt_sources
            if self._runs.get(key) is run:
                del self._runs[key]
        await run.left.wait()
        await run.close()
        self._readers.pop(run, None)
        if self._ending.get(key) is asyncio.current_task():
            del self._ending[key]

    async def _take_turn(self, run: DownloadTask) -> bool:
        """Wait in line for a while; False: the line is long, and the run begins with little."""
        try:
            await asyncio.wait_for(self._turns.acquire(), _TURN)
        except TimeoutError:
            run.limit(1)  # better one connection than a client that gives up
            return False
        return True

    async def _wait_for_turn(self, run: DownloadTask) -> bool:
        """Let a run that has begun on one connection use more when its turn comes; True: it came.

        False when the run was over first.
        """
        waiting = asyncio.ensure_future(self._turns.acquire())
        over = asyncio.ensure_future(run.over.wait())
        await asyncio.wait({waiting, over}, return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        came = waiting.done()
        waiting.cancel()
        if came:
            run.limit(None)
        return came

    def leave(self, run: DownloadTask, download: DownloadReader) -> None:
        """Take a reader out. The download goes on if others read it, if it is half done, or if
        somebody lied in it: who did is worth knowing, and the reader comes back.
        """
        readers = self._readers.get(run, [])
        if download in readers:
            readers.remove(download)
        if readers:
            self.wanted(run)
            return
        run.left.set()
        if not run.over.is_set() and not run.suspicious and run.share < 0.5:
            run.stop()

    def wanted(self, run: DownloadTask) -> None:
        """Tell a run where its readers wait."""
        offsets = sorted({d.position for d in self._readers.get(run, ()) if d.reading})
        run.want(tuple(offsets))

    async def aclose(self) -> None:
        """Stop all downloads; what they hold stays for the next run."""
        runs = list(self._readers)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))
        for run in runs:
            await run.close()
        self._readers.clear()
        self._runs.clear()


class DownloadReader:
    """One reader's handle. Call `release` when done, in any case."""

    def __init__(
        self,
        artifact: Artifact,
        run: DownloadTask | None,
        downloader: Downloader,
        stored: StoredFile | None,
        generation: int,
    ) -> None:
        """Made by `Downloader.open`."""
        self.artifact = artifact
        self.from_store = stored is not None
        self.position = 0
        self.reading = False
        self._run = run
        self._downloader = downloader
        self._stored = stored
        self._generation = generation
        self._released = False

    @property
    def path(self) -> Path | None:
        """The whole, checked file, where it is in the store already."""
        stored = self._stored or (self._run.storage.stored if self._run else None)
        return stored.path if stored else None

    @property
    def alive(self) -> bool:
        """Whether a source has answered with bytes of it, so that a body can be promised."""
        return self._run is None or (self._run.answered.is_set() and self._run.failure is None)

    @property
    def etag(self) -> str:
        """Strong validator with its quotes; another one after wrong bytes may have gone out."""
        digest = self.artifact.digest
        base = digest.value if digest else hashlib.sha256(self.artifact.url.encode()).hexdigest()
        base = base[:32]
        generation = self._run.generation if self._run else self._generation
        return f'"{base}-{generation}"' if generation else f'"{base}"'

    async def size(self) -> int:
        """Return the file's length in bytes, once somebody has shown that he can give the file.

        Small files are awaited whole, so that a failure can still become another answer. Within
        about 8 s, where the length is known from the page; TransferError when nobody can.
        """
        if self._stored is not None:
            return self._stored.size
        run = self._run
        assert run is not None
        known = self.artifact.size
        small = known is not None and known <= WHOLE_BELOW
        with contextlib.suppress(TimeoutError):
            patience = _HEADERS if known is not None else GIVE_UP
            event = run.over if small and not run.storage.diskless else run.answered
            # Counted from the download's start: who asks again, or comes late, waits no longer.
            await asyncio.wait_for(event.wait(), max(0.0, patience - run.age))
        if run.failure is not None:
            raise run.failure
        if run.size is None:
            raise TransferError("no-answer", f"nobody told the length of {self.artifact.name}")
        return run.size

    async def read(self, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Give ``[start, end)`` in order, in chunks of at most 512 kB.

        Ends with TransferError or IntegrityError rather than with less or with wrong bytes.
        """
        if self._stored is not None:
            async for data in self._read_stored(self._stored, start, end):
                yield data
            return
        run = self._run
        assert run is not None
        size = await self.size()
        end = size if end is None else min(end, size)
        self.position, self.reading = start, True
        seen = len(run.spoilt)
        changed = asyncio.Event()
        run.watch(changed.set)
        try:
            self._downloader.wanted(run)
            while self.position < end:
                changed.clear()
                if run.failure is not None:
                    raise run.failure
                for low, high in run.spoilt[seen:]:
                    if low < self.position and start < high:
                        message = f"{self.artifact.name}: wrong bytes went out"
                        raise IntegrityError("restarted", message, hint="ask again")
                seen = len(run.spoilt)
                data = self._next(run, end)
                if data:
                    self.position += len(data)
                    yield data
                elif run.storage.diskless:
                    async for data in self._plainly(run, start, end):
                        self.position += len(data)
                        yield data
                    return
                else:
                    await changed.wait()
        finally:
            run.unwatch(changed.set)
            self.reading = False

    def _next(self, run: DownloadTask, end: int) -> bytes:
        spool = run.storage.spool
        if spool is None:
            return b""
        limit = min(spool.written.run_end(self.position), run.horizon, end)
        if limit <= self.position:
            return b""
        data = spool.file.read(self.position, min(limit - self.position, CHUNK))
        run.given.add(self.position, self.position + len(data))
        return data

    async def _plainly(self, run: DownloadTask, start: int, end: int) -> AsyncIterator[bytes]:
        hasher = None
        if self.artifact.digest is not None and end == run.size and start == 0:
            if run.storage.spool is not None:
                hasher = await run.storage.spool.front_hasher(self.position)
            elif self.position == 0:
                hasher = self.artifact.digest.hasher()
        async for data in stream_without_disk(
            run,
            self._downloader.context,
            self.position,
            end,
            hasher,
        ):
            yield data

    async def _read_stored(
        self, stored: StoredFile, start: int, end: int | None
    ) -> AsyncIterator[bytes]:
        end = stored.size if end is None else min(end, stored.size)
        try:
            file = await asyncio.to_thread(stored.path.open, "rb", buffering=0)
        except OSError as error:
            raise StoreError("store-io", f"{stored.path}: {error.strerror}") from error
        with file:
            file.seek(start)
            while start < end:
                data = await asyncio.to_thread(file.read, min(STORED_CHUNK, end - start))
                if not data:
                    raise StoreError("store-short", f"{stored.path} is shorter than it was")
                start += len(data)
                yield data

    def release(self) -> None:
        """Say that the reader is gone. The download goes on if it is worth it."""
        if self._released:
            return
        self._released = True
        if self._run is not None:
            self._downloader.leave(self._run, self)
