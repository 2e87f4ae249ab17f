"""What was fetched and checked here goes into the bucket, behind everybody's back: nobody who wants
a file waits for it, and a bucket that takes nothing costs nothing but one try now and then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from headrace.models import Artifact, Digest, Fault, SourceFailed, TransferFinished
from headrace.system.storage.store import Store
from headrace.upstream.objects.bucket import BUCKET, Bucket

__all__ = ["Uploads"]

_log = logging.getLogger("headrace.bucket")

#: Uploads at a time, and files that wait for their turn; more than these are left to the next one
#: who fetches them.
_AT_A_TIME, _MOST = 4, 2000
#: Seconds after which it is looked again whether a file has come to the disk.
_LOOKS = (0.0, 1.0, 3.0, 6.0)
#: Failures in a row after which the bucket is left alone, and for how many seconds: at first, and
#: at most.
_FAILURES, _PAUSE, _LONGEST_PAUSE = 3, 15.0, 600.0
#: What a source gives where the object itself is wrong.
_WRONG = frozenset({Fault.WRONG_BYTES, Fault.NOT_THE_FILE})


class Uploads:
    """The queue to a bucket. For one event loop."""

    def __init__(
        self,
        bucket: Bucket,
        store: Store,
        *,
        is_private: Callable[[Artifact], bool],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`is_private` says of an artifact whether it is not for everybody: the bucket is."""
        self.bucket = bucket
        self._store = store
        self._is_private = is_private
        self._clock = clock
        self._sleep = sleep
        self._waiting: dict[Digest, None] = {}
        self._work: set[asyncio.Task[None]] = set()
        self._dropping: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._until = 0.0
        self.results: Counter[str] = Counter()
        """Uploads that ended, by how: uploaded, present, failed, gone, left, dropped."""
        self.trouble = ""
        """Why the last one failed; empty: it did not."""

    # ------------------------------------------------------------------ what comes

    def observe(self, event: SourceFailed | TransferFinished) -> None:
        """Take an event of a transfer. Returns at once; on the event loop."""
        artifact = event.artifact
        if artifact.digest is None or self._is_private(artifact):
            return
        if isinstance(event, SourceFailed):
            if event.source == BUCKET:
                self._failed(artifact.digest, event.fault)
            return
        given = {source for source, count in event.bytes_by_source.items() if count}
        if given and given != {BUCKET}:
            self._offer(artifact.digest)

    def _failed(self, digest: Digest, fault: Fault) -> None:
        if fault is Fault.MISSING:
            self.bucket.lacks(digest)
        elif fault in _WRONG:
            _log.warning("an object of the bucket is wrong, and is dropped: %s", digest)
            task = asyncio.ensure_future(self._drop(digest))
            self._dropping.add(task)
            task.add_done_callback(self._dropping.discard)

    async def _drop(self, digest: Digest) -> None:
        self.bucket.lacks(digest)
        try:
            await self.bucket.drop(digest)
            self.results["dropped"] += 1
        except Exception as error:  # noqa: BLE001 - the library's own errors are of any kind
            _log.warning("a wrong object stays in the bucket: %s: %s", digest, error)

    def _offer(self, digest: Digest) -> None:
        if digest in self._waiting:
            return
        if len(self._waiting) >= _MOST:
            self.results["left"] += 1
            return
        self._waiting[digest] = None
        if len(self._work) < _AT_A_TIME:
            task = asyncio.ensure_future(self._run())
            self._work.add(task)
            task.add_done_callback(self._work.discard)

    # ------------------------------------------------------------------ what goes

    async def _run(self) -> None:
        while self._waiting:
            if (pause := self._until - self._clock()) > 0:
                await self._sleep(pause)
            if not self._waiting:
                return
            digest = next(iter(self._waiting))
            del self._waiting[digest]
            await self._upload(digest)

    async def _upload(self, digest: Digest) -> None:
        if self._dropping:
            await asyncio.wait(set(self._dropping))
        for pause in _LOOKS:
            if pause:
                await self._sleep(pause)
            found = await asyncio.to_thread(self._store.find, digest)
            if found is not None:
                break
        else:
            self.results["gone"] += 1
            return
        try:
            new = await self.bucket.put(digest, found.path)
        except FileNotFoundError:
            self.results["gone"] += 1  # evicted meanwhile
        except Exception as error:  # noqa: BLE001 - the library's own errors are of any kind
            self.results["failed"] += 1
            self._stumble(str(error).strip().partition("\n")[0] or type(error).__name__)
        else:
            self.results["uploaded" if new else "present"] += 1
            self._failures, self.trouble = 0, ""

    def _stumble(self, why: str) -> None:
        self._failures += 1
        self.trouble = why
        if self._failures < _FAILURES:
            _log.info("a file does not get into the bucket: %s", why)
            return
        pause = min(_LONGEST_PAUSE, _PAUSE * 2.0 ** (self._failures - _FAILURES))
        self._until = self._clock() + pause
        _log.warning("the bucket takes nothing, and is left alone for %.0f s: %s", pause, why)

    # ------------------------------------------------------------------ telling

    def table(self) -> dict[str, Any]:
        """Tell how it stands, as plain values."""
        return {
            "bucket": self.bucket.url,
            "waiting": len(self._waiting),
            "trouble": self.trouble,
            **self.results,
        }

    async def settle(self) -> None:
        """Wait until nothing waits any more."""
        while work := (self._work | self._dropping):
            await asyncio.wait(work)

    async def aclose(self) -> None:
        """End what is under way: what is not whole there is not there."""
        tasks = self._work | self._dropping
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
