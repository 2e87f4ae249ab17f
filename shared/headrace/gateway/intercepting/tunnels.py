"""Blind tunnels: bytes from one connection to another and back, as they are.

Where the user has a proxy the tunnel goes through that. Nobody is tunnelled to the gateway itself.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import socket
import ssl
import struct
import sys
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import h11

from headrace.errors import ClientError, HeadraceError
from headrace.gateway.intercepting.interceptions import Place
from headrace.policy.destinations import AddressSpace, space_of_host
from headrace.wording import with_article

__all__ = ["Half", "TunnelError", "dial"]

#: Seconds for an address, and between two that are tried beside each other (RFC 8305).
_CONNECT = 30.0
#: Bytes of a proxy's answer to CONNECT.
_LONGEST_HEAD = 64 << 10
#: What says by itself that it is this machine, to whoever reads it: also a proxy that stands there.
_OWN = (AddressSpace.LOOPBACK, AddressSpace.SPECIAL)
#: As SO_LINGER has it: on, for no time.
_AT_ONCE = struct.pack("HH" if sys.platform == "win32" else "ii", 1, 0)
_NOT_ITS_OWN = "the loopback of this machine is not for its containers"


class TunnelError(ClientError):
    """There is no way to where a client wants to go."""

    def __init__(self, message: str, status: int = 502, *, hint: str = "") -> None:
        """`status` is what the client is told."""
        super().__init__("no-tunnel", message, hint=hint)
        self.status = status


class Half(asyncio.Protocol):
    """One end of a tunnel. Whoever does not read stops the other from sending."""

    def __init__(self, ended: Callable[[], None] = lambda: None, *, early: bytes = b"") -> None:
        """`ended` is called when the connection is gone; `early` is what came before `join`."""
        self._ended = ended
        self._early = early
        self._transport: Any = None
        self._other: Any = None
        self.all_came = False
        """Nothing more comes from here."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Read nothing until it is known where to."""
        self._transport = transport
        if self._other is None:
            self._transport.pause_reading()

    def join(self, transport: Any, other: Any) -> None:
        """Pass on to `other` what comes on `transport`."""
        self._transport, self._other = transport, other
        if self._early:
            other.write(self._early)
            self._early = b""
        self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        self._other.write(data)

    def pause_writing(self) -> None:
        """Our end does not read: the other one waits."""
        with contextlib.suppress(RuntimeError):
            self._other.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        if not self._other.is_closing():
            self._other.resume_reading()

    def eof_received(self) -> bool:
        """Pass on that nothing more comes; the other direction goes on, unless that has ended: a
        connection that is told to go on after its end closes by itself no more.
        """
        self.all_came = True
        if self._other is not None and self._other.can_write_eof():
            self._other.write_eof()
            return not self._other.get_protocol().all_came
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End the other one the same way, when it has what is on its way: a client tells a
        connection that was reset from one that was closed.
        """
        if self._other is not None:
            if isinstance(exc, ConnectionResetError):
                _reset_when_closed(self._other)
            self._other.close()
        self._ended()


def _reset_when_closed(transport: Any) -> None:
    """Have a connection end with a reset, unless bytes wait: it would throw them away."""
    made = transport.get_extra_info("socket")
    if made is not None and not transport.get_write_buffer_size():
        with contextlib.suppress(OSError):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)


async def dial(
    place: Place,
    proxy: str | None,
    own: Sequence[Place],
    context: Callable[[], ssl.SSLContext],
    *,
    here: bool = True,
) -> tuple[Any, Half]:
    """Connect to a place, through a proxy's URL where there is one; `TunnelError`.

    `own` is where the gateway listens; `context` is for proxies that speak TLS; `here`: whether
    the client could reach this machine's loopback itself.
    """
    if not here and space_of_host(place[0]) in _OWN:
        raise TunnelError(_NOT_ITS_OWN, 403)
    try:
        async with asyncio.timeout(_CONNECT):
            if proxy is not None:
                return await _through(place, proxy, context)
            return await _directly(place, own, here=here)
    except TunnelError:
        raise
    except TimeoutError:
        raise TunnelError(f"{place[0]} does not answer in {_CONNECT:.0f} s", 504) from None
    except (OSError, h11.ProtocolError, HeadraceError) as error:
        where = "the proxy of this environment" if proxy is not None else place[0]
        raise TunnelError(f"{where} cannot be reached: {error}") from error


async def _directly(place: Place, own: Sequence[Place], *, here: bool) -> tuple[Any, Half]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(*place, type=socket.SOCK_STREAM)
    if any(_is_own(str(info[4][0]), place[1], own) for info in found):
        raise TunnelError("that is the gateway itself", 403)
    if not here and any(_is_loopback(str(info[4][0])) for info in found):
        raise TunnelError(_NOT_ITS_OWN, 403)
    error: OSError | None = None
    for family, _, _, _, address in found:
        try:
            made = await loop.create_connection(
                Half, str(address[0]), int(address[1]), family=family
            )
        except OSError as failed:
            error = failed
            continue
        if _is_here(made[0]) and _is_own("127.0.0.1", place[1], own):
            made[0].abort()
            raise TunnelError("that is the gateway itself", 403)
        return made
    raise error or OSError("it has no address")


def _is_own(address: str, port: int, own: Sequence[Place]) -> bool:
    """Whether somebody listens there who is us: on loopback all addresses are one."""
    if port not in {listening for _, listening in own}:
        return False
    return _is_loopback(address) or (address, port) in own


def _is_loopback(address: str) -> bool:
    """Whether what is sent to an address stays within this machine, whichever it has."""
    with contextlib.suppress(ValueError):
        ip = ipaddress.ip_address(address.partition("%")[0])
        mapped = getattr(ip, "ipv4_mapped", None) or ip
        return bool(mapped.is_loopback or mapped.is_unspecified)
    return False


def _is_here(transport: Any) -> bool:
    """Whether both ends of a connection have one address, so that it is this machine's."""
    ends = (transport.get_extra_info("peername"), transport.get_extra_info("sockname"))
    return ends[0] is not None and ends[1] is not None and ends[0][0] == ends[1][0]


