"""Parts of a file from the origin itself, for those who want no more of it.

Installers read the directory at an archive's end; engines that know a layer's table of contents
take the files that they lack. What comes is not checked, and is what the client would get without
us: the origin's own bytes, over the user's own trust in it. No more is asked for than was wanted.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from headrace.artifacts.part_feeds import PIECE, Pieces, Several
from headrace.errors import UpstreamError
from headrace.http.byteranges import PartsParser
from headrace.http.conditional import SelectedRanges
from headrace.http.ranges import ContentRange, read_range_set
from headrace.models import Artifact, Fault
from headrace.policy.lru import LRUCache
from headrace.policy.timeouts import HEADERS_WITHIN
from headrace.redact import for_display
from headrace.upstream.auth.origin_credentials import OriginClient
from headrace.upstream.document_stream import DocumentStream

__all__ = ["OriginRanges", "PartsReader"]

_log = logging.getLogger("headrace.artifacts")

#: Up to this size (bytes) a file of which one part is asked for is fetched whole: whoever looks
#: into it mostly takes it afterwards.
SMALL = 8 << 20
#: One part up to this size comes from the origin itself, of whatever file: for us the end of a file
#: is what is held back longest.
GLANCE = 2 << 20
#: From so many on the origin is asked for all of them in one request.
_SEVERAL = 5
#: What those answer who do not know several ranges; all other statuses speak of something else.
_SAY_NO = (200, 206, 400, 416, 431)
#: What a request costs, as bytes: smaller parts count as so much.
_REQUEST = 16 << 10
#: A gap up to this size is fetched with its neighbours: two heads of HTTP are more.
_GAP = 1 << 10
#: Files whose parts are counted.
_REMEMBERED = 1024


def _groups(parts: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join what is fetched as one, in the order of the parts."""
    joined: list[tuple[int, int]] = []
    for start, end in parts:
        if joined and 0 <= start - joined[-1][1] <= _GAP:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((start, end))
    return joined


#: How gateways of headrace's call themselves.
_OURS = "headrace/"


