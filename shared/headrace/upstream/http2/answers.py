"""What comes of one request over HTTP/2, while others are under way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpcore
from h2 import events
from h2.errors import ErrorCodes

from headrace.upstream.http1.connection import Asked

__all__ = ["Http2Answer", "NotTakenError", "Stream"]


class NotTakenError(httpcore.RemoteProtocolError):
    """The server says that it has not begun with a request: another connection may have it."""


class Giver(Protocol):
    """The connection that an answer comes over."""

    async def took(self, size: int, stream: Stream) -> None:
        """Let the server send as many bytes again."""

    async def leave(self, stream: Stream) -> None:
        """Be done with an answer, wherever it is."""


@dataclass(slots=True, eq=False)
class Stream:
    """What came of one answer and nobody has taken yet."""

    number: int
    head: tuple[int, Sequence[tuple[bytes, bytes]]] | None = None
    parts: deque[tuple[bytes, int]] = field(default_factory=deque)
    """Each with the bytes that it counts in the windows."""
    ended: bool = False
    fault: Exception | None = None
    reader: asyncio.Future[None] | None = None

    def wake(self) -> None:
        """Let whoever waits look."""
        if self.reader is not None and not self.reader.done():
            self.reader.set_result(None)

    def hear(self, event: events.Event) -> None:
        """Take what came, and let whoever waits look."""
        if isinstance(event, events.ResponseReceived):
            self.head = _told(event.headers or [])
        elif isinstance(event, events.DataReceived):
            self.parts.append((event.data or b"", event.flow_controlled_length or 0))
        elif isinstance(event, events.StreamEnded):
            self.ended = True
        elif isinstance(event, events.StreamReset):
            refused = event.error_code == ErrorCodes.REFUSED_STREAM
            kind = NotTakenError if refused else httpcore.RemoteProtocolError
            self.fault = kind(f"peer closed the stream, by error {event.error_code}")
        self.wake()

    async def stirred(self, patience: float) -> None:
        """Wait until something else came, `patience` seconds at most; raise what went wrong."""
        if self.fault is not None:
            raise self.fault
        self.reader = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(patience):
                await self.reader
        except TimeoutError as error:
            raise httpcore.ReadTimeout from error
        finally:
            self.reader = None


class Http2Answer:
    """An answer whose head is here, with the names that httpx gives to its parts."""

    def __init__(
        self,
        connection: Giver,
        stream: Stream,
        asked: Asked,
        status: int,
        headers: Sequence[tuple[bytes, bytes]],
    ) -> None:
        """Made by `Http2Connection.ask`."""
        self.status_code = status
        self.raw_headers = headers
        self.extensions = {"network_stream": connection}
        self._connection = connection
        self._stream = stream
        self._timeouts = asked.timeouts

    async def aiter_raw(self) -> AsyncIterator[bytes]:
        """Give the body as it comes."""
        stream = self._stream
        while True:
            while stream.parts:
                data, size = stream.parts.popleft()
                if size:
                    await self._connection.took(size, stream)
                if data:
                    yield data
            if stream.ended:
                return
            await stream.stirred(self._timeouts["read"])

    async def aclose(self) -> None:
        """Be done with it."""
        await self._connection.leave(self._stream)


def _told(headers: Sequence[Any]) -> tuple[int, list[tuple[bytes, bytes]]]:
    """Split an answer's head into its status and the rest."""
    pairs = [(bytes(name), bytes(value)) for name, value in headers]
    status = next((value for name, value in pairs if name == b":status"), b"")
    if not (status.isdigit() and len(status) == 3):
        raise httpcore.RemoteProtocolError(f"no status: {status!r}")
    return int(status), [pair for pair in pairs if pair[0][:1] != b":"]