class _Asking(asyncio.Protocol):
    """Has an HTTP proxy connect (RFC 9110 section 9.3.6)."""

    def __init__(self, place: Place, credential: str) -> None:
        loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[bytes] = loop.create_future()
        """Done when there is a tunnel, with what came through it already."""
        host = f"[{place[0]}]" if ":" in place[0] else place[0]
        self._target = f"{host}:{place[1]}"
        self._credential = credential
        self._talk = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        headers = [("Host", self._target)]
        if self._credential:
            headers.append(("Proxy-Authorization", self._credential))
        asked = h11.Request(method="CONNECT", target=self._target, headers=headers)
        self._transport.write((self._talk.send(asked) or b"") + (self._talk.send(_END) or b""))

    def data_received(self, data: bytes) -> None:
        if self.answered.done():
            return
        try:
            self._talk.receive_data(data)
            event = self._talk.next_event()
            while isinstance(event, h11.InformationalResponse):
                event = self._talk.next_event()
        except h11.ProtocolError as error:
            self._fail(f"the proxy of this environment speaks no HTTP: {error}")
            return
        if isinstance(event, h11.Response):
            if 200 <= event.status_code < 300:
                self._transport.pause_reading()
                self.answered.set_result(self._talk.trailing_data[0])
            else:
                self._fail(f"the proxy of this environment answers {event.status_code}")

    def connection_lost(self, exc: Exception | None) -> None:
        why = f": {exc}" if exc else ""
        self._fail(f"the proxy of this environment ends the connection{why}")

    def _fail(self, why: str) -> None:
        if not self.answered.done():
            self.answered.set_exception(TunnelError(why, hint="look at HTTPS_PROXY"))


_END = h11.EndOfMessage()


async def _through(
    place: Place, proxy: str, context: Callable[[], ssl.SSLContext]
) -> tuple[Any, Half]:
    parts = urlsplit(proxy)
    if parts.scheme not in ("http", "https") or parts.hostname is None:
        raise TunnelError(f"{with_article(parts.scheme)} proxy cannot be gone through")
    tls = parts.scheme == "https"
    credential = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        credential = f"Basic {base64.b64encode(pair).decode()}"
    transport, asking = await asyncio.get_running_loop().create_connection(
        lambda: _Asking(place, credential),
        parts.hostname,
        parts.port or (443 if tls else 80),
        ssl=context() if tls else None,
    )
    try:
        early = await asking.answered
    except BaseException:
        transport.abort()
        raise
    half = Half(early=early)
    transport.set_protocol(half)
    return transport, half
