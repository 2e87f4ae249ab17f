"""CONNECT: the gateway as a forward proxy, for a command that is led and nobody else.

Whoever shows the token of an `Interception` gets a tunnel to wherever it wants, byte for byte. Only
for the hosts that the command is led at, TLS is ended here, and what is asked within it goes to
`InterceptedRequests`. A client that does not trust our certificate is tunnelled from its next try
on.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import logging
import re
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from headrace.errors import HeadraceError
from headrace.gateway.intercepting.interceptions import Interception, Interceptions, Place
from headrace.gateway.intercepting.taken import TakeableConnection
from headrace.gateway.intercepting.tunnels import Half, TunnelError, dial
from headrace.gateway.request_head import MAX_HEADERS

__all__ = ["Connects"]

_log = logging.getLogger("headrace.gateway")

_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
#: Seconds for a client's TLS handshake.
_HANDSHAKE = 20.0
#: What has no place in a status line (RFC 9112 section 4, without what only some can show), and how
#: many characters are told.
_ODD, _MOST_WORDS = re.compile(r"[^ -~]"), 200
_CHALLENGE = b'proxy-authenticate: Basic realm="headrace"\r\n'


class Connects:
    """All CONNECT requests of one gateway."""

    def __init__(
        self,
        interceptions: Interceptions,
        app: Any,
        context: Callable[[], ssl.SSLContext],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`app` is the ASGI application for what is asked within TLS, `context` trusts as upstream
        requests do, `clock` gives the epoch.
        """
        self._interceptions = interceptions
        self._app = app
        self._context = context
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self.tunnels = self.intercepted = 0
        """So many of each were made."""

    def take(
        self, connection: TakeableConnection, target: bytes, headers: Mapping[str, str]
    ) -> None:
        """Take over a client's connection, of which the head of a CONNECT was read."""
        task = asyncio.ensure_future(self._serve(connection, target, headers))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(
        self, connection: TakeableConnection, target: bytes, headers: Mapping[str, str]
    ) -> None:
        try:
            interception = self._shown(headers.get("proxy-authorization", ""))
            if interception is None:
                await _refuse(connection, 407, "this proxy is for one command", _CHALLENGE)
                return
            place, client = _place_of(target), headers.get("user-agent", "")
            if place is None:
                await _refuse(connection, 400, "CONNECT wants host:port")
            elif not connection.early and interception.is_for(place, client, self._clock()):
                await self._intercept(connection, interception, place, client)
            else:
                await self._tunnel(connection, interception, place)
        except TunnelError as error:
            await _refuse(connection, error.status, str(error.message))
        except Exception as error:  # noqa: BLE001 - the last net: this connection alone ends
            _log.exception("a CONNECT failed", exc_info=error)
            connection.drop()

    def _shown(self, authorization: str) -> Interception | None:
        scheme, _, value = authorization.partition(" ")
        with contextlib.suppress(binascii.Error, UnicodeDecodeError, HeadraceError):
            pair = base64.b64decode(value.strip(), validate=True).decode()
            token = pair.partition(":")[2]
            return self._interceptions.find(token) if scheme.lower() == "basic" else None
        return None

    # ------------------------------------------------------------------ tunnels

    async def _tunnel(
        self, connection: TakeableConnection, interception: Interception, place: Place
    ) -> None:
        host = f"[{place[0]}]" if ":" in place[0] else place[0]
        proxy = interception.proxies.choose(f"https://{host}:{place[1]}/")
        own = [connection.server] if connection.server else []
        here = not interception.elsewhere
        transport, upstream = await dial(place, proxy, own, self._context, here=here)  # type: ignore[arg-type]
        client = connection.transport
        if client.is_closing():
            transport.abort()
            return
        self.tunnels += 1
        half = Half(connection.gone)
        client.set_protocol(half)
        client.write(_ESTABLISHED)
        transport.write(connection.early)
        upstream.join(transport, client)
        half.join(client, transport)

    # ------------------------------------------------------------------ TLS

    async def _intercept(
        self,
        connection: TakeableConnection,
        interception: Interception,
        place: Place,
        client: str,
    ) -> None:
        authority, folder = interception.authority, self._interceptions.folder
        context = await asyncio.to_thread(authority.context, place[0], folder)
        waiting, outer = _Waiting(), connection.transport
        if outer.is_closing():
            return
        outer.write(_ESTABLISHED)
        loop = asyncio.get_running_loop()
        try:
            transport = await loop.start_tls(
                outer, waiting, context, server_side=True, ssl_handshake_timeout=_HANDSHAKE
            )
        except (OSError, ssl.SSLError) as error:
            if isinstance(error, ssl.SSLError):
                # It said so, or it would have gone: from now on it talks to its origin itself.
                interception.leave_alone(place[0], client)
                _log.info("%s is left to itself at %s: %s", client or "a client", place[0], error)
            connection.gone()
            return
        if transport is None or waiting.lost:
            connection.gone()
            return
        self.intercepted += 1
        inner = InterceptedConnection(connection, self._app, interception, place)
        transport.set_protocol(inner)
        inner.connection_made(transport)
        if waiting.early:
            inner.data_received(bytes(waiting.early))
        if waiting.ended:
            inner.eof_received()


