"""One HTTP/1.1 connection that gives bodies as they lie in the network's buffer.

h11 judges the head, and bodies whose end only it can find (chunks, the end of the connection). A
body of a told length, which is what a range is, passes it by: of such a one there is nothing to
judge, and h11 would copy and cut it thrice. What goes wrong leaves this file as httpcore says it.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import h11
import httpcore

from headrace.upstream.http1.streams import PIECE, SocketStream
from headrace.upstream.pinned import HeadCost
from headrace.values import dataclass

__all__ = ["Asked", "Connection", "Http1Answer", "Network", "ServerAddress", "WhenFreed"]

#: Of an answer's head, in bytes; as httpcore has it.
_LONGEST_HEAD = 100 << 10
#: Bytes that a head is looked for in at a time. Of a fast line half a megabyte of the body may lie
#: behind it, which nobody needs to copy and to search.
_LOOKED_THROUGH = 8 << 10

Trace = Callable[[str, Mapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a connection leads."""

    host: str
    port: int
    tls: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A request without a body."""

    method: str
    target: bytes
    """In origin form (RFC 9112 section 3.2.1)."""
    headers: Sequence[tuple[bytes, bytes]]
    """With Host."""
    timeouts: Mapping[str, float]
    """Seconds to ``connect``, ``write`` and ``read``: the last is the longest silence. Looked at
    again when the body is begun."""
    trace: Trace
    """Hears of what the connection does, as httpcore would tell."""


class Network(Protocol):
    """Connects."""

    async def connect_tcp(self, host: str, port: int, timeout: float) -> SocketStream:  # noqa: ASYNC109
        """Connect to a host within so many seconds."""


class WhenFreed(Protocol):
    """Hears of a connection that its user needs no more."""

    def __call__(self, connection: Connection, *, kept: bool) -> Awaitable[None]:
        """`kept`: it can be asked again; else it is to be closed."""


class Connection:
    """One connection, made at its first request. For one request at a time."""

    def __init__(
        self,
        place: ServerAddress,
        context: ssl.SSLContext,
        network: Network,
        on_freed: WhenFreed,
        *,
        stream: SocketStream | None = None,
    ) -> None:
        """`network` connects, unless it is made of a `stream` that is connected; `on_freed` is
        called once for each answer.
        """
        self.place = place
        self._context = context
        self._network = network
        self._on_freed = on_freed
        self._stream = stream

    async def ask(self, asked: Asked) -> Http1Answer:
        """Ask, and return once the answer's head is here; else the connection is closed."""
        timeouts = asked.timeouts
        try:
            if self._stream is None:
                self._stream = await self._connect(timeouts["connect"], asked.trace)
            parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
            head = _written(parser, asked)
            await asked.trace("http11.send_request_headers.started", {})
            # A server may answer, and close, before it has the whole: its answer is what counts.
            with contextlib.suppress(httpcore.WriteError):
                await self._stream.write(head, timeouts["write"])
            answer = await self._head(parser, timeouts["read"])
            await asked.trace("http11.receive_response_headers.complete", {})
        except BaseException:
            await self.aclose()
            raise
        return Http1Answer(self, parser, asked, answer)

    async def _connect(
        self,
        timeout: float,  # noqa: ASYNC109 - the network's clock
        trace: Trace,
    ) -> SocketStream:
        place = self.place
        await trace("connection.connect_tcp.started", {})
        stream = await self._network.connect_tcp(place.host, place.port, timeout)
        if place.tls:
            self._context.set_alpn_protocols(["http/1.1"])
            stream = await stream.start_tls(self._context, place.host, timeout)
        return stream

    async def _head(self, parser: h11.Connection, patience: float) -> h11.Response:
        """Read up to an answer that is not an interim one."""
        cost = HeadCost()
        while True:
            event = _next_event(parser)
            if isinstance(event, h11.Response):
                return event
            if event is h11.NEED_DATA:
                cost.check()
                data = bytes(await self.borrow(patience, _LOOKED_THROUGH))
                if not data:
                    raise httpcore.RemoteProtocolError("server disconnected without an answer")
                cost.count(data)
                parser.receive_data(data)

    async def borrow(self, patience: float, most: int = PIECE) -> memoryview:
        """Lend what the network has until the next call; nothing at its end."""
        assert self._stream is not None
        return await self._stream.borrow(patience, most)

    def put_back(self, count: int) -> bool:
        """Lend the last `count` bytes once more, with what came behind them; False: nothing did."""
        return self._stream is not None and self._stream.put_back(count)

    async def freed(self, *, kept: bool) -> None:
        """Let it go; `kept`: an answer was read to its end, and more may be asked."""
        if self._stream is not None:
            self._stream.rest()
        await self._on_freed(self, kept=kept)

    @property
    def stirs(self) -> bool:
        """Whether something came that nobody asked for: mostly its end."""
        return bool(self.get_extra_info("is_readable"))

    def get_extra_info(self, info: str) -> Any:
        """Return what the network tells of itself, by httpcore's names."""
        return None if self._stream is None else self._stream.get_extra_info(info)

    async def aclose(self) -> None:
        """Close it, at once."""
        if self._stream is not None:
            await self._stream.aclose()


