"""Two ways to fetch many parts of a file: all in one request, or piece by piece, a little ahead."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, Protocol

from headrace.errors import UpstreamError
from headrace.models import Artifact, Fault
from headrace.redact import for_display
from headrace.values import dataclass

__all__ = ["PIECE", "PartsSource", "Pieces", "Several"]

_log = logging.getLogger("headrace.artifacts")

#: Bytes of one request at first, and their limits. A piece is in memory until it is read.
PIECE, _LEAST, _MOST = 256 << 10, 32 << 10, 1 << 20
#: Requests ahead of the reader.
_AHEAD = 4
#: Readers above which each has one small piece.
_MANY = 8
#: Seconds that a piece should take at most, and after which it has failed.
_TURN, _PATIENCE = 1.0, 9.0
_TRIES = 3
#: Parts that one request asks for at most: more make a header that servers refuse.
_BATCH = 256


class PartsSource(Protocol):
    """Whom they ask."""

    readers: int

    async def fetch(self, artifact: Artifact, start: int, end: int) -> bytes:
        """Return ``[start, end)``, at once and whole; UpstreamError."""

    def stream(
        self, artifact: Artifact, groups: Sequence[tuple[int, int]]
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Ask for all of these in one request; give what comes, each with its offset."""


class Several:
    """What one request for many parts gives, one after the other."""

    def __init__(
        self, source: PartsSource, artifact: Artifact, groups: Sequence[tuple[int, int]]
    ) -> None:
        """`groups` are what is fetched, in the order in which it will be read."""
        self._source = source
        self._artifact = artifact
        self._came = asyncio.Queue[tuple[int, bytes] | UpstreamError](_AHEAD)
        self._held: tuple[int, bytes] = 0, b""
        self._coming = asyncio.ensure_future(self._run(groups))

    async def begin(self) -> None:
        """Wait for the first bytes; UpstreamError."""
        self._held = await self._next()

    async def read(self, start: int, end: int) -> bytes:
        """Return what comes next from `start` on, up to `end`, at least a byte; UpstreamError."""
        at, data = self._held
        while at + len(data) <= start or not data:  # of a gap
            at, data = await self._next()
        if at > start:
            message = f"{for_display(self._artifact.url)} left a part out"
            raise UpstreamError(Fault.NO_RANGES, message)
        self._held = end, data[end - at :]
        return data[start - at : end - at]

    async def _next(self) -> tuple[int, bytes]:
        found = await self._came.get()
        if isinstance(found, UpstreamError):
            raise found
        return found

    async def _run(self, groups: Sequence[tuple[int, int]]) -> None:
        try:
            for first in range(0, len(groups), _BATCH):
                batch = groups[first : first + _BATCH]
                async for found in self._source.stream(self._artifact, batch):
                    await self._came.put(found)
            message = f"{for_display(self._artifact.url)} left a part out"
            error = UpstreamError(Fault.NO_RANGES, message)
        except UpstreamError as found_wrong:
            error = found_wrong
        await self._came.put(error)

    def close(self) -> None:
        """End what is on its way."""
        self._coming.cancel()


@dataclass(slots=True)
class _Piece:
    start: int
    end: int
    coming: asyncio.Task[bytes]


class Pieces:
    """What requests for one piece at a time give, a little ahead of who reads."""

    def __init__(
        self, source: PartsSource, artifact: Artifact, groups: Sequence[tuple[int, int]]
    ) -> None:
        """`groups` are what is fetched, in the order in which it will be read."""
        self._source = source
        self._artifact = artifact
        self._groups = deque(groups)
        self._ahead: deque[_Piece] = deque()
        self._size = PIECE
        self._came = False

    async def begin(self) -> None:
        """Wait for the first piece; UpstreamError."""
        self._fill()
        await self._ahead[0].coming

    async def read(self, start: int, end: int) -> bytes:
        """Return what comes next from `start` on, up to `end`, at least a byte; UpstreamError."""
        self._fill()
        # One that ended within a gap, or was read to its end.
        while not self._ahead[0].start <= start < self._ahead[0].end:
            self._ahead.popleft()
            self._fill()
        piece = self._ahead[0]
        data = await piece.coming
        self._fill()
        return data[start - piece.start : end - piece.start]

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
