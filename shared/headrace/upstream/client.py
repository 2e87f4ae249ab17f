"""The HTTP client for upstreams: the only file that imports httpx.

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
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from headrace import __version__
from headrace.errors import ConfigurationError, HeadraceError, UpstreamError
from headrace.http.ranges import RangeRequest
from headrace.models import Fault
from headrace.redact import for_display
from headrace.upstream.auth.bearer import BearerTokens
from headrace.upstream.document_stream import DocumentStream
from headrace.upstream.error_mapping import is_stale
from headrace.upstream.http2_pool import Http2Pool
from headrace.upstream.proxies import Proxies
from headrace.upstream.range_stream import RangeStream
from headrace.upstream.resolver import Resolver
from headrace.upstream.responses import UpstreamResponse, judge_artifact
from headrace.upstream.sent_request import (
    SentRequest,
    close_quietly,
    netloc_of,
    place_of,
    redirect_of,
)
from headrace.upstream.tls import TrustStore

if TYPE_CHECKING:
    import httpx

__all__ = ["Client", "RangeStream", "UpstreamResponse"]

_MOST_REDIRECTS = 5
#: What is said of a body as it travelled.
_OF_THE_BODY = ("content-encoding", "content-length", "transfer-encoding")
#: Never carried to another scheme, host or port.
_SECRET_HEADERS = ("authorization", "proxy-authorization", "cookie")
#: Seconds that an idle connection is kept: below the 60 to 75 s of common servers, so that we close
#: first and a request seldom meets a connection that the server is just closing.
_KEEPALIVE = 45.0


class Client:
    """Asks upstreams. One for the process; everything it opens is closed by `aclose`."""

    def __init__(
        self, env: Mapping[str, str], *, user_agent: str | None = None, connections: int = 40
    ) -> None:
        """Read trust and proxies from `env`; ConfigurationError when they name nothing usable.

        `connections` idle ones are kept. How many are open at a time is limited by those who
        ask (a limit for each host, one over all), so that nobody's clock runs in a queue here.
        """
        self.roots = TrustStore(env)
        self.proxies = Proxies(env)
        self.user_agent = user_agent or f"headrace/{__version__}"
        self._keep = connections
        self._context: ssl.SSLContext | None = None
        self._transports: dict[tuple[str, int | None, str | None], httpx.AsyncHTTPTransport] = {}
        self._names = Resolver()
        self._pool = Http2Pool()
        self._bearer = BearerTokens(self._ask_realm)

    # ------------------------------------------------------------------ documents

    async def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        limit: int = 64 << 20,
        timeout: float = 10.0,  # noqa: ASYNC109 - one silence at a time; `deadline` is the whole
        deadline: float | None = None,
    ) -> UpstreamResponse:
        """Fetch a whole document; any status is an answer. Redirects are followed.

        `timeout` bounds connecting and every silence, `deadline` the whole, both in seconds;
        `limit` is in bytes after decoding. `headers` win over ours.
        """
        try:
            async with asyncio.timeout(deadline):
                return await self._fetch(url, method, headers or {}, limit, timeout)
        except TimeoutError:
            message = f"{for_display(url)} did not come within {deadline} s"
            raise UpstreamError(Fault.SILENT, message) from None

    async def _fetch(
        self, url: str, method: str, headers: Mapping[str, str], limit: int, patience: float
    ) -> UpstreamResponse:
        asked = {"accept": "*/*", "accept-encoding": "gzip, deflate", **_lower(headers)}
        with self._pool.take(netloc_of(url)) as connection:
            return await self._whole(url, method, asked, limit, patience, connection=connection)

    async def _whole(
        self,
        url: str,
        method: str,
        asked: Mapping[str, str],
        limit: int,
        patience: float,
        *,
        connection: int,
    ) -> UpstreamResponse:
        async with self._send(
            url, method, asked, patience, patience, connection=connection
        ) as exchange:
            answer = exchange.response
            body = bytearray()
            exchange.silence(patience)
            try:
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > limit:
                        break
            except Exception as error:
                raise exchange.translate(error) from error
            if len(body) > limit:
                message = f"{for_display(exchange.url)} is larger than {limit} bytes"
                raise UpstreamError(Fault.NOT_THE_FILE, message)
            # The body is decoded; of one that did not come the headers tell all that is known.
            wrong = () if method == "HEAD" else _OF_THE_BODY
            kept = {name: text for name, text in exchange.headers.items() if name not in wrong}
            return UpstreamResponse(
                answer.status_code, exchange.url, kept, bytes(body), exchange.rtt
            )

    # ------------------------------------------------------------------ artifacts

    @contextlib.asynccontextmanager
    async def open_range(
        self,
        url: str,
        start: int = 0,
        end: int | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        connect_timeout: float = 5.0,
        first_byte_timeout: float = 10.0,
        gap_timeout: float = 20.0,
    ) -> AsyncIterator[RangeStream]:
        """Open bytes [start, end) of an artifact; the whole file when neither is given.

        UpstreamError when the answer cannot be that. A server without ranges answers with the
        whole file: `RangeStream.ranged` is False then. Timeouts are in seconds; `gap_timeout`
        is the longest silence inside the body.
        """
        wanted = None if start == 0 and end is None else (start, end)
        asked = {"accept": "*/*", **_lower(headers or {}), "accept-encoding": "identity"}
        if wanted is not None:
            asked["range"] = str(RangeRequest(start, end))
        async with self._send(
            url, "GET", asked, connect_timeout, first_byte_timeout, connection=None
        ) as exchange:
            answer = exchange.response
            span = judge_artifact(answer.status_code, exchange.headers, exchange.url, wanted)
            exchange.silence(gap_timeout)
            network = answer.extensions.get("network_stream")
            stream = RangeStream(
                status=answer.status_code,
                url=exchange.url,
                span=span,
                headers=exchange.headers,
                rtt=exchange.rtt,
                fresh=exchange.fresh,
                body=answer.aiter_raw(),
                sock=None if network is None else network.get_extra_info("socket"),
                translate=exchange.translate,
            )
            try:
                yield stream
            finally:
                stream.close()

    @contextlib.asynccontextmanager
    async def open_document(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,  # noqa: ASYNC109 - one silence at a time
    ) -> AsyncIterator[DocumentStream]:
        """Open a document whose size nobody knows; any status is an answer, redirects are followed.

        `timeout` bounds connecting and every silence, in seconds. What the body raises is
        `UpstreamError`.
        """
        asked = {"accept": "*/*", "accept-encoding": "gzip, deflate", **_lower(headers or {})}
        with self._pool.take(netloc_of(url)) as connection:
            async with self._send(
                url, "GET", asked, timeout, timeout, connection=connection
            ) as exchange:
                exchange.silence(timeout)
                yield DocumentStream(
                    exchange.response.status_code,
                    exchange.url,
                    exchange.headers,
                    rtt=exchange.rtt,
                    body=exchange.response.aiter_raw(),
                    translate=exchange.translate,
                )

    # ------------------------------------------------------------------ one request

    @contextlib.asynccontextmanager
    async def _send(
        self,
        url: str,
        method: str,
        headers: Mapping[str, str],
        connect: float,
        first_byte: float,
        *,
        connection: int | None,
    ) -> AsyncIterator[SentRequest]:
        """Follow redirects to an answer; it is closed at the end of the context."""
        netloc_of(url)
        credential = headers.get("authorization", "")
        carried = {"user-agent": self.user_agent, **headers}
        carried |= self._bearer.headers(url, credential)
        asked, challenged, redirects = url, False, 0
        while redirects <= _MOST_REDIRECTS:
            exchange = await self._once(
                url, method, carried, connect, first_byte, connection=connection
            )
            try:
                wants = exchange.headers.get("www-authenticate", "")
                if exchange.response.status_code == 401 and wants and not challenged:
                    challenged = True
                    own = credential if place_of(url) == place_of(asked) else ""
                    token = await self._bearer.answer(url, wants, own)
                    if token:
                        carried |= token
                        continue
                if exchange.response.status_code == 407:
                    # RFC 9110 section 15.5.8: the proxy says it, never the upstream.
                    raise exchange.translate(PermissionError("the outgoing proxy wants a password"))
                target = redirect_of(exchange)
                if target is None:
                    yield exchange
                    return
            finally:
                await close_quietly(exchange.response)
            if place_of(target) != place_of(url):
                carried = {k: v for k, v in carried.items() if k not in _SECRET_HEADERS}
            url, redirects = target, redirects + 1
        message = f"{for_display(url)}: more than {_MOST_REDIRECTS} redirects"
        raise UpstreamError(Fault.PROTOCOL, message)

    async def _ask_realm(
        self, url: str, headers: Mapping[str, str], patience: float, limit: int
    ) -> UpstreamResponse:
        """Fetch a token; never through a challenge of its own."""
        with self._pool.take(netloc_of(url)) as connection:
            exchange = await self._once(
                url,
                "GET",
                {"user-agent": self.user_agent, "accept": "application/json", **headers},
                patience,
                patience,
                connection=connection,
            )
            try:
                body = bytearray()
                exchange.silence(patience)
                async for chunk in exchange.response.aiter_bytes():
                    body += chunk
                    if len(body) > limit:
                        break
            except Exception as error:
                raise exchange.translate(error) from error
            finally:
                await close_quietly(exchange.response)
            return UpstreamResponse(
                exchange.response.status_code, url, exchange.headers, bytes(body[:limit])
            )

    async def _once(
        self,
        url: str,
        method: str,
        headers: Mapping[str, str],
        connect: float,
        first_byte: float,
        *,
        connection: int | None,
    ) -> SentRequest:
        """Ask once; ask again where a kept connection turned out to be closed by the server."""
        import httpx  # noqa: PLC0415 - 60 ms that the command line need not pay

        proxy = self.proxies.choose(url)
        host = urlsplit(url).hostname or ""
        if proxy is None:
            await self._names.check(host, connect)
        for last in (False, True):
            exchange = SentRequest(url, proxy, self.roots)
            timeouts = {"connect": connect, "read": first_byte, "write": first_byte}
            exchange.timeouts = {**timeouts, "pool": connect}
            try:
                transport = self._transport(urlsplit(url).scheme, proxy, connection)
                request = httpx.Request(
                    method,
                    url,
                    headers=dict(headers),
                    extensions={"timeout": exchange.timeouts, "trace": exchange.trace},
                )
                # One clock over all of it: headers that drip byte by byte reset the others.
                async with asyncio.timeout(2 * connect + first_byte + 1.0):
                    exchange.response = await transport.handle_async_request(request)
            except HeadraceError:
                raise
            except Exception as error:
                if not last and not exchange.fresh and is_stale(error):
                    continue
                raise exchange.translate(error) from error
            exchange.response.request = request
            exchange.headers = dict(exchange.response.headers.items())
            return exchange
        raise AssertionError  # pragma: no cover - the second turn returns or raises

    def _transport(
        self, scheme: str, proxy: str | None, connection: int | None
    ) -> httpx.AsyncHTTPTransport:
        import httpx  # noqa: PLC0415

        if scheme not in ("http", "https"):
            raise UpstreamError(Fault.PROTOCOL, f"no way to ask an upstream by {scheme!r}")
        # HTTP/2 is agreed on inside TLS only.
        connection = connection if scheme == "https" else None
        key = (scheme, connection, proxy)
        if key not in self._transports:
            tls = scheme == "https" or (proxy or "").startswith("https:")
            if tls and self._context is None:
                self._context = self.roots.context()
            # The transports share the context although each sets its ALPN list on it: httpcore
            # sets it and makes the connection's TLS object from it in one go, without a pause.
            context = (
                self._context if tls and self._context else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            )
            try:
                self._transports[key] = httpx.AsyncHTTPTransport(
                    verify=context,
                    trust_env=False,
                    http1=True,
                    http2=connection is not None,
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
                raise ConfigurationError(
                    "no-socks",
                    f"the proxy {for_display(proxy or '')} needs the package socksio",
                    hint="install socksio beside headrace, or set an http proxy",
                ) from error
        return self._transports[key]

    async def aclose(self) -> None:
        """Close every connection."""
        transports, self._transports = list(self._transports.values()), {}
        for transport in transports:
            with contextlib.suppress(Exception):
                await transport.aclose()


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
