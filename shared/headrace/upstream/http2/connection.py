"""One HTTP/2 connection, for as many requests at a time as its server takes.

h2 has the protocol: frames, compressed heads, windows, and what a server may not do. What is here
is who reads and who waits. One task reads for all, so whoever leaves his request, or is left
waiting, costs the others nothing. Requests go out with the connection's own greeting, before the
server's settings are here: RFC 9113 section 3.4 has it so, and over a far line it is a round trip.
What goes wrong leaves this file as httpcore says it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import httpcore
from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from hyperframe.frame import Frame, GoAwayFrame

from headrace.upstream.http1.connection import Asked, Network, ServerAddress
from headrace.upstream.http1.streams import SocketStream
from headrace.upstream.http2.answers import Http2Answer, NotTakenError, Stream
from headrace.upstream.http2.pulse import Pulse
from headrace.upstream.pinned import FrameCost

__all__ = ["Http2Connection", "SpeaksHttp1Error"]

#: Bytes that may come of one answer, and of all, before somebody takes them.
WINDOW = 1 << 24
#: Requests at a time, where the server does not say: RFC 9113 section 6.5.2 asks it for as many.
AT_ONCE = 100
#: Of a head, in bytes.
_LONGEST_HEAD = 64 << 10
#: Bytes that are read at a time.
_PIECE = 64 << 10
#: What a frame costs at least, in bytes, that comes for somebody who has left.
_A_FRAME = 1 << 10
#: Seconds for a server to take what is no request.
_PATIENCE = 10.0
#: Headers that are for one connection (RFC 9113 section 8.2.2), or are said in another way.
_NOT_SENT = (b"host", b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding")


class SpeaksHttp1Error(Exception):
    """The server does not agree on HTTP/2."""


class _Protocol(H2Connection):
    """h2's own, but that a server which takes no more requests may finish those that it has (RFC
    9113 section 6.8): h2 takes whatever comes then for a fault.
    """

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[events.Event]]:
        state = self.state_machine.state
        told = super()._receive_goaway_frame(frame)
        self.state_machine.state = state
        return told


class Http2Connection:
    """One connection, made when it is first needed. For one event loop."""

    def __init__(
        self,
        place: ServerAddress,
        context: ssl.SSLContext,
        network: Network,
        *,
        expiry: float,
        on_http1: Callable[[ServerAddress, SocketStream], None],
    ) -> None:
        """`network` connects; after `expiry` seconds without a request it is closed. `on_http1` is
        given the connection where its server agrees on HTTP/1.1 alone.
        """
        self._place = place
        self._context = context
        self._network = network
        self._expiry = expiry
        self._on_http1 = on_http1
        config = H2Configuration(client_side=True, header_encoding=None)
        self._h2 = _Protocol(config)
        self._streams: dict[int, Stream] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()
        """Those for whom the server has no room yet."""
        self._stream: SocketStream | None = None
        self._making: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._saying: asyncio.Handle | None = None
        self._pulse = Pulse(self._ping, self._end, self.get_extra_info)
        self._owed = 0
        """Bytes that may still come for those who left: a server goes on until it hears of it."""
        self._full: Exception | None = None
        """Why no other request goes over it."""
        self._fault: Exception | None = None
        """Why nothing goes over it any more."""

    @property
    def usable(self) -> bool:
        """Whether another request may go over it."""
        return self._fault is None and self._full is None

    @property
    def made(self) -> bool:
        """Whether a request need not wait for a handshake."""
        return self._stream is not None

    @property
    def under_way(self) -> int:
        """How many requests are."""
        return len(self._streams)

    # ------------------------------------------------------------------ making it

    async def connect(self, asked: Asked) -> None:
        """Make it, or wait until it is made; SpeaksHttp1Error where it is not for this."""
        if self._stream is not None:
            return
        if self._making is None:
            self._making = asyncio.ensure_future(self._make(asked))
            self._making.add_done_callback(_seen)
        else:
            await asked.trace("connection.connect_tcp.started", {})
        # Whoever began it may leave; the others want it still.
        await asyncio.shield(self._making)

    async def _make(self, asked: Asked) -> None:
        place, timeout = self._place, asked.timeouts["connect"]
        try:
            await asked.trace("connection.connect_tcp.started", {})
            stream = await self._network.connect_tcp(place.host, place.port, timeout)
            await asked.trace("connection.connect_tcp.complete", {})
            self._context.set_alpn_protocols(["http/1.1", "h2"])
            stream = await stream.start_tls(self._context, place.host, timeout)
            tls = stream.get_extra_info("ssl_object")
            if tls is None or tls.selected_alpn_protocol() != "h2":
                self._on_http1(place, stream)
                raise SpeaksHttp1Error  # noqa: TRY301
            self._stream = stream
            self._greet()
            await self._flush(asked.timeouts["write"])
            self._reading = asyncio.ensure_future(self._read(stream))
            self._rest()
        except Exception as error:
            self._end(error)
            raise

    def _greet(self) -> None:
        """Say what this side wants (RFC 9113 section 3.4)."""
        # h2 would send its own defaults beside, and what it makes of ours in a frame of its own.
        self._h2.local_settings = Settings(
            client=True,
            initial_values={
                SettingCodes.ENABLE_PUSH: 0,
                SettingCodes.MAX_CONCURRENT_STREAMS: AT_ONCE,
                SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
                SettingCodes.MAX_HEADER_LIST_SIZE: _LONGEST_HEAD,
            },
        )
        # Some servers end at what they do not know.
        del self._h2.local_settings[SettingCodes.ENABLE_CONNECT_PROTOCOL]
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(WINDOW)

    # ------------------------------------------------------------------ asking

    async def ask(self, asked: Asked) -> Http2Answer:
        """Ask, and return once the answer's head is here."""
        await self.connect(asked)
        await self._room(asked.timeouts["pool"])
        await asked.trace("http2.send_request_headers.started", {})
        if not self.usable:
            raise NotTakenError(f"the connection was closed: {self._fault or self._full}")
        with _said():
            number = self._h2.get_next_available_stream_id()
            self._h2.send_headers(number, _head_of(asked), end_stream=True)
        stream = self._streams[number] = Stream(number)
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        self._pulse.expect()
        if self._saying is None:
            self._saying = asyncio.get_running_loop().call_soon(self._say)
        try:
            while stream.head is None:
                await stream.stirred(asked.timeouts["read"])
            await asked.trace("http2.receive_response_headers.complete", {})
        except BaseException:
            await self.leave(stream)
            raise
        return Http2Answer(self, stream, asked, *stream.head)

    async def _room(self, patience: float) -> None:
        """Wait until the server takes one more."""
        while self.usable and len(self._streams) >= min(
            AT_ONCE, self._h2.remote_settings.max_concurrent_streams
        ):
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                async with asyncio.timeout(patience):
                    await turn
            except TimeoutError as error:
                raise httpcore.PoolTimeout from error
            except asyncio.CancelledError:
                if not turn.cancelled():  # it was told, and somebody else has not been
                    self._let_look(1)
                raise
            finally:
                with contextlib.suppress(ValueError):
                    self._waiting.remove(turn)

    async def took(self, size: int, stream: Stream) -> None:
        """Let the server send as many bytes again."""
        with _said():
            self._h2.acknowledge_received_data(size, stream.number)
        # Where that fails nothing more comes, but what came is here and counts.
        with contextlib.suppress(httpcore.NetworkError, httpcore.TimeoutException):
            await self._flush(_PATIENCE)

    async def leave(self, stream: Stream) -> None:
        """Be done with an answer, wherever it is; the others go on."""
        if self._streams.pop(stream.number, None) is None:
            return
        if self._fault is None:
            with contextlib.suppress(H2Error):
                for _, size in stream.parts:
                    self._h2.acknowledge_received_data(size, stream.number)
                if not stream.ended:
                    self._owed = 2 * WINDOW
                    self._h2.reset_stream(stream.number, ErrorCodes.CANCEL)
            self._rest()
        stream.parts.clear()
        self._let_look(1)
        try:
            with contextlib.suppress(httpcore.NetworkError, httpcore.TimeoutException):
                await self._flush(_PATIENCE)
        finally:
            if self._full is not None and not self._streams:
                self._end(self._full)

    def _let_look(self, most: int | None = None) -> None:
        """Let those who wait for room look, the first ones of them."""
        for turn in islice((each for each in self._waiting if not each.done()), most):
            turn.set_result(None)

    def _rest(self) -> None:
        """Hold no memory while nothing is expected, and close in a while."""
        if not self._streams and self._stream is not None and self._idle is None:
            self._stream.rest()
            self._pulse.rest()
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(self._expiry, self._end, TimeoutError("nobody asked"))

    def _say(self) -> None:
        """Send what all who asked in this moment have to say: what is written by itself is a
        segment of TCP, and a new connection has ten of those under way, no more.

        Nobody waits until it is out. What becomes of it the one who reads hears: a server may
        answer, and close, before it has the whole, and its answer is what counts.
        """
        self._saying = None
        if self._stream is not None and (data := self._h2.data_to_send()):
            self._stream.put(data)

    async def _flush(self, patience: float) -> None:
        """Send what h2 has to say."""
        if (data := self._h2.data_to_send()) and self._stream is not None:
            await self._stream.write(data, patience)

    # ------------------------------------------------------------------ what comes

    async def _read(self, stream: SocketStream) -> None:
        """Read for all, to the connection's end."""
        cost = FrameCost(self._data_for)
        try:
            while self._fault is None:
                data = bytes(await stream.borrow(None, _PIECE))
                if not data:
                    why = self._full or httpcore.RemoteProtocolError("the server disconnected")
                    raise why  # noqa: TRY301
                self._pulse.came()
                cost.feed(data)
                with _said():
                    for event in self._h2.receive_data(data):
                        self._hear(event)
                # A server that asks and asks and takes no answer is not read any further.
                await self._flush(_PATIENCE)
                if not self._streams:
                    stream.rest()
        except Exception as error:  # noqa: BLE001 - each who waits hears of it
            self._end(error)

    def _hear(self, event: events.Event) -> None:
        if isinstance(event, events.ConnectionTerminated):
            said = f"the server disconnected, by error {event.error_code}"
            for number, stream in self._streams.items():
                if number > (event.last_stream_id or 0):
                    stream.fault = NotTakenError(said)
                    stream.wake()
            self._full = httpcore.RemoteProtocolError(said)
            self._let_look()
            if not self._streams:
                self._end(self._full)
        elif isinstance(event, events.RemoteSettingsChanged):
            self._let_look()
        elif (found := self._streams.get(getattr(event, "stream_id", None) or 0)) is not None:
            found.hear(event)

    def _data_for(self, number: int, size: int) -> None:
        """Count what comes for nobody."""
        if number not in self._streams:
            self._owed -= max(size, _A_FRAME)
            if self._owed < 0:
                raise httpcore.RemoteProtocolError("bytes that nobody waits for, without end")

    def _ping(self) -> None:
        with contextlib.suppress(H2Error):
            self._h2.ping(b"headrace")
            if self._stream is not None:
                self._stream.put(self._h2.data_to_send())

    def _end(self, fault: Exception) -> None:
        """Nothing goes over it any more; who waits hears why."""
        if self._fault is not None:
            return
        self._fault = fault
        self._pulse.end()
        if self._idle is not None:
            self._idle.cancel()
        if self._stream is not None:
            self._stream.abort()
        for stream in self._streams.values():
            stream.fault = stream.fault or fault
            stream.wake()
        self._let_look()

    def get_extra_info(self, info: str) -> Any:
        """Return what the network tells of itself, by httpcore's names."""
        return None if self._stream is None else self._stream.get_extra_info(info)

    async def aclose(self) -> None:
        """Close it, at once."""
        self._end(httpcore.ReadError("the connection was closed"))
        tasks = [each for each in (self._making, self._reading) if each is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._stream is not None:  # it was made meanwhile
            self._stream.abort()


def _seen(task: asyncio.Task[None]) -> None:
    """Nobody may be waiting any more; what went wrong counts as heard."""
    if not task.cancelled():
        task.exception()


@contextlib.contextmanager
def _said() -> Iterator[None]:
    """Raise what is httpcore's for what h2 finds wrong."""
    try:
        yield
    except H2Error as error:
        raise httpcore.RemoteProtocolError(str(error)) from error


def _head_of(asked: Asked) -> list[tuple[bytes, bytes]]:
    """Return a request's head as HTTP/2 has it (RFC 9113 section 8.3.1)."""
    host = next(value for name, value in asked.headers if name.lower() == b"host")
    return [
        (b":method", asked.method.encode("ascii")),
        (b":authority", host),
        (b":scheme", b"https"),
        (b":path", asked.target),
        *((name.lower(), value) for name, value in asked.headers if name.lower() not in _NOT_SENT),
    ]
