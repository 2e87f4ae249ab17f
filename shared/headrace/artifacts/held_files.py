"""Small files held in memory, whole and checked: most wheels of pure Python are some 100 kB.

Round trips are all that they cost, so one mirror is asked for one whole file, over connections that
are kept, and the next best beside it only where the first one straggles. Nothing goes to the disk
while anybody waits for it, nor before the origin has confirmed a file that a mirror's page named.
Whatever goes wrong here ends in a download like any other, which knows how to find out who failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from headrace.download.connections import host_of
from headrace.download.context import DownloadContext
from headrace.errors import StoreError, UpstreamError
from headrace.interface.ecosystems import Ecosystem
from headrace.models import Artifact, Digest, Fault, Source, SourceFailed, TransferFinished
from headrace.policy.lru import LRUCache
from headrace.policy.selection import FAR, SMALL
from headrace.upstream.single_flight import SingleFlight

__all__ = ["HeldFiles", "is_small"]

_log = logging.getLogger("headrace.small_files")

#: Bytes of files in memory.
MEMORY = 24 * 1024 * 1024
#: Seconds for a free connection, to connect and to the first byte, and for all of it.
PATIENCE = 3.0
MOST_PATIENCE = 6.0
#: A source straggles that takes so many times as long as predicted, and at least so many seconds.
STRAGGLES = 3.0
STRAGGLES_AT_LEAST = 0.25
#: Seconds after which what is held goes to the disk, and bytes that do not wait for that.
LATER = 2.0
MOST_LATER = 8 * 1024 * 1024
#: Bytes a second, where no rate is known.
_RATE = float(1 << 20)
_RTT = 0.1


class NearSources(Protocol):
    """What is needed of `Candidates`."""

    def choose(
        self, artifact: Artifact, ecosystem: Ecosystem, *, idle: bool = False
    ) -> Sequence[Source]:
        """Order the sources of an artifact; `idle`: as if nothing ran at any of them."""

    def race(self, artifact: Artifact, ecosystem: Ecosystem) -> None:
        """Measure the unknown ones in the background."""


def is_small(artifact: Artifact) -> bool:
    """Whether a file may be held: small, of a known digest, and of no private origin."""
    return (
        artifact.mirrored
        and artifact.digest is not None
        and artifact.size is not None
        and 0 < artifact.size <= SMALL
        and not artifact.origin.private
        and not artifact.origin_counts
    )


class _HeldFile:
    """A file's bytes, with the digests that they were seen to have: a burst looks at each five
    times, and to hash 100 kB takes as long as all else that is done about a look.
    """

    __slots__ = ("_digests", "content")

    def __init__(self, content: bytes, digest: Digest) -> None:
        """`content` has this `digest`."""
        self.content = content
        self._digests = {digest}

    def __len__(self) -> int:
        """Count the bytes."""
        return len(self.content)

    def has(self, digest: Digest) -> bool:
        """Say whether they have this digest."""
        if digest in self._digests:
            return True
        right = digest.is_of(self.content)
        if right:
            self._digests.add(digest)
        return right


class HeldFiles:
    """Single flight by digest. For one event loop."""

    def __init__(
        self,
        context: DownloadContext,
        sources: NearSources,
        *,
        is_coming: Callable[[Artifact], bool] = lambda _: False,
    ) -> None:
        """`context` is what all downloads share: its client, its connections, its store.
        `is_coming` says whether one of them brings a file already.
        """
        self._context = context
        self._sources = sources
        self._is_coming = is_coming
        self._flights = SingleFlight[str, bytes | None]()
        self._held = LRUCache[str, _HeldFile](MEMORY, len, largest=SMALL)
        """By path: the origin's page and a mirror's give different digests of the same bytes."""
        self.outstanding: Counter[str] = Counter()
        """Bytes that each source has still to give."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._to_keep: dict[Digest, bytes] = {}
        self._keeping: asyncio.Task[None] | None = None
        self._soon = asyncio.Event()

    def held(self, artifact: Artifact) -> bytes | None:
        """Return the content where it is in memory."""
        found, digest = self._held.get(artifact.path), artifact.digest
        right = found is not None and digest is not None and found.has(digest)
        return found.content if found is not None and right else None

    async def get(self, artifact: Artifact, ecosystem: Ecosystem) -> bytes | None:
        """Return the checked content; None: a download may bring it, this way does not."""
        if artifact.digest is None or not is_small(artifact):
            return None
        if (content := self.held(artifact)) is not None:
            return content
        if (stored := self._context.store.find(artifact.digest, artifact.size)) is not None:
            with contextlib.suppress(OSError):
                return await asyncio.to_thread(stored.path.read_bytes)
        if self._is_coming(artifact):
            return None
        await self._flights.do(artifact.path, lambda: self._fetch(artifact, ecosystem))
        return self.held(artifact)  # whoever asked first may have had another digest

    def keep(self, artifact: Artifact) -> None:
        """Put a file whose origin has spoken into the store, without letting anybody wait."""
        content, digest = self.held(artifact), artifact.digest
        if content is None or digest is None:
            return
        # What the origin's own page names it by. A mirror's page gives what the path tells.
        if artifact.provisional is not None:
            digest = Digest("sha256", hashlib.sha256(content).hexdigest())
        self._to_keep[digest] = content
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.ensure_future(self._keep_later())
        elif sum(map(len, self._to_keep.values())) > MOST_LATER:
            self._soon.set()

    async def _keep_later(self) -> None:
        while self._to_keep:
            self._soon.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LATER):
                    await self._soon.wait()
            waiting, self._to_keep = self._to_keep, {}
            await asyncio.to_thread(self._keep, waiting)

    def _keep(self, contents: Mapping[Digest, bytes]) -> None:
        store = self._context.store
        for digest, content in contents.items():
            try:
                if store.find(digest, len(content)) is not None:
                    continue
                partial = store.partial(str(digest), len(content))
                try:
                    partial.write(0, content)
                    store.commit(partial, digest)
                finally:
                    partial.close()
            except (StoreError, OSError) as error:
                _log.info("%s is not kept: %s", digest, error)

    async def _fetch(self, artifact: Artifact, ecosystem: Ecosystem) -> bytes | None:
        """Ask the best source, and the next one where that straggles or fails."""
        self._sources.race(artifact, ecosystem)
        sources = self._nearest(artifact, ecosystem)
        asked: set[str] = set()
        asking: set[asyncio.Task[bytes | None]] = set()
        while (left := [each for each in sources if each.id not in asked]) or asking:
            wait = None
            if left:
                source = min(left, key=lambda one: self._cost(one, artifact))
                asked.add(source.id)
                asking.add(self._spawn(self._from(artifact, ecosystem, source, asked)))
                wait = max(STRAGGLES_AT_LEAST, STRAGGLES * self._cost(source, artifact))
            done, asking = await asyncio.wait(
                asking, timeout=wait, return_when=asyncio.FIRST_COMPLETED
            )
            for each in done:
                if (content := each.result()) is not None:
                    assert artifact.digest is not None
                    self._held.put(artifact.path, _HeldFile(content, artifact.digest))
                    if artifact.provisional is None:
                        self.keep(artifact)
                    return content
        return None

    def _nearest(self, artifact: Artifact, ecosystem: Ecosystem) -> list[Source]:
        """Return the mirrors to ask: those that are chosen; where none is measured yet, and the
        origin is far, the one that would be next.
        """
        sources = self._sources.choose(artifact, ecosystem, idle=True)
        chosen = [each for each in sources if not each.is_origin and not each.reserve]
        if not chosen and any(each.is_origin and (each.rtt or 0.0) >= FAR for each in sources):
            return [each for each in sources if each.reserve and not each.is_origin][:1]
        return chosen

    def _cost(self, source: Source, artifact: Artifact) -> float:
        """Predict the seconds until a source has given this file behind all others."""
        rate = source.rate or _RATE
        size = self.outstanding[source.id] + (artifact.size or 0)
        return (_RTT if source.rtt is None else source.rtt) + size / rate

    async def _from(
        self, artifact: Artifact, ecosystem: Ecosystem, source: Source, asked: set[str]
    ) -> bytes | None:
        """Return the checked content from one source; None when it has not that. `asked` are those
        who are asked for it.

        Who waits was sent there by what was known then: a burst of files goes to the one mirror
        that was measured. So when it is his turn he looks again, and may go to another one.
        """
        size = artifact.size or 0
        self.outstanding[source.id] += size
        try:
            async with asyncio.timeout(PATIENCE):
                while not await self._turn(source):
                    better = self._better(artifact, ecosystem, source, asked)
                    if better.id != source.id:
                        self._pass_on(source)
                        asked.discard(source.id)
                        asked.add(better.id)
                        self.outstanding[source.id] -= size
                        self.outstanding[better.id] += size
                        source = better
            try:
                async with asyncio.timeout(MOST_PATIENCE):
                    return await self._ask(artifact, source)
            finally:
                self._context.connections.give(host_of(source.url), source.id)
        except TimeoutError:  # it is busy, or too slow for this
            return None
        finally:
            self.outstanding[source.id] -= size

    def _better(
        self, artifact: Artifact, ecosystem: Ecosystem, source: Source, asked: set[str]
    ) -> Source:
        """Return who gives a file first by what is known now, `source` unless another one does."""
        found = self._nearest(artifact, ecosystem)
        others = [each for each in found if each.id not in asked]
        # What it has still to give counts there already.
        own = self._cost(source, artifact) - (artifact.size or 0) / (source.rate or _RATE)
        best = min(others, key=lambda one: self._cost(one, artifact), default=source)
        return best if self._cost(best, artifact) < own else source

    async def _turn(self, source: Source) -> bool:
        """Take a connection to a source; False: one may be free now, for whoever is first."""
        connections, host = self._context.connections, host_of(source.url)
        if connections.take(host, source.connections, source.id):
            return True
        free = asyncio.Event()
        connections.wait(host, source.connections, free, free.set)
        try:
            await free.wait()
        finally:
            connections.leave(free)
        return False

    def _pass_on(self, source: Source) -> None:
        """Offer a connection that was not taken to the next one who waits."""
        connections, host = self._context.connections, host_of(source.url)
        if connections.take(host, source.connections, source.id):
            connections.give(host, source.id)

    async def _ask(self, artifact: Artifact, source: Source) -> bytes | None:
        began = time.perf_counter()
        try:
            async with self._context.open_range(
                artifact, source, 0, None, connect_timeout=PATIENCE, first_byte_timeout=PATIENCE
            ) as stream:
                content = bytearray()
                stream.lent = True
                async for part in stream:
                    content += part
                    if len(content) > (artifact.size or 0):
                        break
                rtt = stream.rtt
        except UpstreamError as error:
            self._failed(artifact, source, error.fault, error.message, error.retry_after)
            return None
        whole = bytes(content)
        if artifact.digest is None or not artifact.digest.is_of(whole):
            self._failed(artifact, source, Fault.WRONG_BYTES, "other bytes", None)
            return None
        seconds = time.perf_counter() - began
        told = {"bytes": len(whole), "seconds": seconds, "rtt": rtt}
        self._context.report(source.id, artifact.object_class, path=artifact.path, **told)
        given = {source.id: len(whole)}
        self._context.observe(TransferFinished(artifact, len(whole), seconds, given, {}))
        return whole

    def _failed(
        self,
        artifact: Artifact,
        source: Source,
        fault: Fault,
        detail: str,
        retry_after: float | None,
    ) -> None:
        self._context.observe(SourceFailed(artifact, source.id, fault, detail))
        self._context.report(
            source.id,
            artifact.object_class,
            path=artifact.path,
            fault=fault,
            retry_after=retry_after,
        )

    def _spawn(self, work: Coroutine[Any, Any, bytes | None]) -> asyncio.Task[bytes | None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def aclose(self) -> None:
        """Stop asking, and wait until everything is written down."""
        await self._flights.aclose()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while self._keeping is not None and not self._keeping.done():
            self._soon.set()
            await asyncio.wait({self._keeping}, timeout=LATER)
