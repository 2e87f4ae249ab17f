"""The pools of connections to upstreams: the only file that imports httpx.

It works on httpx's transports and not on its client, because what the client adds is what must
not happen here: cookies, netrc, redirects that carry credentials, proxies from the process's own
environment, decoding of artifacts. Everything that httpx, httpcore, ssl or the socket raises
leaves this file as `UpstreamError`. HTTP/2 is for documents only: one TCP connection is one
congestion window, and httpx pays three times the CPU for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from headrace.errors import HeadraceError, SettingsError, UpstreamError
from headrace.models import Fault
from headrace.policy.destinations import AddressSpace, plain_host
from headrace.redact import for_display
from headrace.upstream.error_mapping import is_stale
from headrace.upstream.pinned import BoundedBackend, PinnedBackend, reading_a_head
from headrace.upstream.resolver import Resolver
from headrace.upstream.sent_request import SentRequest, headers_of, sent_headers
from headrace.upstream.tls import Authorities, TrustStore

if TYPE_CHECKING:
    import httpcore
    import httpx

__all__ = ["Transports", "host_of"]

#: Seconds that an idle connection is kept: below the 60 to 75 s of common servers, so that we close
#: first and a request seldom meets a connection that the server is just closing.
_KEEPALIVE = 45.0
#: What a pool of connections is for: scheme, number, proxy, the spaces that it may lead to, and
#: whom it trusts.
_Key = tuple[str, int | None, str | None, frozenset[AddressSpace], Authorities | None]


@lru_cache(maxsize=128)
def host_of(url: str) -> str:
    """Return the host that a URL will be asked at; UpstreamError for what is no URL, or one in
    which two readers see two hosts.
    """
    import httpx  # noqa: PLC0415 - 60 ms that the command line need not pay

    try:
        host = httpx.URL(url).raw_host.decode("ascii").lower()
        parts = urlsplit(url)
        seen, _ = (parts.hostname or "").lower(), parts.port
    except (httpx.InvalidURL, ValueError) as error:
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
        self._contexts: dict[Authorities | None, ssl.SSLContext] = {}
        self._pools: dict[_Key, httpx.AsyncHTTPTransport] = {}

    async def ask(
        self,
        exchange: SentRequest,
        method: str,
        headers: Mapping[str, str],
        connection: int | None,
        spaces: frozenset[AddressSpace],
    ) -> None:
        """Ask; ask again where a kept connection turned out to be closed by the server."""
        import httpx  # noqa: PLC0415

        scheme, timeouts = urlsplit(exchange.url).scheme, exchange.timeouts
        for last in (False, True):
            exchange.fresh = False
            try:
                own = exchange.own
                transport = self._pool(scheme, exchange.proxy, connection, spaces, own)
                request = httpx.Request(
                    method,
                    exchange.url,
                    headers=sent_headers(headers),
                    extensions={"timeout": timeouts, "trace": exchange.trace},
                )
                # One clock over all of it: headers that drip byte by byte reset the others.
                longest = 2 * timeouts["connect"] + timeouts["read"] + 1.0
                async with asyncio.timeout(longest):
                    with reading_a_head():
                        exchange.response = await transport.handle_async_request(request)
            except HeadraceError:
                raise
            except Exception as error:
                if not last and not exchange.fresh and is_stale(error):
                    continue
                raise exchange.translate(error) from error
            exchange.response.request = request
            exchange.headers = headers_of(exchange.response)
            return

    def _pool(
        self,
        scheme: str,
        proxy: str | None,
        connection: int | None,
        spaces: frozenset[AddressSpace],
        own: Authorities | None,
    ) -> httpx.AsyncHTTPTransport:
        """Return the pool for these; what it holds serves nobody who may not lead as far."""
        if scheme not in ("http", "https"):
            raise UpstreamError(Fault.PROTOCOL, f"no way to ask an upstream by {scheme!r}")
        # HTTP/2 is agreed on inside TLS only.
        connection = connection if scheme == "https" else None
        key = (scheme, connection, proxy, spaces, own)
        if key not in self._pools:
            self._pools[key] = self._make(scheme, proxy, spaces, own, http2=connection is not None)
        return self._pools[key]

    def _make(
        self,
        scheme: str,
        proxy: str | None,
        spaces: frozenset[AddressSpace],
        own: Authorities | None,
        *,
        http2: bool,
    ) -> httpx.AsyncHTTPTransport:
        import httpcore  # noqa: PLC0415
        import httpx  # noqa: PLC0415

        tls = scheme == "https" or (proxy or "").startswith("https:")
        if tls and own not in self._contexts:
            self._contexts[own] = self._roots.context(own)
        # The transports share a context although each sets its ALPN list on it: httpcore
        # sets it and makes the connection's TLS object from it in one go, without a pause.
        context = self._contexts[own] if tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
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
                    max_keepalive_connections=self._keep,
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
        network = httpcore.AnyIOBackend()
        if proxy is not None:
            made._pool._network_backend = _bounded(network)  # noqa: SLF001
        else:
            made._pool = httpcore.AsyncConnectionPool(  # noqa: SLF001
                ssl_context=context,
                max_connections=None,
                max_keepalive_connections=self._keep,
                keepalive_expiry=_KEEPALIVE,
                http1=True,
                http2=http2,
                network_backend=_bounded(PinnedBackend(self._resolver, network, spaces)),
            )
        return made

    async def aclose(self) -> None:
        """Close every connection."""
        pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            with contextlib.suppress(Exception):
                await pool.aclose()


def _bounded(network: Any) -> httpcore.AsyncNetworkBackend:
    return cast("httpcore.AsyncNetworkBackend", BoundedBackend(network))
