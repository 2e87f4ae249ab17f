"""The pools of connections to upstreams: the only file that imports httpx.

What nobody stands in between of goes over connections of our own (`http1`, `http2`): bytes in bulk
cost half as much there, and a third within TLS. What a proxy leads to works on httpx's transports
and not on its client, because what the client adds is what must not happen here:
cookies, netrc, redirects that carry credentials, proxies from the process's own environment,
decoding of artifacts. Everything that h11, httpx, httpcore, ssl or the socket raises leaves this
file as `UpstreamError`. HTTP/2 is for documents only: one TCP connection is one congestion window.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import re
import ssl
import sys
import types
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from headrace.errors import HeadraceError, SettingsError, UpstreamError
from headrace.models import Fault
from headrace.policy.destinations import EVERYWHERE, AddressSpace, plain_host
from headrace.redact import for_display
from headrace.upstream.error_mapping import is_stale
from headrace.upstream.pinned import BoundedBackend, PinnedBackend, reading_a_head
from headrace.upstream.resolver import Resolver
from headrace.upstream.sent_request import SentRequest, headers_of, sent_headers
from headrace.upstream.tls import Authorities, SharedContext, TrustStore

if TYPE_CHECKING:
    import httpcore
    import httpx

    from headrace.upstream.http1.connection import Asked, Network, ServerAddress
    from headrace.upstream.http1.pool import Http1Pool
    from headrace.upstream.http2.connections import Http2Connections

__all__ = ["Transports", "host_of"]

# httpx brings a command line of its own where that can be imported, with rich, click and pygments:
# 6 MB and 50 ms in a process that shows nobody anything. To `import` None is what is not there.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

#: Seconds that an idle connection is kept: below the 60 to 75 s of common servers, so that we close
#: first and a request seldom meets a connection that the server is just closing.
_KEEPALIVE = 45.0
#: What a client shows who it is with.
_LOGINS = (b"authorization", b"cookie")
#: Methods that change nothing at an origin (RFC 9110 section 9.2.1).
_SAFE = ("GET", "HEAD", "OPTIONS")
#: What a pool of connections is for: scheme, number, proxy, the spaces that it may lead to, whom it
#: trusts, and whether each connection is for one request.
_Key = tuple[str, int | None, str | None, frozenset[AddressSpace], Authorities | None, bool]
#: The same where nobody is in between and HTTP/1.1 is spoken: whether within TLS, and the rest.
_DirectKey = tuple[bool, frozenset[AddressSpace], Authorities | None]


#: URLs that every reader takes for the same: nothing in them is to be spelt otherwise.
_PLAIN = re.compile(
    r"(https?)://"
    r"((?:[a-z0-9-]+\.)*[a-z][a-z0-9-]*|"
    r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
    r"(?:\.(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])){3})"
    r"(?::([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
    r"((?:/(?!\.)(?:[A-Za-z0-9._~!$&()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*)"
    r"(\?(?:[A-Za-z0-9._~!$&()*+,;=:@/-]|%[0-9A-Fa-f]{2})+)?",
    re.ASCII,
)


def _loaded_httpx() -> types.ModuleType:
    """Load httpx, 60 ms and 2 MB, which only proxies and curious URLs need."""
    return importlib.import_module("httpx")


@lru_cache(maxsize=128)
def _place_of(url: str) -> tuple[str, int | None, bytes, bytes]:
    """Return a URL's host, its port where that is not its scheme's own, and a request's target and
    Host. ValueError for what is no URL.
    """
    if plain := _PLAIN.fullmatch(url):
        scheme, host, port, path, query = plain.groups("")
        own = port in ("", "443" if scheme == "https" else "80")
        target = (path or "/") + query
        netloc = host if own else f"{host}:{port}"
        return host, None if own else int(port), target.encode(), netloc.encode()
    httpx = _loaded_httpx()
    try:
        read = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(str(error)) from error
    return read.raw_host.decode("ascii"), read.port, read.raw_path, read.netloc


@lru_cache(maxsize=128)
def host_of(url: str) -> str:
    """Return the host that a URL will be asked at; UpstreamError for what is no URL, or one in
    which two readers see two hosts.
    """
    try:
        host = _place_of(url)[0].lower()
        parts = urlsplit(url)
        seen, _ = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        message = f"{for_display(url)} cannot be asked: {error}"
        raise UpstreamError(Fault.PROTOCOL, message) from error
    if not host or (seen.isascii() and seen != host):
        raise UpstreamError(Fault.PROTOCOL, f"{for_display(url)} names no host, or two")
    return plain_host(host)


class Transports:
    """Connections by what they are for. Everything that was opened is closed by `aclose`."""

    def __init__(self, roots: TrustStore, resolver: Resolver, *, keep: int) -> None:
        """`keep` idle connections are kept, in each pool."""
        self._roots = roots
        self._resolver = resolver
        self._keep = keep
        self._contexts: dict[Authorities | None, tuple[SharedContext, SharedContext]] = {}
        """For HTTP/1.1, and for HTTP/2."""
        self._pools: dict[_Key, httpx.AsyncHTTPTransport] = {}
        self._direct: dict[_DirectKey, Http1Pool] = {}
        self._direct2: dict[_DirectKey, Http2Connections] = {}

    async def ask(
        self,
        exchange: SentRequest,
        method: str,
        headers: Mapping[str, str],
        connection: int | None,
        spaces: frozenset[AddressSpace],
    ) -> None:
        """Ask; ask again where a kept connection turned out to be closed by the server."""
        scheme = urlsplit(exchange.url).scheme
        if scheme not in ("http", "https"):
            raise UpstreamError(Fault.PROTOCOL, f"no way to ask an upstream by {scheme!r}")
        # HTTP/2 is agreed on inside TLS only.
        http2 = connection is not None and scheme == "https"
        for last in (False, True):
            exchange.fresh = False
            try:
                # One clock over all of it: headers that drip byte by byte reset the others.
                timeouts = exchange.timeouts
                longest = 2 * timeouts["connect"] + timeouts["read"] + 1.0
                sent = sent_headers(headers)
                async with asyncio.timeout(longest):
                    with reading_a_head():
                        if exchange.proxy is None:
                            over = connection if http2 else None
                            await self._ask_directly(exchange, method, sent, spaces, over)
                        else:
                            pool = self._pool(exchange, connection, spaces, http2=http2)
                            await _ask_by_httpx(pool, exchange, method, sent)
            except HeadraceError:
                raise
            except Exception as error:
                if not last and not exchange.fresh and is_stale(error):
                    continue
                raise exchange.translate(error) from error
            return

    async def relay(
        self,
        exchange: SentRequest,
        method: str,
        headers: Sequence[tuple[bytes, bytes]],
        body: AsyncIterator[bytes] | None,
        spaces: frozenset[AddressSpace],
    ) -> None:
        """Send what somebody else asks. Over HTTP/1.1, and asked again only where nothing of a body
        can be lost by it, and nothing done twice (RFC 9110 section 9.2.2).
        """
        # A connection may know who showed a login on it (NTLM), so it is nobody else's afterwards.
        login = _shows_login(headers)
        plain = body is None and exchange.proxy is None and not login
        for last in (body is not None or method not in _SAFE, True):
            exchange.fresh = False
            try:
                if plain:
                    await self._ask_directly(exchange, method, list(headers), spaces)
                else:
                    pool = self._pool(exchange, None, spaces, http2=False, once=login)
                    await _ask_by_httpx(pool, exchange, method, list(headers), body)
            except HeadraceError:
                raise
            except Exception as error:
                if not last and not exchange.fresh and is_stale(error):
                    continue
                raise exchange.translate(error) from error
            return

    async def _ask_directly(
        self,
        exchange: SentRequest,
        method: str,
        headers: list[tuple[bytes, bytes]],
        spaces: frozenset[AddressSpace],
        connection: int | None = None,
    ) -> None:
        """Ask with nobody in between, over the HTTP/2 connection of a number, or over HTTP/1.1;
        `headers` may have a Host of their own.
        """
        place, asked = _asked(exchange, method, headers)
        pool = self._direct_pool(spaces, exchange.own, tls=place.tls)
        if connection is None:
            exchange.response = await pool.ask(place, asked)
        else:
            several = self._direct_http2(spaces, exchange.own, pool)
            exchange.response = await several.ask(place, connection, asked)
        exchange.raw_headers = exchange.response.raw_headers
        exchange.headers = headers_of(exchange.raw_headers)

    async def connect(
        self, exchange: SentRequest, connections: Sequence[int], spaces: frozenset[AddressSpace]
    ) -> None:
        """Make HTTP/2 connections of these numbers, for requests to come."""
        place, asked = _asked(exchange, "HEAD", [])
        if place.tls and exchange.proxy is None:
            pool = self._direct_pool(spaces, exchange.own, tls=True)
            try:
                await self._direct_http2(spaces, exchange.own, pool).connect(
                    place, connections, asked
                )
            except HeadraceError:
                raise
            except Exception as error:
                raise exchange.translate(error) from error

    def _direct_http2(
        self, spaces: frozenset[AddressSpace], own: Authorities | None, pool: Http1Pool
    ) -> Http2Connections:
        """The same as `_direct_pool` for HTTP/2; `pool` has those who do not speak it."""
        from headrace.upstream.http2.connections import Http2Connections  # noqa: PLC0415

        key = (True, spaces, own)
        if key not in self._direct2:
            context = self._context(own, tls=True, http2=True)
            network = self._network(spaces)
            self._direct2[key] = Http2Connections(context, network, pool, expiry=_KEEPALIVE)
        return self._direct2[key]

    def _network(self, spaces: frozenset[AddressSpace]) -> Network:
        from headrace.upstream.http1.streams import SocketBackend  # noqa: PLC0415

        return cast("Network", PinnedBackend(self._resolver, SocketBackend(), spaces))

    def _direct_pool(
        self, spaces: frozenset[AddressSpace], own: Authorities | None, *, tls: bool
    ) -> Http1Pool:
        """Return the pool for these; what it holds serves nobody who may not lead as far."""
        from headrace.upstream.http1.pool import Http1Pool  # noqa: PLC0415

        key = (tls, spaces, own)
        if key not in self._direct:
            self._direct[key] = Http1Pool(
                self._context(own, tls=tls),
                self._network(spaces),
                keep=self._keep,
                expiry=_KEEPALIVE,
            )
        return self._direct[key]

    def _context(
        self, own: Authorities | None, *, tls: bool, http2: bool = False
    ) -> ssl.SSLContext:
        """Return a context. Connections share it although each sets its list of protocols (ALPN)
        on it, so there is one for each list; their authorities are the same.
        """
        if not tls:
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if own not in self._contexts:
            context = self._roots.context(own)
            self._contexts[own] = SharedContext.of(context), SharedContext.of(context)
        return self._contexts[own][http2]

    def prepare(self, *, proxied: bool = False) -> None:
        """Load libraries, with `proxied` also what leads through proxies, and the authorities that
        most connections trust.
        """
        for name in ("http1.pool", "http2.connections"):
            importlib.import_module(f"headrace.upstream.{name}")
        if proxied:
            _loaded_httpx()
        self._context(None, tls=True)

    def _pool(
        self,
        exchange: SentRequest,
        connection: int | None,
        spaces: frozenset[AddressSpace],
        *,
        http2: bool,
        once: bool = False,
    ) -> httpx.AsyncHTTPTransport:
        """The same for proxies, and for HTTP/2 behind them. `once`: each connection is for one
        request.
        """
        scheme, proxy, own = urlsplit(exchange.url).scheme, exchange.proxy, exchange.own
        key = (scheme, connection if http2 else None, proxy, spaces, own, once)
        if key not in self._pools:
            keep = 0 if once else self._keep
            self._pools[key] = self._make(scheme, proxy, spaces, own, http2=http2, keep=keep)
        return self._pools[key]

    def _make(
        self,
        scheme: str,
        proxy: str | None,
        spaces: frozenset[AddressSpace],
        own: Authorities | None,
        *,
        http2: bool,
        keep: int,
    ) -> httpx.AsyncHTTPTransport:
        import httpcore  # noqa: PLC0415
        import httpx  # noqa: PLC0415

        from headrace.upstream.http1.streams import SocketBackend  # noqa: PLC0415

        tls = scheme == "https" or (proxy or "").startswith("https:")
        context = self._context(own, tls=tls, http2=http2)
        try:
            made = httpx.AsyncHTTPTransport(
                verify=context,
                trust_env=False,
                http1=True,
                http2=http2,
                proxy=httpx.Proxy(
                    proxy, ssl_context=context if proxy.startswith("https:") else None
                )
                if proxy
                else None,
                limits=httpx.Limits(
                    max_connections=None,
                    max_keepalive_connections=keep,
                    keepalive_expiry=_KEEPALIVE,
                ),
            )
        except ImportError as error:  # socks without socksio
            raise SettingsError(
                "no-socks",
                f"the proxy {for_display(proxy or '')} needs the package socksio",
                hint="install socksio beside headrace, or set an http proxy",
            ) from error
        # httpx has no argument for the network below it; httpcore's pool, which it makes, has.
        network = httpcore.AnyIOBackend() if http2 else SocketBackend()
        # A proxy is where the environment says; who resolves the upstream's name is the proxy.
        pinned = PinnedBackend(self._resolver, network, EVERYWHERE if proxy else spaces)
        if proxy is not None:
            made._pool._network_backend = _bounded(pinned)  # noqa: SLF001
        else:
            made._pool = httpcore.AsyncConnectionPool(  # noqa: SLF001
                ssl_context=context,
                max_connections=None,
                max_keepalive_connections=keep,
                keepalive_expiry=_KEEPALIVE,
                http1=True,
                http2=http2,
                network_backend=_bounded(pinned),
            )
        return made

    async def aclose(self) -> None:
        """Close every connection."""
        pools: list[httpx.AsyncHTTPTransport | Http2Connections | Http1Pool]
        pools = [*self._pools.values(), *self._direct2.values(), *self._direct.values()]
        self._pools, self._direct2, self._direct = {}, {}, {}
        for pool in pools:
            with contextlib.suppress(Exception):
                await pool.aclose()


def _asked(
    exchange: SentRequest, method: str, headers: list[tuple[bytes, bytes]]
) -> tuple[ServerAddress, Asked]:
    from headrace.upstream.http1.connection import Asked, ServerAddress  # noqa: PLC0415

    name, port, target, host = _place_of(exchange.url)
    tls = urlsplit(exchange.url).scheme == "https"
    place = ServerAddress(name, port or (443 if tls else 80), tls)
    if not any(name.lower() == b"host" for name, _ in headers):
        headers = [(b"Host", host), *headers]
    return place, Asked(method, target, headers, exchange.timeouts, exchange.trace)


async def _ask_by_httpx(
    transport: httpx.AsyncHTTPTransport,
    exchange: SentRequest,
    method: str,
    headers: list[tuple[bytes, bytes]],
    body: AsyncIterator[bytes] | None = None,
) -> None:
    import httpx  # noqa: PLC0415

    request = httpx.Request(
        method,
        exchange.url,
        headers=headers,
        content=body,
        extensions={"timeout": exchange.timeouts, "trace": exchange.trace},
    )
    exchange.response = await transport.handle_async_request(request)
    exchange.response.request = request
    exchange.raw_headers = exchange.response.headers.raw
    exchange.headers = headers_of(exchange.raw_headers)


def _shows_login(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    return any(name.lower() in _LOGINS for name, _ in headers)


def _bounded(network: Any) -> httpcore.AsyncNetworkBackend:
    return cast("httpcore.AsyncNetworkBackend", BoundedBackend(network))
