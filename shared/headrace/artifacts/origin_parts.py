"""Parts of a file from the origin itself, for those who want no more of it.

Installers read the directory at an archive's end; engines that know a layer's table of contents
take the files that they lack. What comes is not checked, and is what the client would get without
us: the origin's own bytes, over the user's own trust in it. No more is asked for than was wanted.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from headrace.errors import UpstreamError
from headrace.http.conditional import SelectedRanges
from headrace.http.ranges import ContentRange, RangeRequest, read_range_set
from headrace.models import Artifact, Fault
from headrace.policy.lru import LRUCache
from headrace.policy.timeouts import HEADERS_WITHIN
from headrace.redact import for_display
from headrace.upstream.auth.origin_credentials import OriginClient

__all__ = ["OriginParts", "PartsReader"]

_log = logging.getLogger("headrace.artifacts")

#: Up to this size (bytes) a file of which one part is asked for is fetched whole: whoever looks
#: into it mostly takes it afterwards.
SMALL = 8 << 20
#: One part up to this size comes from the origin itself, of whatever file: for us the end of a file
#: is what is held back longest.
GLANCE = 2 << 20
#: What a request costs, as bytes: smaller parts count as so much.
_REQUEST = 16 << 10
#: A gap up to this size is fetched with its neighbours: two heads of HTTP are more.
_GAP = 1 << 10
#: Files whose parts are counted.
_REMEMBERED = 1024
#: Bytes of one request at first, and their limits. A piece is in memory until it is read.
_FIRST, _LEAST, _MOST = 256 << 10, 32 << 10, 1 << 20
#: Requests ahead of the reader.
_AHEAD = 4
#: Readers above which each has one small piece.
_MANY = 8
#: Seconds that a piece should take at most, and after which it has failed.
_TURN, _PATIENCE = 1.0, 9.0
_TRIES = 3


def _groups(parts: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join what is fetched as one, in the order of the parts."""
    joined: list[tuple[int, int]] = []
    for start, end in parts:
        if joined and 0 <= start - joined[-1][1] <= _GAP:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((start, end))
    return joined


class OriginParts:
    """Says what is worth fetching in parts, and fetches it."""

    def __init__(
        self, origin: OriginClient, *, told: Callable[[int], None] = lambda _: None
    ) -> None:
        """`told` hears how many bytes came."""
        self._origin = origin
        self._told = told
        self._given = LRUCache[str, int](_REMEMBERED)
        """By path: bytes that were fetched in parts."""
        self.readers = 0

    def worth(self, artifact: Artifact, asked: Mapping[str, str], selected: SelectedRanges) -> bool:
        """Whether a client wants parts of this file alone, so that the rest need not be fetched.

        All parts together never come to more than half of it: whoever takes more is served by a
        shared download of the whole, from the best sources, checked and kept.
        """
        size = artifact.size
        if size is None or not selected.partial:
            return False
        specs = read_range_set(asked.get("range")) or ()
        if any(each.suffix is None and each.end is None for each in specs):
            # The rest of something: what the client has of it was not checked by anybody yet, and
            # the right end behind a wrong beginning is what the hold-back is there to prevent.
            return False
        groups = _groups(selected.parts)
        if artifact.digest is None and (len(groups) > 1 or selected.total > _FIRST):
            return False  # nothing tells that two answers are of the same version
        given = self._given.get(artifact.path) or 0
        cost = sum(max(end - start, _REQUEST) for start, end in groups)
        if 2 * (given + cost) > size:
            return False
        if len(specs) > 1:
            return True
        # Who asks for one large piece may want them all. One who has looked inside does not.
        return size > SMALL and (selected.total <= GLANCE or bool(given))

    async def open(
        self, artifact: Artifact, selected: SelectedRanges, patience: float = HEADERS_WITHIN / 2
    ) -> PartsReader:
        """Begin; return once the first bytes are here. UpstreamError when they are not within
        `patience` seconds. `PartsReader.close` is to be called in any case.
        """
        reader = PartsReader(self, artifact, _groups(selected.parts))
        try:
            async with asyncio.timeout(patience):
                await reader.begin()
        except BaseException as error:
            reader.close()
            if isinstance(error, TimeoutError):
                message = f"no part of {for_display(artifact.url)} in {patience:g} s"
                raise UpstreamError(Fault.SILENT, message) from error
            raise
        return reader

    async def fetch(self, artifact: Artifact, start: int, end: int) -> bytes:
        """Return ``[start, end)``, at once and whole; UpstreamError."""
        asked = {"range": str(RangeRequest(start, end)), "accept-encoding": "identity"}
        if artifact.accept != "*/*":
            asked["accept"] = artifact.accept
        answer = await self._origin.fetch(
            artifact.origin, artifact.url, headers=asked, limit=end - start, checked=False
        )
        if error := answer.error():
            raise error
        try:
            there = ContentRange.parse(answer.headers.get("content-range", ""))
            right = (there.start, there.end) == (start, end)
            right = right and there.total in (None, artifact.size) and answer.status == 206
        except ValueError:
            right = False
        if not right or len(answer.body) != end - start:
            where = for_display(artifact.url)
            raise UpstreamError(Fault.NO_RANGES, f"{where} did not give the part that was asked")
        self._given.put(artifact.path, (self._given.get(artifact.path) or 0) + end - start)
        self._told(end - start)
        return answer.body


