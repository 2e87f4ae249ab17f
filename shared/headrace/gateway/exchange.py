"""One client's request and its answer over ASGI: the few shapes of answer that the gateway gives.

No answer here buffers a file, and none starts before its length is known, so that a client can
always tell a cut from an end (RFC 9112 section 6.3).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from io import FileIO
from pathlib import Path
from typing import Any, Protocol

from headrace.gateway import response_head
from headrace.models import Origin, Request, Response
from headrace.policy.portions import SMALLEST, portion
from headrace.system.storage.file_part import FilePart

__all__ = ["ClientDisconnect", "Exchange", "Receive", "Scope", "Send"]

_log = logging.getLogger("headrace.gateway")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: Bytes of a body that is read along; registries take manifests of 4 MiB at most.
_LONGEST_READ = 4 << 20
#: Characters of a sentence for people.
_LONGEST = 4000


#: Those who are being sent files.
_files: set[Exchange] = set()


def _shown(origin: Origin, url: str) -> bool:
    del origin, url
    return False


class ClientDisconnect(Exception):  # noqa: N818 - a fact, no error
    """The client went away before its answer was complete."""


class ResumedAnswer(Protocol):
    """An answer that another worker has begun."""

    already: int

    def leave_out(self, count: int) -> None:
        """Say that so many bytes of the body will not be written."""


class Exchange:
    """A request with the means to answer it once."""

    def __init__(
        self,
        request: Request,
        receive: Receive,
        send: Send,
        hang_up: Callable[[], None] | None = None,
        resumed: ResumedAnswer | None = None,
    ) -> None:
        """`request` is the gateway's reading of the ASGI scope, `hang_up` ends the connection,
        `resumed` knows what another worker has answered of it.
        """
        self.request = request
        self.showed_token = False
        """Whether the client proved itself by the gateway's token."""
        self.takes_files = False
        """Whether a part of the body may be one of a file (`FilePart`)."""
        self.status: int | None = None
        self.from_replica = False
        """Whether another replica of the same fleet asks."""
        self.sources: dict[str, int] = {}
        """Bytes that were given of a file, by source; ``store`` is our own disk."""
        self.hidden: Callable[[Origin, str], bool] = _shown
        """Whether what lies at an origin's URL is not for this client (`serving`)."""
        self.phrased: Callable[[int, str, str], Response] | None = None
        """How this client is refused, where that is not a sentence for people."""
        self._reader: Callable[[bytes], Awaitable[None]] | None = None
        self._read = bytearray()
        self._receive = receive
        self._send = send
        self._hang_up = hang_up
        self._resumed = resumed
        self.already = resumed.already if resumed else 0
        """Bytes of the body that the client has from another worker. They are left out by
        themselves, or by whoever begins behind them and says so (`leave_out`).
        """

    @property
    def head(self) -> bool:
        """Whether only the head of the answer is wanted."""
        return self.request.method == "HEAD"

    @property
    def started(self) -> bool:
        """Whether the status line is out, so that no other answer can be given."""
        return self.status is not None

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the head. What cannot be sent of it is left out; `UnsendableError`, and nothing has
        begun, where there is no such answer.
        """
        raw = response_head.make(status, headers)
        self.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    def read_along(self, reader: Callable[[bytes], Awaitable[None]]) -> None:
        """Show somebody what went out as the body, before its last part does; a long one not."""
        self._reader = reader

    def leave_out(self) -> None:
        """Begin the body behind what the client has `already`; after `begin`."""
        if self._resumed is not None:
            self._resumed.leave_out(self.already)
            self._reader = None if self.already else self._reader

    async def more(self, data: bytes | FilePart) -> None:
        """Send a part of the body; waits while the client does not read."""
        if self._reader is not None:
            data = bytes(data)
            self._read += data
            if len(self._read) > _LONGEST_READ:
                self._reader = None
                self._read.clear()
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes | FilePart = b"") -> None:
        """Complete the answer."""
        # Nothing goes out behind bytes, so the connection may be closed once they are written.
        data = bytes(data)
        if self._reader is not None:
            reader, self._reader = self._reader, None
            await reader(bytes(self._read) + data)
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def whole(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        """Send an answer in one piece; its length is told to a HEAD too."""
        await self.begin(status, {**_without_length(headers), "content-length": str(len(body))})
        await self.end(b"" if self.head or status in response_head.NO_BODY else body)

    async def text(self, status: int, words: str, headers: Mapping[str, str] | None = None) -> None:
        """Send a sentence for people; a refusal in the client's own form, where it has one."""
        told = self._in_their_form(status, words)
        if told is not None:
            kept = {**told.headers, "cache-control": "no-store", **(headers or {})}
            await self.whole(told.status, kept, told.body)
            return
        plain = {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store"}
        body = f"{words[:_LONGEST]}\n".encode(errors="replace")
        await self.whole(status, {**plain, **(headers or {})}, body)

    def _in_their_form(self, status: int, words: str) -> Response | None:
        if self.phrased is None or not 400 <= status < 500:
            return None
        try:
            told = self.phrased(status, words, self.request.path)
            if 400 <= told.status < 500:
                return told
            _log.warning("a refusal was phrased as a %s: told as a sentence", told.status)
        except Exception as error:  # noqa: BLE001 - a plugin's; whoever is refused is told of it
            _log.warning("a refusal could not be phrased: %r", error)
        return None

    async def redirect(self, url: str, why: str) -> None:
        """Send the client to the origin. Never to be kept: the next request is ours again."""
        there = response_head.location(url)
        if there is None:
            # Not 404, which would send a resolver to its next index for a name of this one.
            await self.text(403, f"{why}; its URL at the origin is none that a client can ask")
            return
        await self.text(302, why, {"location": there})

    async def hang_up(self) -> None:
        """End the connection without a word, which clients try again after."""
        if self._hang_up is None:
            # Behind another server: the nearest thing, an answer that is cut at once.
            await self.begin(200, {"content-length": "1"})
            return
        self.status = 0
        self._hang_up()
        await self.until_gone()

    async def open_file(self, path: Path, start: int) -> FileIO:
        """Open a file at a place, for `file`; OSError when it cannot be."""
        return await asyncio.get_running_loop().run_in_executor(None, _open, path, start)

    async def file(self, stream: FileIO, left: int) -> None:
        """Send `left` bytes of an open file as the body, after `begin`, and close the file.

        The next chunk is read in a thread while the socket takes the last one, so neither a slow
        disk nor a slow client holds up the others.
        """
        loop = asyncio.get_running_loop()
        _files.add(self)
        try:
            async with self.watched() as gone:
                data = await loop.run_in_executor(None, stream.read, _portion(left))
                while data and not gone.done():
                    left -= len(data)
                    if not left:
                        break
                    ahead = loop.run_in_executor(None, stream.read, _portion(left))
                    try:
                        await self.more(data)
                    finally:
                        data = await ahead
                if gone.done():
                    raise ClientDisconnect
                if not left:
                    await self.end(data)
        finally:
            _files.discard(self)
            stream.close()

    async def parts(
        self,
        stream: FileIO,
        body: Callable[[Callable[[int, int], AsyncIterator[bytes]]], AsyncIterator[bytes]],
    ) -> None:
        """Send several parts of an open file, in the frame that `body` gives them; close the file.

        Raises what `body` raises: then the connection is to be cut.
        """
        loop = asyncio.get_running_loop()

        async def read(start: int, end: int) -> AsyncIterator[bytes]:
            while start < end:
                size = min(SMALLEST, end - start)
                data = await loop.run_in_executor(None, _read_at, stream, start, size)
                if not data:
                    return
                start += len(data)
                yield data

        with stream:
            async with self.watched() as gone:
                waiting = bytearray()
                async for data in body(read):
                    waiting += data
                    if gone.done():
                        raise ClientDisconnect
                    if len(waiting) >= SMALLEST:
                        await self.more(bytes(waiting))
                        waiting.clear()
        await self.end(bytes(waiting))

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[asyncio.Future[None]]:
        """Give a future that is done when the client has gone."""
        watch = asyncio.ensure_future(self.until_gone())
        try:
            yield watch
        finally:
            watch.cancel()

    async def until_gone(self) -> None:
        """Wait for the end of a connection that is closing: the server takes an answer that ends
        before it, and is not complete, for a mistake of ours.
        """
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _without_length(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() != "content-length"}


def _portion(left: int) -> int:
    return min(portion(len(_files)), left)


def _read_at(stream: FileIO, start: int, size: int) -> bytes:
    stream.seek(start)
    return stream.read(size) or b""


def _open(path: Path, start: int) -> FileIO:
    stream = FileIO(path)
    stream.seek(start)
    return stream
