"""Connections that are kept for the next request to the same place."""

from __future__ import annotations

import contextlib
import ssl
import time

from headrace.upstream.http1.connection import (
    Asked,
    Connection,
    Http1Answer,
    Network,
    ServerAddress,
)
from headrace.upstream.http1.streams import SocketStream

__all__ = ["Http1Pool"]


class Http1Pool:
    """As many connections as are asked for, of which so many idle ones are kept.

    How many are open at a time is limited by those who ask.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        network: Network,
        *,
        keep: int,
        expiry: float,
    ) -> None:
        """Keep `keep` idle connections, each for `expiry` seconds."""
        self._context = context
        self._network = network
        self._keep = keep
        self._expiry = expiry
        self._open: set[Connection] = set()
        self._idle: dict[Connection, float] = {}
        """When each is too old, the oldest first. The youngest is asked next, so the others age."""

    async def ask(self, place: ServerAddress, asked: Asked) -> Http1Answer:
        """Ask on an idle connection, or on a new one."""
        connection = await self._take(place)
        try:
            return await connection.ask(asked)
        except BaseException:
            self._open.discard(connection)
            raise

    def adopt(self, place: ServerAddress, stream: SocketStream) -> None:
        """Take a connection that was made for something else, for the next request."""
        connection = Connection(place, self._context, self._network, self._freed, stream=stream)
        self._open.add(connection)
        self._idle[connection] = time.monotonic() + self._expiry

    async def _take(self, place: ServerAddress) -> Connection:
        for connection in [each for each in reversed(self._idle) if each.place == place]:
            if self._idle.pop(connection, 0.0) > time.monotonic() and not connection.stirs:
                return connection
            await self._close(connection)
        connection = Connection(place, self._context, self._network, self._freed)
        self._open.add(connection)
        return connection

    async def _freed(self, connection: Connection, *, kept: bool) -> None:
        """Take a connection back from whoever used it."""
        if not kept or connection not in self._open:
            await self._close(connection)
            return
        now = time.monotonic()
        self._idle[connection] = now + self._expiry
        for old, expires in list(self._idle.items()):
            if len(self._idle) <= self._keep and expires > now:
                break
            if self._idle.pop(old, None) is not None:
                await self._close(old)

    async def _close(self, connection: Connection) -> None:
        self._open.discard(connection)
        await connection.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        self._idle.clear()
        while self._open:
            with contextlib.suppress(Exception):
                await self._close(self._open.pop())
