"""Artifacts for readers: from the store, or from one shared download that every reader follows.

`Downloader.open` finds or starts the download task; `readers` has what a reader then sees of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from headrace.config import Settings
from headrace.download.connections import ConnectionLimiter
from headrace.download.context import DownloadContext
from headrace.download.pictures import DownloadPicture, picture_of
from headrace.download.readers import DownloadReader, Progress, TaskReaders
from headrace.download.task import DownloadTask
from headrace.models import Artifact, Digest, Source, SourceFailed, TransferFinished
from headrace.policy.trust import spells
from headrace.transfer.machine import WHOLE_BELOW

if TYPE_CHECKING:
    from headrace.system.storage.store import Store
    from headrace.upstream.client import Client

__all__ = ["Downloader"]

#: Seconds that a large download waits for its turn before it goes on with one connection.
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
        connections: ConnectionLimiter | None = None,
    ) -> None:
        """`headers_for` gives a request's extra headers: the origin's credential, and to the
        origin alone. `confirm` is asked about artifacts that a provisional page named;
        `connections` bounds all downloads together.
        """
        self._store = store
        self.context = DownloadContext(
            client,
            store,
            connections or ConnectionLimiter(settings.connections),
            report,
            observe,
            confirm,
            headers_for,
        )
        self._active: dict[str, TaskReaders] = {}
        """By key: the task that whoever asks now joins."""
        self._open: set[TaskReaders] = set()
        """Those of every task that is not closed yet."""
        self._turns = asyncio.Semaphore(max(1, settings.downloads))
        self._generations: dict[str, int] = {}
        """Generations that were burnt by wrong bytes, by key; small, for the process's life."""
        self._corrupt_sources: dict[str, set[str]] = {}
        """Sources that gave wrong bytes, by key: the statistics may forget sooner."""
        self._driving: set[asyncio.Task[None]] = set()
        self._latest: dict[str, asyncio.Task[None]] = {}
        """By key: what drives the latest task, which may still hold the partial file."""

    @property
    def active(self) -> int:
        """Downloads under way."""
        return len(self._active)

    def progress(self) -> list[Progress]:
        """Tell how far each of them is, those that nobody reads left out."""
        return [each.progress() for each in self._active.values() if not each.left.is_set()]

    def pictures(self) -> list[DownloadPicture]:
        """Show each of these as a picture."""
        return [picture_of(each) for each in self._active.values() if not each.left.is_set()]

    @property
    def connections(self) -> int:
        """Connections in use for artifacts."""
        return self.context.connections.used

    async def open(
        self,
        artifact: Artifact,
        sources: Sequence[Source],
        *,
        more: Callable[[], Sequence[Source]] | None = None,
        takes_back: bool = True,
        patience: float = 0.0,
    ) -> DownloadReader:
        """Give a handle on an artifact's bytes; returns at once, `DownloadReader.size` waits.

        `sources` best first, the origin among them. `more` is asked for sources that were found
        late, for some seconds. A reader that does not take back what proves wrong is given nothing
        of a mirror's before the digest agrees; `patience` is how many seconds without a byte it
        bears, where it is to be waited that long.
        """
        digest, key = artifact.digest, _key(artifact)
        readers = self._under_way(artifact)
        if readers is None and digest is not None:
            stored = await asyncio.to_thread(self._store.find, digest)
            if stored is not None:
                return DownloadReader(artifact, None, stored, self._generations.get(key, 0))
            readers = self._under_way(artifact)  # somebody may have begun meanwhile
        if readers is None or readers.task.failure is not None:
            readers = self._begin(key, artifact, sources, more)
        return readers.join(artifact, takes_back=takes_back, patience=patience)

    def is_coming(self, artifact: Artifact) -> bool:
        """Whether a download brings it, which whoever asks now would join."""
        return self._under_way(artifact) is not None

    def brings(self, digest: Digest) -> bool:
        """Whether a download under way is of this digest."""
        return str(digest) in self._active

    def _under_way(self, artifact: Artifact) -> TaskReaders | None:
        """Return the download of an artifact, or of the same file by the digest that its URL is
        made of: it may have been asked for before its page, which names it by another one.
        """
        found = self._active.get(_key(artifact))
        if found is not None or artifact.digest is None:
            return found
        return next(
            (each for each in self._active.values() if _is_same(each.task.artifact, artifact)), None
        )

    def _begin(
        self,
        key: str,
        artifact: Artifact,
        sources: Sequence[Source],
        more: Callable[[], Sequence[Source]] | None,
    ) -> TaskReaders:
        corrupt = self._corrupt_sources.get(key, set())
        mirrored = artifact.digest is not None and artifact.mirrored
        usable = [s for s in sources if s.is_origin or (mirrored and s.id not in corrupt)]
        task = DownloadTask(
            artifact,
            usable,
            self.context,
            corrupt_sources=corrupt,
            generation=self._generations.get(key, 0),
        )
        readers = self._active[key] = TaskReaders(task)
        self._open.add(readers)
        driving = asyncio.ensure_future(self._drive(key, readers, more, self._latest.get(key)))
        self._driving.add(driving)
        driving.add_done_callback(self._driving.discard)
        self._latest[key] = driving
        return readers

    async def _drive(
        self,
        key: str,
        readers: TaskReaders,
        more: Callable[[], Sequence[Source]] | None,
        before: asyncio.Task[None] | None,
    ) -> None:
        """Take a task from its start to its end, and clean up after it.

        `before` drives the last task for the same file. Where that is about to end it is waited
        for: what it leaves on the disk is not fetched again.
        """
        task = readers.task
        turn = False
        try:
            if before is not None:
                await asyncio.wait({before}, timeout=_HANDOVER)
            large = task.artifact.size is None or task.artifact.size > WHOLE_BELOW
            if large:
                turn = await self._take_turn()
            # Better one connection than a client that gives up.
            requests = 1 if large and not turn else None
            await task.start(more=more, requests=requests, patience=readers.patience)
            if large and not turn:
                turn = await self._wait_for_turn(task)
            await task.over.wait()
            if task.storage.diskless:
                await readers.left.wait()
        finally:
            if turn:
                self._turns.release()
            if task.delivery.generation:
                self._generations[key] = task.delivery.generation
            if task.accounting.corrupt_sources:
                self._corrupt_sources[key] = task.accounting.corrupt_sources
            if self._active.get(key) is readers:
                del self._active[key]
        await readers.left.wait()
        await task.close()
        self._open.discard(readers)
        if self._latest.get(key) is asyncio.current_task():
            del self._latest[key]

    async def _take_turn(self) -> bool:
        """Wait for a turn for a while; False: there are many before us."""
        try:
            await asyncio.wait_for(self._turns.acquire(), _TURN)
        except TimeoutError:
            return False
        return True

    async def _wait_for_turn(self, task: DownloadTask) -> bool:
        """Let a task that has begun on one connection use more when its turn comes; True: it came.

        False when the task was over first.
        """
        waiting = asyncio.ensure_future(self._turns.acquire())
        over = asyncio.ensure_future(task.over.wait())
        await asyncio.wait({waiting, over}, return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        came = waiting.done()
        waiting.cancel()
        if came:
            task.limit(None)
        return came

    async def aclose(self) -> None:
        """Stop all downloads; what they hold stays for the next task."""
        still_open = list(self._open)
        for driving in list(self._driving):
            driving.cancel()
        if self._driving:
            await asyncio.wait(list(self._driving))
        for readers in still_open:
            await readers.task.close()
        self._open.clear()
        self._active.clear()


def _key(artifact: Artifact) -> str:
    return str(artifact.digest) if artifact.digest else f"url:{artifact.url}"


def _is_same(one: Artifact, other: Artifact) -> bool:
    """Whether one of them needed no page, and the other is what a page of the same origin names."""
    place = one.url == other.url and one.origin == other.origin
    sizes = {one.size, other.size} - {None}
    own = one.provisional is None and other.provisional is None
    spelt = any(each.digest is not None and spells(each.url, each.digest) for each in (one, other))
    return place and own and spelt and len(sizes) <= 1
