"""Connections to addresses that were looked at: the network below the HTTP client.

A name that is resolved once to be checked and once more to be connected to may say two things. So
it is resolved here, once, what lies outside of the allowed spaces is left out, and the connection
is made to the very address that was found good. Host, SNI and the certificate stay the name's.

And what comes in is counted (`BoundedBackend`) where HTTP lets an upstream send without end: 1xx
answers before the one that was asked for, and HTTP/2's frames that bring nothing. The libraries
above read on as long as there are some, at half a core.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, cast

from headrace.errors import UpstreamError
from headrace.models import Fault
from headrace.policy.destinations import AddressSpace, space_of
from headrace.upstream.resolver import Resolver

if TYPE_CHECKING:
    from httpcore import AsyncNetworkBackend, AsyncNetworkStream

__all__ = ["BoundedBackend", "FrameCost", "HeadCost", "PinnedBackend", "meaning", "reading_a_head"]

#: Seconds after which the next address is tried beside the one before (RFC 8305 section 5).
_STAGGER = 0.25
#: Addresses of a name that are tried; some services list dozens.
_MOST = 8
#: What an answer's head may cost in all, in bytes; and what a read costs, and an answer that is
#: only an interim one, whatever their length. A head alone has 100 KiB at most (h11).
_HEAD = 256 << 10
_A_READ = 64
_INTERIM = 2 << 10
#: HTTP/2's frames without data: so many at once, and so many a second.
_EMPTY_FRAMES = 4000
_EMPTY_FRAMES_A_SECOND = 1000.0

_MEANINGS = {
    AddressSpace.PUBLIC: "a public address",
    AddressSpace.FAKE: "an address that stands for a name, where the upstream's own has none such",
    AddressSpace.PRIVATE: "an address of a private network",
    AddressSpace.LOOPBACK: "this machine",
    AddressSpace.LINK_LOCAL: "a link-local address, or a cloud's own for its machines",
    AddressSpace.SPECIAL: "no address of a host",
}


def meaning(space: AddressSpace) -> str:
    """Say what an address is, for people."""
    return _MEANINGS[space]


class PinnedBackend:
    """Implements `httpcore.AsyncNetworkBackend` for what the client needs of it."""

    def __init__(
        self, resolver: Resolver, inner: AsyncNetworkBackend, allowed: frozenset[AddressSpace]
    ) -> None:
        """`inner` connects to addresses; those outside of the spaces of `allowed` it is not given.

        A pool of connections belongs to one backend, so that none that was made for a request
        that may lead further serves one that may not.
        """
        self._resolver = resolver
        self._inner = inner
        self._allowed = allowed

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's word
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        """Connect to the first good address; UpstreamError when there is none.

        What `inner` raises goes through. `timeout` in seconds bounds all of it.
        """
        loop = asyncio.get_running_loop()
        until = None if timeout is None else loop.time() + timeout
        found = await self._resolver.addresses(host, timeout)
        good = [each for each in found if space_of(each) in self._allowed][:_MOST]
        if not good:
            raise _refused(host, found[0])

        def attempt(address: str) -> Callable[[], Awaitable[AsyncNetworkStream]]:
            def connect() -> Awaitable[AsyncNetworkStream]:
                left = None if until is None else max(0.0, until - loop.time())
                return self._inner.connect_tcp(
                    address, port, left, local_address=local_address, socket_options=socket_options
                )

            return connect

        return await _first([attempt(each) for each in _alternating(good)])

    async def connect_unix_socket(self, *_: Any, **__: Any) -> AsyncNetworkStream:
        """Nothing here is asked that way."""
        raise NotImplementedError

    async def sleep(self, seconds: float) -> None:
        """Wait, between retries."""
        await asyncio.sleep(seconds)


def _refused(host: str, address: str) -> UpstreamError:
    said = "" if host == address else f"{address}, "
    return UpstreamError(Fault.LED_ASTRAY, f"{host} is {said}{meaning(space_of(address))}")


def _alternating(addresses: Sequence[str]) -> list[str]:
    """Order addresses so that families take turns, the resolver's first one leading (RFC 8305)."""
    version = {each: ipaddress.ip_address(each).version for each in addresses}
    leading = version[addresses[0]]
    one = [each for each in addresses if version[each] == leading]
    other = [each for each in addresses if version[each] != leading]
    pairs = zip_longest(one, other)
    return [each for each in chain.from_iterable(pairs) if each is not None]


