"""The network below the HTTP client, for bytes in bulk: what came lies in one buffer until it is
taken, so that whoever is busy finds much at once.

The loop's own transports read and decrypt (uvloop's in C), where those of httpcore go through anyio
in Python, for each 16 KiB of TLS anew. What the socket, TLS or a clock raises leaves this file as
the exception of httpcore's that its own backends raise.
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import select
import socket
import ssl
import sys
import weakref
from collections.abc import Iterable, Iterator
from typing import Any, cast

import httpcore

__all__ = ["PIECE", "SocketBackend", "SocketStream"]

#: Bytes that one read takes at most. Each piece costs what it costs, however long it is; longer
#: ones than a core's own cache holds cost more than that saves.
PIECE = 512 << 10
#: So many connections read that much at a time; others have what is enough for a slow line.
_LARGE = 32
_SMALL_PIECE = 128 << 10


@contextlib.contextmanager
def _said(fault: type[Exception], too_late: type[Exception]) -> Iterator[None]:
    """Raise `fault` for what the network says, and `too_late` for the clock."""
    try:
        yield
    except TimeoutError as error:
        raise too_late(str(error)) from error
    except (OSError, ssl.SSLError) as error:
        raise fault(str(error)) from error


class _Buffers:
    """The buffers of all connections. For one event loop.

    What comes back is used next, whoever reads: it still lies in the core's cache. Pages of memory
    that nothing was read into are none, so a large buffer costs a small file nothing.
    """

    def __init__(self) -> None:
        self._free: list[mmap.mmap] = []
        self._large = weakref.WeakSet[mmap.mmap]()
        self._users = weakref.WeakSet[object]()

    def take(self, user: object) -> mmap.mmap:
        """Give a buffer to a connection that reads until it is `done`."""
        self._users.add(user)
        if self._free:
            return self._free.pop()
        if len(self._large) >= _LARGE:
            return mmap.mmap(-1, _SMALL_PIECE)
        buffer = mmap.mmap(-1, PIECE)
        self._large.add(buffer)
        return buffer

    def give(self, buffer: mmap.mmap) -> None:
        """Take one back."""
        if len(buffer) == PIECE:
            self._free.append(buffer)

    def done(self, user: object) -> None:
        """A connection expects nothing; where none does there is no memory to be held."""
        self._users.discard(user)
        if not self._users:
            self._free.clear()


_buffers = _Buffers()


class _Incoming(asyncio.BufferedProtocol):
    """What one connection brought and nobody has taken yet.

    What is taken is lent, with its buffer, and comes back when more is asked for.
    """

    def __init__(self) -> None:
        self.ended = False
        """Nothing more comes."""
        self.error: Exception | None = None
        """Why, where it is no orderly end."""
        self.transport: asyncio.Transport | None = None
        self._buffer: mmap.mmap | None = None
        self._lent: mmap.mmap | None = None
        self._taken = self._filled = 0
        self._paused = False
        self._reader: asyncio.Future[None] | None = None
        self._late_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's are of no class of asyncio's.
        self.transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's word
        """Give room for what comes."""
        if self._buffer is None:
            self._buffer = _buffers.take(self)
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take note of what came."""
        self._filled += nbytes
        assert self._buffer is not None
        if self._filled > len(self._buffer) // 2 and not self._paused:
            assert self.transport is not None
            self._paused = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Nothing more comes; the transport closes itself."""
        self.ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more comes and nothing goes."""
        self.ended, self.error = True, exc
        self._forget_time()
        _buffers.done(self)
        self._writable.set()
        self._wake()

    def pause_writing(self) -> None:
        """Let writers wait."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let them go on."""
        self._writable.set()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    @property
    def waiting(self) -> bool:
        """Whether a read would not have to wait."""
        return self.ended or self._filled > self._taken

    async def came(self, patience: float | None) -> None:
        """Return once a read need not wait; TimeoutError after so many seconds."""
        loop = asyncio.get_running_loop()
        if patience is None:
            self._forget_time()
        else:
            self._late_at = loop.time() + patience
            if self._timer is None or self._timer.when() > self._late_at:
                self._forget_time()
                self._timer = loop.call_at(self._late_at, self._look, loop)
        while not self.waiting:
            self._reader = loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = None

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look whether somebody waits for too long. One timer serves thousands of waits: to begin
        and to end one for each costs as much as all else that is done about a piece.
        """
        self._timer = None
        if self._reader is None or self._reader.done():
            return
        if loop.time() < self._late_at:
            self._timer = loop.call_at(self._late_at, self._look, loop)
        else:
            self._reader.set_exception(TimeoutError())

    def _forget_time(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def drained(self) -> None:
        """Return once what was written is nearly out."""
        await self._writable.wait()

    def take(self, most: int = PIECE) -> memoryview:
        """Lend what is here until the next call; nothing at the end. OSError where it was no
        orderly end.
        """
        self.give_back()
        if self._filled == self._taken:
            if self.error is not None:
                raise ConnectionResetError(*self.error.args) from self.error
            return memoryview(b"")
        assert self._buffer is not None
        start, self._taken = self._taken, min(self._filled, self._taken + most)
        data = memoryview(self._buffer)[start : self._taken]
        if self._taken == self._filled:
            self._lent, self._buffer = self._buffer, None
            self._taken = self._filled = 0
            if self._paused and self.transport is not None and not self.ended:
                self._paused = False
                self.transport.resume_reading()
        return data

    def put_back(self, count: int) -> bool:
        """Let the last `count` bytes that were lent be the first of what is lent next. False, and
        nothing is changed, where nothing lies behind them: they are all that came.
        """
        if self._lent is not None or self._buffer is None:
            return False
        self._taken -= count
        return True

    def give_back(self) -> None:
        """What was lent is not used any more."""
        if self._lent is not None:
            _buffers.give(self._lent)
            self._lent = None

    def rest(self) -> None:
        """Hold no memory while nothing is expected; what was lent is not used any more."""
        self._forget_time()
        self.give_back()
        if not self._filled and self._buffer is not None:
            _buffers.give(self._buffer)
            self._buffer = None
        _buffers.done(self)


class SocketStream(httpcore.AsyncNetworkStream):
    """One connection."""

    def __init__(self, transport: asyncio.Transport, incoming: _Incoming) -> None:
        """Made by `SocketBackend`."""
        self._transport = transport
        self._incoming = incoming

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's word
    ) -> bytes:
        """Return what came, at most `max_bytes`; nothing at the end of the connection."""
        return bytes(await self.borrow(timeout, max_bytes))

    async def borrow(
        self,
        timeout: float | None,  # noqa: ASYNC109 - as above
        max_bytes: int = PIECE,
    ) -> memoryview:
        """The same, without a copy: it is the reader's until the next call."""
        incoming = self._incoming
        with _said(httpcore.ReadError, httpcore.ReadTimeout):
            if not incoming.waiting:
                incoming.give_back()
                await incoming.came(timeout)
            return incoming.take(max_bytes)

    def put_back(self, count: int) -> bool:
        """Lend the last `count` bytes once more, with what came behind them; False: nothing did."""
        return self._incoming.put_back(count)

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's word
    ) -> None:
        """Send."""
        with _said(httpcore.WriteError, httpcore.WriteTimeout):
            if self._incoming.ended:
                raise ConnectionResetError("the connection is closed")
            self._transport.write(buffer)
            async with asyncio.timeout(timeout):
                await self._incoming.drained()

    def put(self, few: bytes) -> None:
        """Send a few bytes, and leave it to others to wait until they are out."""
        if not self._incoming.ended:
            self._transport.write(few)

    def abort(self) -> None:
        """Close, at once."""
        self._transport.abort()

    async def aclose(self) -> None:
        """The same, by httpcore's name."""
        self.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's word
    ) -> SocketStream:
        """Go on within TLS."""
        loop = asyncio.get_running_loop()
        try:
            with _said(httpcore.ConnectError, httpcore.ConnectTimeout):
                async with asyncio.timeout(timeout):
                    transport = await loop.start_tls(
                        self._transport,
                        self._incoming,
                        ssl_context,
                        server_hostname=server_hostname,
                    )
        except BaseException:
            self._transport.abort()
            raise
        if transport is None:  # it was closed meanwhile
            raise httpcore.ConnectError("the connection ended during the TLS handshake")
        self._incoming.transport = transport
        return SocketStream(transport, self._incoming)

    def rest(self) -> None:
        """Hold no memory until the next request, which ends what was lent."""
        self._incoming.rest()

    def get_extra_info(self, info: str) -> Any:
        """Tell what httpcore's own streams tell."""
        if info == "is_readable":
            return self._incoming.waiting or _is_readable(self._transport)
        names = {"client_addr": "sockname", "server_addr": "peername"}
        return self._transport.get_extra_info(names.get(info, info))


def _is_readable(transport: asyncio.Transport) -> bool:
    """Whether something lies in the socket, its end included."""
    found = transport.get_extra_info("socket")
    number = -1 if found is None else found.fileno()
    if number < 0:
        return True
    if sys.platform == "win32":
        return bool(select.select([number], [], [], 0)[0])
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))


class SocketBackend(httpcore.AsyncNetworkBackend):
    """Connects to addresses, of IP alone: whoever has names resolves them before."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's word
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> SocketStream:
        """Connect to an address."""
        assert local_address is None
        loop = asyncio.get_running_loop()
        incoming = _Incoming()
        with _said(httpcore.ConnectError, httpcore.ConnectTimeout):
            async with asyncio.timeout(timeout):
                transport, _ = await loop.create_connection(
                    lambda: incoming, host, port, flags=socket.AI_NUMERICHOST
                )
        for option in socket_options or ():
            transport.get_extra_info("socket").setsockopt(*option)
        return SocketStream(transport, incoming)

    async def connect_unix_socket(self, *_: Any, **__: Any) -> SocketStream:
        """Nothing here is asked that way."""
        raise NotImplementedError

    async def sleep(self, seconds: float) -> None:
        """Wait, between retries."""
        await asyncio.sleep(seconds)
