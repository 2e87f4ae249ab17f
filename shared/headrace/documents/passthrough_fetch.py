"""One document on its way from its origin to the disk, with readers that follow it.

Asked conditionally where a copy is here. A body that breaks off is continued at the same byte, as
long as the origin says that it is still the same one (RFC 9110 section 13.1.5).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import BinaryIO

from headrace.documents.document_pieces import FIRST_PIECE, IN_PIECES_FROM, pieces
from headrace.documents.passthrough_headers import (
    WANTED_DIGEST,
    about_caches,
    document_of,
    stated_digest,
)
from headrace.errors import HeadraceError, OriginError, StoreError, UpstreamError
from headrace.http.caching import forbids_storing, freshness_lifetime
from headrace.http.ranges import ContentRange, RangeRequest
from headrace.http.validators import same_version, strong_etag, validator
from headrace.models import Artifact, Document, Fault, ServeDocument
from headrace.policy.destinations import of_origin
from headrace.policy.timeouts import ORIGIN_SILENCE
from headrace.redact import for_display
from headrace.sources.probes import ReportObservation
from headrace.system.storage.copies import Copies, Copy, Draft
from headrace.upstream.client import Client
from headrace.upstream.document_stream import DocumentStream

__all__ = [
    "DocumentChangedError",
    "InParts",
    "PassthroughFetch",
    "UnverifiedBytesError",
    "follow",
    "read",
]

_log = logging.getLogger("headrace.documents")

#: Times that a body is continued without any progress, times at all, and seconds before each; after
#: an answer that was a refusal, and twice as many each time that it is one again.
_CONTINUED = 6
_MOST_CONTINUED = 100
_PAUSE = 0.3
_PAUSE_REFUSED = 1.0
#: Bytes that a reader is given at a time.
_CHUNK = 256 << 10
#: A longer document comes in parts, over several connections: over a far and lossy line one
#: connection carries a small part of what the line does.
IN_PARTS = 1 << 20
#: Bytes of white space before a document that are waited for.
_MOST_SPACE = 4096
#: Names of what is compressed by itself: nothing is gained by another coding on the way.
_COMPRESSED = (".zst", ".bz2", ".gz")
#: After these the rest of a body may still be had.
_PASSING = frozenset(
    {
        Fault.CUT,
        Fault.STALLED,
        Fault.SILENT,
        Fault.REFUSED,
        Fault.UNREACHABLE,
        Fault.SERVER_ERROR,
        Fault.RATE_LIMITED,
    }
)


#: Gives the bytes of a document from an offset on; HeadraceError when it cannot go on.
InParts = Callable[[Artifact, int], AsyncGenerator[bytes, None]]


class DocumentChangedError(OriginError):
    """The document became another one while it came: whoever asks again gets that."""


class _NoPieceError(UpstreamError):
    """The origin does not give the first piece of it: it is asked for in one."""


class UnverifiedBytesError(OriginError):
    """A mirror's bytes went out and were not proven: nothing of the origin's may be put after them.
    Whoever asks again gets the document from the origin alone, in one piece.
    """


class PassthroughFetch:
    """Made and driven by `PassthroughDocuments`."""

    def __init__(
        self,
        plan: ServeDocument,
        before: Copy | None,
        in_parts: InParts | None = None,
        *,
        in_one: bool = False,
    ) -> None:
        """`before` is the copy that is here; `in_parts` brings a long document from an offset on,
        if there is somebody who can; with `in_one` it is asked for in one piece wherever it is.
        """
        loop = asyncio.get_running_loop()
        self._in_parts = in_parts
        self.plan = plan
        self.before = before
        self.head: asyncio.Future[Document] = loop.create_future()
        """What the origin says of the document, once its first bytes look like one."""
        self.done: asyncio.Future[Copy] = loop.create_future()
        """The copy, once it has its name."""
        self.whole = False
        """Whether all bytes are here: readers need no more, be it kept or not."""
        self.kept = False
        """Whether the draft has its name, or is gone in another way."""
        self.length: int | None = None
        self.draft: Draft | None = None
        self._most = 0
        self._version: str | None = None
        """The validator of what comes."""
        self._in_one = in_one
        self._piecewise = False
        """Whether the origin is far and has not refused a piece."""
        self._changed = asyncio.Event()

    @property
    def open(self) -> bool:
        """Whether one who comes now may share it: not what the origin wants kept by nobody."""
        return not (self.head.done() and forbids_storing(self.head.result().headers))

    def leaves_doubt(self, error: UpstreamError) -> bool:
        """Whether it ended so because its origin cannot be asked for a piece."""
        asked_for_pieces = self._piecewise and self.draft is not None
        return isinstance(error, UnverifiedBytesError) or (
            asked_for_pieces and error.fault not in _PASSING
        )

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
        self, client: Client, copies: Copies, report: ReportObservation, clock: Callable[[], float]
    ) -> Copy:
        """Bring the document; UpstreamError or StoreError when it cannot be had."""
        in_vain = 0
        far = (client.round_trip(self.plan.url) or 0.0) >= IN_PIECES_FROM
        self._piecewise = far and not self._in_one
        for _ in range(_MOST_CONTINUED):
            begun, had = time.perf_counter(), self._have
            try:
                async with client.open_document(
                    self.plan.url,
                    headers=self._asked(),
                    timeout=ORIGIN_SILENCE,
                    initiator=of_origin(self.plan.origin),
                    spread=self._piecewise,
                ) as stream:
                    if stream.status == 304 and self.before is not None and self.draft is None:
                        return await self._unchanged(self.before, stream, copies, clock)
                    long = await self._take(stream, copies, clock)
                if long is not None:
                    await self._take_parts(long)
                elif self._left:
                    await self._take_pieces(client)
                seconds = time.perf_counter() - begun
                report(
                    "origin", "document", bytes=self._have - had, seconds=seconds, rtt=stream.rtt
                )
                if not self._left:
                    break
            except _NoPieceError as error:
                self._piecewise = False
                _log.info("%s", error)
            except UpstreamError as error:
                if error.fault is not Fault.MISSING and not isinstance(error, UnverifiedBytesError):
                    report("origin", "document", fault=error.fault, retry_after=error.retry_after)
                in_vain = 0 if self._have > had else in_vain + 1
                pause = _pause(error, in_vain)
                if in_vain > _CONTINUED or not self._can_go_on(error) or pause > ORIGIN_SILENCE:
                    raise
                _log.info("%s is continued: %s", for_display(self.plan.url), error)
                await asyncio.sleep(pause)
        else:
            raise self._strange("its document in too many pieces")
        assert self.draft is not None
        self.whole = True
        self.progress()
        copy = await asyncio.to_thread(copies.commit, self.plan.key, self.draft, self.head.result())
        self.kept = True
        return copy

    @property
    def _have(self) -> int:
        return self.draft.size if self.draft else 0

    @property
    def _left(self) -> int:
        """Bytes that are still to come, where that is known."""
        return max(0, (self.length or 0) - self._have)

    def _asked(self) -> dict[str, str]:
        compressed = self.plan.url.endswith(_COMPRESSED)
        coding = "identity" if compressed or self._have else "gzip"
        asked = {"accept": self.plan.accept, "accept-encoding": coding}
        if self._have:
            asked["range"] = str(RangeRequest(self._have))
            asked["if-range"] = self._version or ""
            return asked
        if compressed:
            # With its origin's word on what it is, anybody may give it.
            asked["want-repr-digest"] = WANTED_DIGEST
        if self._piecewise and compressed:
            asked["range"] = str(RangeRequest(0, FIRST_PIECE))
        if self.before is not None:
            if self.before.document.etag:
                asked["if-none-match"] = self.before.document.etag
            if self.before.document.last_modified:
                asked["if-modified-since"] = self.before.document.last_modified
        return asked

    def _can_go_on(self, error: UpstreamError) -> bool:
        """Whether the rest can be asked for: what came is of a version that can be named."""
        if error.fault not in _PASSING or isinstance(error, DocumentChangedError) or not self._have:
            return False
        return self.length is not None and self._version is not None

    async def _unchanged(
        self, before: Copy, stream: DocumentStream, copies: Copies, clock: Callable[[], float]
    ) -> Copy:
        document = before.document
        if "cache-control" in stream.headers:
            document = replace(
                document,
                max_age=freshness_lifetime(stream.headers),
                headers={**document.headers, **about_caches(stream.headers)},
            )
        document = replace(document, fetched_at=clock())
        try:
            return await asyncio.to_thread(copies.renew, self.plan.key, before, document)
        except StoreError as error:
            # Its body is here and right; it is asked for again the next time.
            _log.warning("%s", error)
            return replace(before, document=document)

    async def _take(
        self, stream: DocumentStream, copies: Copies, clock: Callable[[], float]
    ) -> Artifact | None:
        """Write a body, or a part of one, to the disk; a long one is returned once its first bytes
        look right, or its first piece is here.
        """
        first_piece = self._is_first_piece(stream)
        if error := stream.error():
            raise error
        skip = self._place_of_rest(stream) if self._have else await self._begin(stream, copies)
        first = b""
        async for chunk in stream:
            data = chunk[skip:]
            skip = max(0, skip - len(chunk))
            if not self.head.done():
                first += data
                if not self._looks_right(first):
                    continue
                data = first
            await self._write(data)
            if not self.head.done():
                self.head.set_result(document_of(stream.url, stream.headers, clock()))
                self.progress()
                if not first_piece and (long := self._long(stream)) is not None:
                    return long
            self.progress()
        if not self.head.done():
            raise self._strange("too few bytes")
        if first_piece:
            return self._long(stream)
        if self._left:
            raise UpstreamError(Fault.CUT, f"{for_display(self.plan.url)} gave less than the rest")
        return None

    def _long(self, stream: DocumentStream) -> Artifact | None:
        """Return the document as an artifact, where it is long and its parts can be asked for."""
        etag = strong_etag(stream.headers.get("etag"))
        told = stream.headers.get("accept-ranges", "").strip().lower()
        ranges = told == "bytes" or stream.status == 206
        if self._in_parts is None or stream.coded or etag is None or not ranges:
            return None
        if self.length is None or self.length - self._have < IN_PARTS:
            return None
        digest = stated_digest(stream.headers)
        return Artifact(
            ecosystem=self.plan.origin.ecosystem,
            path=self.plan.key,
            name=self.plan.url.rpartition("/")[2],
            url=self.plan.url,
            origin=self.plan.origin,
            digest=digest,
            size=self.length,
            object_class="document",
            mirrored=digest is not None,
            etag=etag,
        )

    async def _take_parts(self, long: Artifact) -> None:
        """Write the rest of a long document; where that fails, it is asked for as one again."""
        assert self._in_parts is not None
        in_parts, self._in_parts = self._in_parts, None
        begun = self._have
        try:
            async with aclosing(in_parts(long, begun)) as parts:
                while True:
                    async with asyncio.timeout(ORIGIN_SILENCE):
                        data = await anext(parts, b"")
                    if not data:
                        break
                    await self._write(data)
                    self.progress()
        except (HeadraceError, TimeoutError) as error:
            if long.mirrored and self._have > begun:
                message = f"{for_display(self.plan.url)}: not all of its parts came: {error}"
                raise UnverifiedBytesError(Fault.WRONG_BYTES, message) from error
            if isinstance(error, UpstreamError):
                raise
            raise UpstreamError(Fault.CUT, str(error) or "no part came in time") from error
        if self._have != self.length:
            raise UpstreamError(Fault.CUT, f"{for_display(self.plan.url)} gave less than the rest")

    async def _take_pieces(self, client: Client) -> None:
        """Write the rest of a document of which the first piece is here."""
        assert self.length is not None
        assert self._version is not None
        if self._left >= IN_PARTS:
            return  # too long for memory, and nobody brings it in parts: in one, then
        async with aclosing(
            pieces(client, self.plan, self._version, self._have, self.length)
        ) as parts:
            async for data in parts:
                await self._write(data)
                self.progress()

    def _is_first_piece(self, stream: DocumentStream) -> bool:
        """Whether an answer is a document's first piece; its length is the document's then."""
        if not self._piecewise or self._have or stream.status not in (206, 416):
            return False
        part, version = None, validator(stream.headers)
        with contextlib.suppress(ValueError):
            part = ContentRange.parse(stream.headers.get("content-range", ""))
        whole = part is not None and part.start == 0 and part.total is not None
        if stream.status != 206 or part is None or not whole or version is None or stream.coded:
            where = for_display(self.plan.url)
            raise _NoPieceError(Fault.PROTOCOL, f"{where} is asked for in one piece")
        self.length = part.total
        return True

    async def _begin(self, stream: DocumentStream, copies: Copies) -> int:
        if stream.status == 200:
            self.length = stream.length
        elif not self._piecewise or stream.status != 206:
            raise self._strange(f"status {stream.status}")
        self._version = validator(stream.headers)
        self._most = copies.limit
        if self.length is not None and self.length > self._most:
            raise self._strange("more than all documents together may take here")
        self.draft = await asyncio.to_thread(copies.begin, self.plan.key, self.length)
        return 0

    async def _write(self, data: bytes) -> None:
        assert self.draft is not None
        if self.length is not None and self.draft.size + len(data) > self.length:
            raise self._strange("more than it had said")
        if self.draft.size + len(data) > self._most:
            raise self._strange("more than all documents together may take here")
        if data:
            await asyncio.to_thread(self.draft.write, data)

    def _looks_right(self, first: bytes) -> bool:
        """Whether the first bytes are those of such a document; False: too few to tell."""
        # White space may stand before JSON.
        bare = first.lstrip(b" \t\r\n")
        if any(first.startswith(begin) or bare.startswith(begin) for begin in self.plan.magic):
            return True
        few = not bare or any(begin.startswith(bare) for begin in self.plan.magic)
        if few and len(first) <= _MOST_SPACE:
            return False
        raise self._strange("something else, a login page perhaps")

    def _strange(self, what: str) -> OriginError:
        return OriginError(Fault.NOT_THE_FILE, f"{for_display(self.plan.url)} gave {what}")

    def _place_of_rest(self, stream: DocumentStream) -> int:
        """Return how many bytes are here already; `DocumentChangedError` when it is no rest."""
        same = same_version(self._version, stream.status, stream.headers) and not stream.coded
        if same and stream.status == 200 and stream.length == self.length:
            return self._have
        if same and stream.status == 206:
            with contextlib.suppress(ValueError):
                part = ContentRange.parse(stream.headers.get("content-range", ""))
                if part.start == self._have and part.total in (None, self.length):
                    return 0
        raise DocumentChangedError(
            Fault.NOT_THE_FILE, f"{for_display(self.plan.url)} became another one while it came"
        )


def _pause(error: UpstreamError, in_vain: int) -> float:
    """Return the seconds until the rest is asked for: what was named, and more each time."""
    if error.fault not in (Fault.RATE_LIMITED, Fault.SERVER_ERROR):
        return _PAUSE
    return max(_PAUSE_REFUSED * 2.0 ** max(in_vain - 1, 0), error.retry_after or 0.0)


async def follow(fetch: PassthroughFetch) -> AsyncGenerator[bytes, None]:
    """Give a fetch's bytes from the first on; UpstreamError where it breaks off for good."""
    draft = None if fetch.done.done() else fetch.draft
    if draft is not None:
        try:
            await asyncio.to_thread(draft.enter)
        except StoreError:
            draft = None  # it got its name just now
    if draft is None:
        async for data in read(await asyncio.shield(fetch.done)):
            yield data
        return
    given = 0
    try:
        while True:
            if given < draft.size:
                data = await asyncio.to_thread(draft.read, given, _CHUNK)
                if not data:
                    raise StoreError("draft-short", f"{draft.path} is shorter than it was")
                given += len(data)
                yield data
            elif fetch.whole:
                return
            elif fetch.done.done():
                fetch.done.result()
                return
            else:
                await fetch.more()
    finally:
        draft.leave()


async def read(copy: Copy) -> AsyncGenerator[bytes, None]:
    """Give a copy's bytes."""
    try:
        file: BinaryIO = await asyncio.to_thread(copy.path.open, "rb", 0)
    except OSError as error:
        raise StoreError("copy-gone", f"{copy.path}: {error.strerror}") from error
    with contextlib.closing(file):
        left = copy.size
        try:
            while left and (data := await asyncio.to_thread(file.read, min(_CHUNK, left))):
                left -= len(data)
                yield data
        except OSError as error:
            raise StoreError("copy-unreadable", f"{copy.path}: {error.strerror}") from error
    if left:
        raise StoreError("copy-short", f"{copy.path} is shorter than it was")
