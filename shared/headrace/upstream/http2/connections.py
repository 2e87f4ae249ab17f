"""Connections by number, a few to each place; and who speaks HTTP/1.1 alone."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from headrace.policy.lru import LRUCache
from headrace.upstream.http1.connection import Asked, Http1Answer, Network, ServerAddress
from headrace.upstream.http1.pool import Http1Pool
from headrace.upstream.http1.streams import SocketStream
from headrace.upstream.http2.answers import Http2Answer, NotTakenError
from headrace.upstream.http2.connection import Http2Connection, SpeaksHttp1Error
from headrace.upstream.http2_pool import STREAMS

__all__ = ["Http2Connections"]

#: Places that are remembered to speak HTTP/1.1 alone.
_REMEMBERED = 512


class Http2Connections:
    """What one trust has to all places that may lead as far. For one event loop."""

    def __init__(
        self, context: ssl.SSLContext, network: Network, http1: Http1Pool, *, expiry: float
    ) -> None:
        """Whoever agrees on HTTP/1.1 alone is asked by `http1`; an idle connection is kept for
        `expiry` seconds.
        """
        self._context = context
        self._network = network
        self._http1 = http1
        self._expiry = expiry
        self._open: dict[tuple[ServerAddress, int], Http2Connection] = {}
        self._full: set[Http2Connection] = set()
        """Those that take no other request, until the last one is done."""
        self._begun: dict[Http2Connection, asyncio.Task[None]] = {}
        """Those that are made for requests to come."""
        self._plain = LRUCache[ServerAddress, bool](_REMEMBERED)

    async def ask(
        self, place: ServerAddress, number: int, asked: Asked
    ) -> Http2Answer | Http1Answer:
        """Ask over the connection of that number, and once more over a new one where the server
        has not begun with it.

        What has no body goes over any that is made, as long as its own is not: a far line's
        handshakes take longer than the answer. Of a burst its own is made meanwhile: a lost packet
        holds up all that goes over one.
        """
        for last in (False, True):
            if self._plain.get(place):
                break
            connection = self._take(place, number)
            if asked.method == "HEAD" and not connection.made and (made := self._made(place)):
                if made.under_way >= STREAMS:
                    self._make(connection, asked)
                connection = made
            try:
                return await connection.ask(asked)
            except SpeaksHttp1Error:
                break
            except NotTakenError:
                if last:
                    raise
        return await self._http1.ask(place, asked)

    async def connect(self, place: ServerAddress, numbers: Sequence[int], asked: Asked) -> None:
        """Have the connections of these numbers made, for requests to come."""
        if not self._plain.get(place):
            making = [self._take(place, number).connect(asked) for number in numbers]
            with contextlib.suppress(SpeaksHttp1Error):
                await asyncio.gather(*making)

    def _take(self, place: ServerAddress, number: int) -> Http2Connection:
        connection = self._open.get((place, number))
        if connection is None or not connection.usable:
            for key, each in list(self._open.items()):
                if not each.usable:
                    del self._open[key]
                    self._full.add(each)
            self._full = {each for each in self._full if each.under_way}
            connection = self._open[place, number] = Http2Connection(
                place,
                self._context,
                self._network,
                expiry=self._expiry,
                on_http1=self._is_plain,
            )
        return connection

    def _make(self, connection: Http2Connection, asked: Asked) -> None:
        """Begin to make a connection that nobody waits for."""
        if connection not in self._begun:
            making = asyncio.ensure_future(connection.connect(replace(asked, trace=_tell_nobody)))
            self._begun[connection] = making
            making.add_done_callback(lambda _: self._begun.pop(connection, None))
            making.add_done_callback(_seen)

    def _made(self, place: ServerAddress) -> Http2Connection | None:
        """Return a connection that is made, the one with the fewest requests."""
        made = [c for (there, _), c in self._open.items() if there == place and c.made and c.usable]
        return min(made, key=lambda each: each.under_way, default=None)

    def _is_plain(self, place: ServerAddress, stream: SocketStream) -> None:
        self._plain.put(place, True)
        self._http1.adopt(place, stream)

    async def aclose(self) -> None:
        """Close every connection."""
        connections: list[Any] = [*self._open.values(), *self._full]
        self._open.clear()
        self._full.clear()
        for each in connections:
            with contextlib.suppress(Exception):
                await each.aclose()
        await asyncio.gather(*self._begun.values(), return_exceptions=True)


async def _tell_nobody(_name: str, _info: Mapping[str, Any]) -> None:
    """Whose request it was made for goes another way, and is timed there."""


def _seen(task: asyncio.Task[None]) -> None:
    """Nobody waits: what went wrong is told to whoever asks for it next."""
    if not task.cancelled():
        task.exception()