class OriginRanges:
    """Says what is worth fetching in parts, and fetches it."""

    def __init__(
        self, origin: OriginClient, *, told: Callable[[int], None] = lambda _: None
    ) -> None:
        """`told` hears how many bytes came."""
        self._origin = origin
        self._told = told
        self._given = LRUCache[str, int](_REMEMBERED)
        """By path: bytes that were fetched in parts."""
        self._one_by_one = LRUCache[str, bool](_REMEMBERED)
        """Hosts that do not answer several ranges with several parts."""
        self.readers = 0

    def worth(self, artifact: Artifact, asked: Mapping[str, str], selected: SelectedRanges) -> bool:
        """Whether a client wants parts of this file alone, so that the rest need not be fetched.

        All parts together never come to more than half of it: whoever takes more is served by a
        shared download of the whole, from the best sources, checked and kept.
        """
        size = artifact.size
        # The segments of another gateway make up the whole.
        ours = asked.get("user-agent", "").startswith(_OURS)
        if size is None or not selected.partial or ours:
            return False
        specs = read_range_set(asked.get("range")) or ()
        if any(each.suffix is None and each.end is None for each in specs):
            # The rest of something: what the client has of it was not checked by anybody yet, and
            # the right end behind a wrong beginning is what the hold-back is there to prevent.
            return False
        groups = _groups(selected.parts)
        if artifact.digest is None and (len(groups) > 1 or selected.total > PIECE):
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

    def takes_several(self, artifact: Artifact) -> bool:
        """Whether the origin may answer several ranges with several parts."""
        return urlsplit(artifact.url).netloc not in self._one_by_one

    async def fetch(self, artifact: Artifact, start: int, end: int) -> bytes:
        """Return ``[start, end)``, at once and whole; UpstreamError."""
        answer = await self._origin.fetch(
            artifact.origin,
            artifact.url,
            headers=_asking(artifact, ((start, end),)),
            limit=end - start,
            checked=False,
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
        self._count(artifact, end - start)
        return answer.body

    async def stream(
        self, artifact: Artifact, groups: Sequence[tuple[int, int]]
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Ask for all of these in one request; give what comes, each with its offset.

        UpstreamError where it is not what was asked: such an origin is asked for one at a time from
        then on.
        """
        headers = _asking(artifact, groups)
        async with self._origin.open(
            artifact.origin, artifact.url, headers=headers, checked=False
        ) as stream:
            try:
                async for offset, data in _parts_in(stream, artifact.size or 0, groups):
                    self._count(artifact, len(data))
                    yield offset, data
            except ValueError as error:
                if stream.status in _SAY_NO:
                    self._one_by_one.put(urlsplit(artifact.url).netloc, True)
                message = f"{for_display(artifact.url)} gives no several parts: {error}"
                raise stream.error() or UpstreamError(Fault.NO_RANGES, message) from error

    def _count(self, artifact: Artifact, size: int) -> None:
        self._given.put(artifact.path, (self._given.get(artifact.path) or 0) + size)
        self._told(size)


def _asking(artifact: Artifact, groups: Sequence[tuple[int, int]]) -> dict[str, str]:
    text = ",".join(f"{start}-{end - 1}" for start, end in groups)
    headers = {"range": f"bytes={text}", "accept-encoding": "identity"}
    return headers if artifact.accept == "*/*" else {**headers, "accept": artifact.accept}


async def _parts_in(
    stream: DocumentStream, size: int, groups: Sequence[tuple[int, int]]
) -> AsyncIterator[tuple[int, bytes]]:
    """Give what an answer with several parts holds; ValueError where it is none."""
    if stream.status != 206 or stream.coded:
        raise ValueError(f"status {stream.status}")
    left = sum(end - start + _GAP for start, end in groups)
    parser = PartsParser(stream.headers.get("content-type", ""), size)
    async for chunk in stream:
        for offset, data in parser.feed(chunk):
            left -= len(data)
            if left < 0:
                raise ValueError("more than was asked")
            yield offset, data
        if parser.ended:
            return
    raise ValueError("its last line is missing")


class PartsReader:
    """Gives the parts of one answer, in its order."""

    def __init__(
        self, source: OriginRanges, artifact: Artifact, groups: Sequence[tuple[int, int]]
    ) -> None:
        """`groups` are what is fetched, in the order in which it will be read."""
        self._source = source
        self._artifact = artifact
        self._left = deque(groups)
        """What was not read yet."""
        self._feed: Several | Pieces | None = None
        source.readers += 1

    async def begin(self) -> None:
        """Fetch the first bytes; UpstreamError when they do not come."""
        if len(self._left) >= _SEVERAL and self._source.takes_several(self._artifact):
            self._feed = Several(self._source, self._artifact, tuple(self._left))
            with suppress(UpstreamError):
                await self._feed.begin()
                return
        await self._one_by_one().begin()

    def _one_by_one(self) -> Pieces:
        if self._feed is not None:
            self._feed.close()
        self._feed = pieces = Pieces(self._source, self._artifact, tuple(self._left))
        return pieces

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Give ``[start, end)``, which must come in its turn; UpstreamError in the middle."""
        while not self._left[0][0] <= start < self._left[0][1]:
            self._left.popleft()
        while start < end:
            self._left[0] = start, self._left[0][1]
            assert self._feed is not None
            try:
                data = await self._feed.read(start, end)
            except UpstreamError as error:
                if isinstance(self._feed, Pieces):
                    raise
                _log.info("parts one by one: %s", error)
                self._one_by_one()
                continue
            start += len(data)
            yield data
        if start == self._left[0][1]:
            self._left.popleft()

    def close(self) -> None:
        """End what is on its way."""
        if self._feed is not None:
            self._feed.close()
            self._feed = None
        self._source.readers -= 1