@dataclass(slots=True)
class _Piece:
    start: int
    end: int
    coming: asyncio.Task[bytes]


class PartsReader:
    """Gives the parts of one answer, in its order; fetches a little ahead."""

    def __init__(
        self, source: OriginParts, artifact: Artifact, groups: Iterable[tuple[int, int]]
    ) -> None:
        """`groups` are what is fetched, in the order in which it will be read."""
        self._source = source
        self._artifact = artifact
        self._groups = deque(groups)
        self._ahead: deque[_Piece] = deque()
        self._size = _FIRST
        self._came = False
        source.readers += 1
        self._closed = False

    async def begin(self) -> None:
        """Fetch the first piece; UpstreamError when it does not come."""
        self._fill()
        await self._ahead[0].coming

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Give ``[start, end)``, which must come in its turn; UpstreamError in the middle."""
        while start < end:
            piece = self._ahead[0]
            if not piece.start <= start < piece.end:  # it ended within a gap
                self._drop()
                continue
            data = await piece.coming
            self._fill()
            low, high = start - piece.start, min(end, piece.end) - piece.start
            start = piece.start + high
            if start == piece.end:
                self._drop()
            yield data[low:high]

    def _drop(self) -> None:
        self._ahead.popleft()
        self._fill()

    def _fill(self) -> None:
        many = self._source.readers > _MANY
        size = _LEAST if many else self._size
        while self._groups and len(self._ahead) < (1 if many or not self._came else _AHEAD):
            start, end = self._groups.popleft()
            stop = end if end - start <= size else start + size
            if stop < end:
                self._groups.appendleft((stop, end))
            self._ahead.append(_Piece(start, stop, _spawn(self._fetch(start, stop))))

    async def _fetch(self, start: int, end: int) -> bytes:
        loop = asyncio.get_running_loop()
        tried = 0
        while True:
            begun = loop.time()
            try:
                async with asyncio.timeout(_PATIENCE):
                    data = await self._source.fetch(self._artifact, start, end)
            except (UpstreamError, TimeoutError) as error:
                tried += 1
                wait = getattr(error, "retry_after", None) or 0.2 * tried
                if not self._came or tried >= _TRIES or wait > _TURN:
                    raise _said(error, self._artifact) from error
                _log.info("a part of %s once more: %s", for_display(self._artifact.url), error)
                await asyncio.sleep(wait)
                continue
            self._came = True
            took = loop.time() - begun
            if end - start >= self._size and took < _TURN / 2:
                self._size = min(2 * self._size, _MOST)
            elif took > 2 * _TURN:
                self._size = max(self._size // 2, _LEAST)
            return data

    def close(self) -> None:
        """End what is on its way."""
        if not self._closed:
            self._closed = True
            self._source.readers -= 1
        for piece in self._ahead:
            piece.coming.cancel()
        self._ahead.clear()
        self._groups.clear()


def _spawn(work: Coroutine[Any, Any, bytes]) -> asyncio.Task[bytes]:
    task = asyncio.ensure_future(work)
    # Of pieces that nobody came to read any more the failure is nobody's.
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


def _said(error: Exception, artifact: Artifact) -> UpstreamError:
    if isinstance(error, UpstreamError):
        return error
    where = for_display(artifact.url)
    return UpstreamError(Fault.SILENT, f"a part of {where} did not come in {_PATIENCE:g} s")