class _Waiting(asyncio.Protocol):
    """Keeps what comes between the handshake and whoever reads it."""

    def __init__(self) -> None:
        self.early = bytearray()
        self.ended = self.lost = False

    def data_received(self, data: bytes) -> None:
        self.early += data

    def eof_received(self) -> None:
        self.ended = True

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.lost = True


class InterceptedConnection(HttpToolsProtocol):
    """What is asked within TLS that was ended here. Its client is one that showed the token, so
    the bounds are fewer than those of `ClientConnection`, which goes on counting it.
    """

    def __init__(
        self, outer: TakeableConnection, app: Any, interception: Interception, place: Place
    ) -> None:
        """`outer` is the connection that this one is within."""
        super().__init__(outer.config, outer.server_state, outer.app_state)
        self.app = app
        self._outer = outer
        self._head = 0
        self._in_head = True
        self._given = {"headrace.interception": interception, "headrace.place": place}

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget both."""
        super().connection_lost(exc)
        self._outer.gone()

    def data_received(self, data: bytes) -> None:
        """Parse what came; a head has an end."""
        if self._in_head:
            self._head += len(data)
        super().data_received(data)
        if self._in_head and self._head > MAX_HEADERS:
            self.transport.abort()

    def on_headers_complete(self) -> None:
        """Let it be answered."""
        self._in_head, self._head = False, 0
        more: Any = self.scope
        more |= self._given
        more["headrace.target"] = self.url
        more["headrace.hang_up"] = self.transport.abort
        more["headrace.has_gone"] = self.transport.is_closing
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The next one begins with a head."""
        super().on_message_complete()
        self._in_head = True

    def _unsupported_upgrade_warning(self) -> None:
        """Nobody is told: a client may offer what it likes (RFC 9110 section 7.8)."""


async def _refuse(
    connection: TakeableConnection, status: int, words: str, more: bytes = b""
) -> None:
    """Answer a CONNECT that leads nowhere, and close."""
    body = f"headrace: {words}\n".encode()
    transport = connection.transport
    if not transport.is_closing():
        transport.write(
            _status_line(status, words)
            + more
            + b"content-type: text/plain; charset=utf-8\r\ncache-control: no-store\r\n"
            + b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body)
            + body
        )
        transport.resume_reading()
        connection.end_gently()


def _status_line(status: int, words: str) -> bytes:
    """Begin an answer. Clients show nobody the body of a refused CONNECT, but some (pip, conda)
    what stands behind the number.
    """
    usual = STATUS_LINE.get(status, b"HTTP/1.1 502 Bad Gateway\r\n").removesuffix(b"\r\n")
    told = _ODD.sub("?", words)[:_MOST_WORDS]
    return usual + f" (headrace: {told})\r\n".encode()


def _place_of(target: bytes) -> Place | None:
    """Read host:port (RFC 9112 section 3.2.3); None for anything else."""
    try:
        parts = urlsplit(f"//{target.decode('ascii')}")
        host, port = parts.hostname, parts.port
    except (UnicodeDecodeError, ValueError):
        return None
    if not host or not port or parts.username is not None or parts.path or parts.query:
        return None
    return unquote(host).lower().rstrip("."), port