async def _first(
    attempts: Sequence[Callable[[], Awaitable[AsyncNetworkStream]]],
) -> AsyncNetworkStream:
    """Begin one after the other, the next one as soon as one fails or takes long; the first that
    succeeds wins, and the first error counts when none does.
    """
    if len(attempts) == 1:
        return await attempts[0]()
    waiting = list(reversed(attempts))
    running: list[asyncio.Task[AsyncNetworkStream]] = []
    winner: asyncio.Task[AsyncNetworkStream] | None = None
    try:
        while winner is None:
            if waiting:
                running.append(asyncio.ensure_future(_awaited(waiting.pop())))
            pending = [task for task in running if not task.done()]
            if pending:
                patience = _STAGGER if waiting else None
                await asyncio.wait(pending, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            ended = [task for task in running if task.done()]
            winner = next((task for task in ended if task.exception() is None), None)
            if len(ended) == len(running) and winner is None and not waiting:
                break
    finally:
        await _end([task for task in running if task is not winner])
    return (winner or running[0]).result()


async def _awaited(attempt: Callable[[], Awaitable[AsyncNetworkStream]]) -> AsyncNetworkStream:
    return await attempt()


async def _end(tasks: Sequence[asyncio.Task[AsyncNetworkStream]]) -> None:
    """Give up attempts; one that has succeeded meanwhile is closed."""
    for task in tasks:
        task.cancel()
    for late in await asyncio.gather(*tasks, return_exceptions=True):
        if not isinstance(late, BaseException):
            await late.aclose()


class _EndlessError(Exception):
    """An upstream sends what leads to no end."""


class HeadCost:
    """What was read of an answer's head so far."""

    def __init__(self) -> None:
        self._spent = 0

    def check(self) -> None:
        """Raise before more is read; what the last read brought beyond the head is no fault."""
        if self._spent > _HEAD:
            raise _EndlessError("interim answers without end")

    def count(self, data: bytes) -> None:
        """Count what came."""
        self._spent += _A_READ + len(data) + _INTERIM * data.count(b"HTTP/1.")


_HEAD_COST: ContextVar[HeadCost | None] = ContextVar("head_cost", default=None)


@contextlib.contextmanager
def reading_a_head() -> Iterator[None]:
    """What is read meanwhile, by whoever does it in this context, is an answer's head."""
    token = _HEAD_COST.set(HeadCost())
    try:
        yield
    finally:
        _HEAD_COST.reset(token)


class FrameCost:
    """Counts HTTP/2's frames (RFC 9113 section 4.1) that bring no data."""

    def __init__(self, data_for: Callable[[int, int], None] = lambda _number, _size: None) -> None:
        """`data_for` hears of each frame that brings data: for which stream, and how many bytes."""
        self._data_for = data_for
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._empty = 0.0
        self._header = bytearray()
        self._left = 0
        """Bytes of the frame that is being read."""

    def feed(self, data: bytes) -> None:
        """Look at what came; _EndlessError where too much of it is nothing."""
        at = 0
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
            else:
                step = 9 - len(self._header)
                self._header += data[at : at + step]
                if len(self._header) == 9:
                    self._begin(bytes(self._header))
                    self._header.clear()
            at += step

    def _begin(self, header: bytes) -> None:
        self._left = int.from_bytes(header[:3])
        # One with padding may hold nothing else.
        if self._left and header[3] == 0:
            self._data_for(int.from_bytes(header[5:]) & 0x7FFFFFFF, self._left)
            if not header[4] & 0x08:
                return
        self._empty += 1
        if self._empty > _EMPTY_FRAMES:
            now = self._loop.time()
            self._empty -= (now - self._since) * _EMPTY_FRAMES_A_SECOND
            self._empty, self._since = max(0.0, self._empty), now
            if self._empty > _EMPTY_FRAMES:
                raise _EndlessError("frames without data and without end")


class _BoundedStream:
    """Implements `httpcore.AsyncNetworkStream` around another one."""

    def __init__(self, inner: AsyncNetworkStream, *, frames: bool = False) -> None:
        self._inner = inner
        self._frames = FrameCost() if frames else None
        self.write = inner.write
        self.aclose = inner.aclose
        self.get_extra_info = inner.get_extra_info

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's word
    ) -> bytes:
        """Read and count."""
        if self._frames is not None:
            data = await self._inner.read(max_bytes, timeout)
            self._frames.feed(data)
            return data
        head = _HEAD_COST.get()
        if head is None:
            return await self._inner.read(max_bytes, timeout)
        head.check()
        data = await self._inner.read(max_bytes, timeout)
        head.count(data)
        return data

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's word
    ) -> AsyncNetworkStream:
        """Go on within TLS, where HTTP/2 is agreed on."""
        inner = await self._inner.start_tls(ssl_context, server_hostname, timeout)
        tls = inner.get_extra_info("ssl_object")
        frames = tls is not None and tls.selected_alpn_protocol() == "h2"
        return cast("AsyncNetworkStream", _BoundedStream(inner, frames=frames))


class BoundedBackend:
    """Implements `httpcore.AsyncNetworkBackend`: what `inner` connects to is counted."""

    def __init__(self, inner: AsyncNetworkBackend) -> None:
        """`inner` connects."""
        self._inner = inner
        self.connect_unix_socket = inner.connect_unix_socket
        self.sleep = inner.sleep

    async def connect_tcp(self, *given: Any, **named: Any) -> AsyncNetworkStream:
        """Connect as `inner` does."""
        inner = await self._inner.connect_tcp(*given, **named)
        return cast("AsyncNetworkStream", _BoundedStream(inner))
