"""One document on its way from its origin to the disk, with readers that follow it.

Asked conditionally where a copy is here. A body that breaks off is continued at the same byte, as
long as the origin says that it is still the same one (RFC 9110 section 13.1.5).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import BinaryIO

from headrace.errors import OriginError, StoreError, UpstreamError
from headrace.models import Document, Fault, ServeDocument
from headrace.network.client import Client
from headrace.network.document_stream import DocumentStream
from headrace.network.prober import Report
from headrace.policy.lifetimes import directives, lifetime, worth_keeping
from headrace.redact import for_display
from headrace.system.copies import Copies, Copy, Draft
from headrace.transfer.ranges import ContentRange

__all__ = ["Flight", "follow"]

_log = logging.getLogger("headrace.documents")

#: Times that a body is continued, and seconds before each.
_CONTINUED = 6
_PAUSE = 0.3
#: Longest silence of the origin, seconds: below the gap that a client may be left in.
_SILENCE = 9.0
#: Bytes that a reader is given at a time.
_CHUNK = 256 << 10
#: Names of what is compressed by itself: nothing is gained by another coding on the way.
_COMPRESSED = (".zst", ".bz2", ".gz")


class Flight:
    """Made and driven by `Verbatim`."""

    def __init__(self, plan: ServeDocument, before: Copy | None) -> None:
        """`before` is the copy that is here."""
        loop = asyncio.get_running_loop()
        self.plan = plan
        self.before = before
        self.head: asyncio.Future[Document] = loop.create_future()
        """What the origin says of the document, once its first bytes look like one."""
        self.done: asyncio.Future[Copy] = loop.create_future()
        self.length: int | None = None
        self.draft: Draft | None = None
        self._changed = asyncio.Event()

    def progress(self) -> None:
        """Wake the readers."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def more(self) -> None:
        """Wait for bytes, or for the end."""
        changed = self._changed
        await changed.wait()

    def end(self, result: Copy | BaseException) -> None:
        """Tell everybody."""
        for future in (self.head, self.done):
            if future.done():
                continue
            if isinstance(result, BaseException):
                future.set_exception(result)
                future.exception()  # nobody may be waiting: it counts as seen
            elif future is self.done:
                self.done.set_result(result)
            else:
                self.head.set_result(result.document)
        self.progress()

    async def run(
        self, client: Client, copies: Copies, report: Report, clock: Callable[[], float]
    ) -> Copy:
        """Bring the document; UpstreamError or StoreError when it cannot be had."""
        for attempt in range(_CONTINUED + 1):
            begun, had = time.perf_counter(), self.draft.size if self.draft else 0
            try:
                async with client.open_document(
                    self.plan.url, headers=self._asked(), timeout=_SILENCE
                ) as stream:
                    if stream.status == 304 and self.before is not None and self.draft is None:
                        return await self._unchanged(self.before, stream, copies, clock)
                    await self._take(stream, copies, clock)
                assert self.draft is not None
                report(
                    "origin",
                    "document",
                    bytes=self.draft.size - had,
                    seconds=time.perf_counter() - begun,
                    rtt=stream.rtt,
                )
                break
            except UpstreamError as error:
                if error.fault is not Fault.MISSING:
                    report("origin", "document", fault=error.fault, retry_after=error.retry_after)
                if attempt == _CONTINUED or not self._can_go_on(error):
                    raise
                _log.info("%s is continued: %s", for_display(self.plan.url), error)
                await asyncio.sleep(_PAUSE)
        assert self.draft is not None
        document = await self.head
        return await asyncio.to_thread(copies.commit, self.plan.key, self.draft, document)

    def _asked(self) -> dict[str, str]:
        coding = "identity" if self.plan.url.endswith(_COMPRESSED) else "gzip"
        asked = {"accept": self.plan.accept, "accept-encoding": coding}
        if self.draft is not None and self.head.done():
            document = self.head.result()
            asked["range"] = f"bytes={self.draft.size}-"
            asked["if-range"] = document.etag or document.last_modified or ""
        elif self.before is not None:
            if self.before.document.etag:
                asked["if-none-match"] = self.before.document.etag
            if self.before.document.last_modified:
                asked["if-modified-since"] = self.before.document.last_modified
        return asked

    def _can_go_on(self, error: UpstreamError) -> bool:
        """Whether the rest can be asked for: what came is of a version that can be named."""
        if error.fault not in (Fault.CUT, Fault.STALLED, Fault.SILENT, Fault.REFUSED):
            return False
        if self.draft is None or not self.draft.size or not self.head.done():
            return False
        document = self.head.result()
        strong = bool(document.etag) and not (document.etag or "").startswith("W/")
        return self.length is not None and (strong or bool(document.last_modified))

    async def _unchanged(
        self, before: Copy, stream: DocumentStream, copies: Copies, clock: Callable[[], float]
    ) -> Copy:
        life = lifetime(stream.headers)
        document = replace(
            before.document,
            fetched_at=clock(),
            max_age=life if "cache-control" in stream.headers else before.document.max_age,
        )
        return await asyncio.to_thread(copies.renew, self.plan.key, before, document)

    async def _take(
        self, stream: DocumentStream, copies: Copies, clock: Callable[[], float]
    ) -> None:
        """Write a body, or the rest of one, to the disk."""
        if error := stream.error():
            raise error
        if self.draft is not None and self.draft.size:
            self._check_rest(stream, self.draft.size)
        elif stream.status != 200:
            raise self._strange(f"status {stream.status}")
        else:
            self.length = stream.length
            self.draft = await asyncio.to_thread(copies.begin, self.plan.key)
        first = b""
        async for chunk in stream:
            data = chunk
            if not self.head.done():
                first += chunk
                if not self._looks_right(first):
                    continue
                data = first
                self.head.set_result(self._document(stream, clock()))
            self.draft.write(data)
            self.progress()
        if not self.head.done():
            raise self._strange("too few bytes")

    def _looks_right(self, first: bytes) -> bool:
        """Whether the first bytes are those of such a document; False: too few to tell."""
        if any(first.startswith(begin) for begin in self.plan.begins):
            return True
        # White space may stand before JSON.
        bare = first.lstrip(b" \t\r\n")
        if any(bare.startswith(begin) for begin in self.plan.begins):
            return True
        if not bare or any(begin.startswith(bare) for begin in self.plan.begins):
            return False
        raise self._strange("something else, a login page perhaps")

    def _strange(self, what: str) -> OriginError:
        return OriginError(Fault.NOT_THE_FILE, f"{for_display(self.plan.url)} gave {what}")

    def _check_rest(self, stream: DocumentStream, offset: int) -> None:
        try:
            part = ContentRange.parse(stream.headers.get("content-range", ""))
        except ValueError:
            part = None
        if stream.status != 206 or part is None or part.start != offset:
            raise self._strange("another version in the middle of this one")

    def _document(self, stream: DocumentStream, now: float) -> Document:
        kept = worth_keeping(stream.headers)
        for name in ("content-encoding", "content-length", "transfer-encoding", "content-range"):
            kept.pop(name, None)
        # Clients keep their own caches by it: told as it came.
        kept["cache-control"] = stream.headers.get("cache-control", "")
        life = lifetime(stream.headers)
        if "no-store" in directives(kept["cache-control"]):
            life = 0.0
        return Document(
            url=stream.url,
            body=b"",
            content_type=stream.headers.get("content-type", "application/octet-stream"),
            etag=stream.headers.get("etag"),
            last_modified=stream.headers.get("last-modified"),
            fetched_at=now,
            max_age=life,
            headers=kept,
        )


async def follow(flight: Flight) -> AsyncIterator[bytes]:
    """Give a flight's bytes from the first on; UpstreamError where it breaks off for good."""
    await flight.head
    if flight.draft is None or flight.done.done():
        copy = await asyncio.shield(flight.done)
        async for data in read(copy):
            yield data
        return
    draft, given = flight.draft, 0
    draft.enter()
    try:
        while True:
            if given < draft.size:
                data = draft.read(given, _CHUNK)
                given += len(data)
                yield data
            elif flight.done.done():
                flight.done.result()
                return
            else:
                await flight.more()
    finally:
        draft.leave()


async def read(copy: Copy) -> AsyncIterator[bytes]:
    """Give a copy's bytes."""
    try:
        file: BinaryIO = await asyncio.to_thread(copy.path.open, "rb", 0)
    except OSError as error:
        raise StoreError("copy-gone", f"{copy.path}: {error.strerror}") from error
    with contextlib.closing(file):
        left = copy.size
        while left and (data := await asyncio.to_thread(file.read, min(_CHUNK, left))):
            left -= len(data)
            yield data
    if left:
        raise StoreError("copy-short", f"{copy.path} is shorter than it was")