class Http1Answer:
    """An answer whose head is here, with the names that httpx gives to its parts."""

    def __init__(
        self, connection: Connection, parser: h11.Connection, asked: Asked, head: h11.Response
    ) -> None:
        """Made by `Connection.ask`."""
        self.status_code = head.status_code
        self.raw_headers: Sequence[tuple[bytes, bytes]] = head.headers.raw_items()
        self.extensions = {"network_stream": connection}
        self._connection = connection
        self._parser = parser
        self._timeouts = asked.timeouts
        self._left = _length(asked, head)
        """Bytes still to come; None: the parser finds the end."""
        self._kept = _is_kept(head)
        # Nobody reads a body that there is not, so what lies behind such a head is seen here.
        self._ended = self._left == 0
        self._kept &= not (self._ended and parser.trailing_data[0])
        self._closed = False

    async def aiter_raw(self) -> AsyncIterator[bytes]:
        """Give the body as it comes, in pieces of at most 256 KiB."""
        async for piece in self.aiter_lent():
            yield bytes(piece)

    async def aiter_lent(self) -> AsyncIterator[bytes | memoryview]:
        """The same, without a copy: each piece is the reader's until he asks for the next one."""
        patience = self._timeouts["read"]
        if self._left is None:
            async for data in self._parsed(patience):
                yield data
            return
        piece: bytes | memoryview = self._parser.trailing_data[0]
        if piece and self._connection.put_back(len(piece)):
            piece = b""
        while self._left:
            if not piece:
                piece = await self._connection.borrow(patience)
                if not piece:
                    what = "peer closed connection before the body's end"
                    raise httpcore.RemoteProtocolError(what)
            if len(piece) > self._left:  # what follows was not asked for
                self._kept = False
                piece = piece[: self._left]
            self._left -= len(piece)
            yield piece
            piece = b""
        self._kept &= not piece
        self._ended = True

    async def _parsed(self, patience: float) -> AsyncIterator[bytes]:
        """Give a body whose end the parser finds."""
        while True:
            event = _next_event(self._parser)
            if event is h11.NEED_DATA:
                self._parser.receive_data(bytes(await self._connection.borrow(patience)))
            elif isinstance(event, h11.Data):
                yield bytes(event.data)
            else:
                break
        self._kept &= self._parser.trailing_data == (b"", False)
        self._ended = True

    async def aclose(self) -> None:
        """Let the connection go, to the next request where the body was read to its end."""
        if not self._closed:
            self._closed = True
            await self._connection.freed(kept=self._kept and self._ended)


def _next_event(parser: h11.Connection) -> Any:
    """Return what a parser sees next."""
    try:
        return parser.next_event()
    except h11.RemoteProtocolError as error:
        raise httpcore.RemoteProtocolError(str(error)) from error


def _written(parser: h11.Connection, asked: Asked) -> bytes:
    """Return a request as it goes out."""
    try:
        head = parser.send(
            h11.Request(method=asked.method, target=asked.target, headers=list(asked.headers))
        )
        return (head or b"") + (parser.send(h11.EndOfMessage()) or b"")
    except h11.LocalProtocolError as error:
        raise httpcore.LocalProtocolError(str(error)) from error


def _length(asked: Asked, head: h11.Response) -> int | None:
    """Return how long a body is; None where its own frame tells (RFC 9112 section 6.3).

    h11 has refused lengths that are none, or several.
    """
    if asked.method == "HEAD" or head.status_code in (204, 304):
        return 0
    told = dict(head.headers)
    if b"transfer-encoding" in told or b"content-length" not in told:
        return None
    return int(told[b"content-length"])


def _is_kept(head: h11.Response) -> bool:
    """Whether a server lets the connection stay (RFC 9112 section 9.3)."""
    told = b",".join(value for name, value in head.headers if name == b"connection")
    options = {each.strip().lower() for each in told.split(b",")}
    return head.http_version == b"1.1" and b"close" not in options
