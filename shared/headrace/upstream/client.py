"""The HTTP client for upstreams: redirects, tokens, and what comes of an answer.

The connections are those of `transports`; what is raised here is `UpstreamError`.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from headrace import __version__
from headrace.errors import UpstreamError
from headrace.http.ranges import RangeRequest
from headrace.models import Fault
from headrace.policy.destinations import Initiator
from headrace.policy.lru import LRUCache
from headrace.redact import for_display
from headrace.upstream.auth.bearer import BearerTokens
from headrace.upstream.courtesy import Courtesy
from headrace.upstream.destinations import Destinations, Way
from headrace.upstream.document_stream import DocumentStream
from headrace.upstream.http2_pool import Http2Pool, numbers
from headrace.upstream.proxies import Proxies
from headrace.upstream.range_stream import RangeStream
from headrace.upstream.resolver import Resolver
from headrace.upstream.responses import UpstreamResponse, judge_artifact
from headrace.upstream.sent_request import (
    SentRequest,
    body_of,
    close_quietly,
    netloc_of,
    place_of,
    redirect_of,
)
from headrace.upstream.tls import AuthoritiesOf, TrustStore
from headrace.upstream.transports import Transports, host_of

__all__ = ["Client", "RangeStream", "UpstreamResponse"]

_MOST_REDIRECTS = 5
#: Seconds of silence in what is only passed on: its client has a clock of its own.
_PATIENCE = 300.0
#: What is said of a body as it travelled.
_OF_THE_BODY = ("content-encoding", "content-length", "transfer-encoding")
#: Hosts whose round trip is remembered.
_MOST_HOSTS = 1024
#: Never carried to another scheme, host or port.
_SECRET_HEADERS = ("authorization", "proxy-authorization", "cookie")


def _remember_absent() -> None:
    """Have the import of what is not installed end at once, as the language provides for it.

    httpcore imports `sniffio` at every lock and every request. anyio no longer brings it, and
    Python looks through its whole path for what it did not find before: a fifth of what forty
    pages cost that their origin only confirms.
    """
    if "sniffio" not in sys.modules and importlib.util.find_spec("sniffio") is None:
        sys.modules["sniffio"] = None  # type: ignore[assignment]


class Client:
    """Asks upstreams. One for the process; everything it opens is closed by `aclose`.

    Whoever asks says in whose name: the `initiator` decides where a URL, and every redirect and
    token realm after it, may lead (`policy.destinations`). Without one the URL is taken for what
    the configuration itself names; what a page, a manifest or a header has named never is that.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        *,
        user_agent: str | None = None,
        connections: int = 40,
        told: Callable[[str], None] = lambda _: None,
        courtesy: Courtesy | None = None,
        authorities: AuthoritiesOf = lambda _: None,
    ) -> None:
        """Read trust and proxies from `env`; ConfigurationError when they name nothing usable.

        `connections` idle ones are kept. How many are open at a time is limited by those who
        ask (a limit for each host, one over all), so that nobody's clock runs in a queue here.
        `told` hears, for people, of upstreams that lead astray; `authorities` says whom to trust
        in an initiator's name, if others than `env` does.
        """
        _remember_absent()
        self.roots = TrustStore(env)
        self.proxies = Proxies(env)
        self._authorities = authorities
        self.user_agent = user_agent or f"headrace/{__version__}"
        resolver = Resolver()
        self._transports = Transports(self.roots, resolver, keep=connections)
        self._destinations = Destinations(resolver, told)
        self._pool = Http2Pool()
        self._bearer = BearerTokens(self._ask_realm)
        self._round_trips = LRUCache[str, float](_MOST_HOSTS)
        self._greetings = LRUCache[str, asyncio.Event](_MOST_HOSTS)
        self.courtesy = courtesy or Courtesy()
        """Asked before anybody is asked anything."""

    def round_trip(self, url: str) -> float | None:
        """Return the lowest seconds from a request to its answer that a URL's host has shown, or
        to the end of a TCP handshake; None: nobody was asked there yet.
        """
        return self._round_trips.get(netloc_of(url))

    async def greeted(self, url: str, within: float) -> None:
        """Wait, `within` seconds at most, until the round trip of a URL's host is known; somebody
        else asks there.
        """
        netloc = netloc_of(url)
        if self._round_trips.get(netloc) is not None:
            return
        greeting = self._greetings.get(netloc) or asyncio.Event()
        self._greetings.put(netloc, greeting)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await greeting.wait()

    def _measured(self, url: str, seconds: float) -> None:
        netloc = netloc_of(url)
        before = self._round_trips.get(netloc)
        if before is None or seconds < before:
            self._round_trips.put(netloc, seconds)
        if (greeting := self._greetings.pop(netloc)) is not None:
            greeting.set()

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
        initiator: Initiator | None = None,
        spread: bool = False,
    ) -> UpstreamResponse:
        """Fetch a whole document; any status is an answer. Redirects are followed.

        `timeout` bounds connecting and every silence, `deadline` the whole, both in seconds;
        `limit` is in bytes after decoding. `headers` win over ours. The body of an answer that is
        an error (`UpstreamResponse.error`) is empty where it cannot be had. `spread` as for
        `Http2Pool.take`.
        """
        try:
            async with asyncio.timeout(deadline):
                way = Way(initiator or Initiator(url))
                asked = {"accept": "*/*", "accept-encoding": "gzip, deflate"}
                asked |= _lower(headers or {})
                with self._pool.take(
                    netloc_of(url), short=method == "HEAD", spread=spread
                ) as connection:
                    return await self._whole(
                        url, method, asked, limit, timeout, connection=connection, way=way
                    )
        except TimeoutError:
            message = f"{for_display(url)} did not come within {deadline} s"
            raise UpstreamError(Fault.SILENT, message) from None

    async def _whole(
        self,
        url: str,
        method: str,
        asked: Mapping[str, str],
        limit: int,
        patience: float,
        *,
        connection: int,
        way: Way,
    ) -> UpstreamResponse:
        async with self._send(
            url, method, asked, patience, patience, connection=connection, way=way
        ) as exchange:
            exchange.silence(patience)
            body = b"" if method == "HEAD" else await _document(exchange).whole(limit)
            # The body is decoded; of one that did not come the headers tell all that is known.
            wrong = () if method == "HEAD" else _OF_THE_BODY
            kept = {name: text for name, text in exchange.headers.items() if name not in wrong}
            return UpstreamResponse(
                exchange.response.status_code, exchange.url, kept, body, exchange.rtt
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
        initiator: Initiator | None = None,
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
        way = Way(initiator or Initiator(url))
        async with self._send(
            url, "GET", asked, connect_timeout, first_byte_timeout, connection=None, way=way
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
                body=body_of(answer, lent=True),
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
        initiator: Initiator | None = None,
        spread: bool = False,
    ) -> AsyncIterator[DocumentStream]:
        """Open a document whose size nobody knows; any status is an answer, redirects are followed.

        `timeout` bounds connecting and every silence, in seconds. What the body raises is
        `UpstreamError`. `spread` as for `Http2Pool.take`.
        """
        asked = {"accept": "*/*", "accept-encoding": "gzip, deflate", **_lower(headers or {})}
        way = Way(initiator or Initiator(url))
        with self._pool.take(netloc_of(url), spread=spread) as connection:
            async with self._send(
                url, "GET", asked, timeout, timeout, connection=connection, way=way
            ) as exchange:
                exchange.silence(timeout)
                yield _document(exchange)

    @contextlib.asynccontextmanager
    async def relay(
        self,
        method: str,
        url: str,
        headers: Sequence[tuple[bytes, bytes]],
        body: AsyncIterator[bytes] | None,
    ) -> AsyncIterator[SentRequest]:
        """Pass on somebody else's request, to an origin of the configuration, as it came; any
        status is an answer, no redirect is followed, and nothing is added but how long it is.

        `headers` are end to end. UpstreamError where there is no answer, and in the middle of one.
        """
        host, proxy, way = host_of(url), self.proxies.choose(url), Way(Initiator(url))
        own = self._authorities(way.initiator)
        exchange = SentRequest(url, proxy, self.roots, host=host, own=own)
        exchange.timeouts = {"connect": 10.0, "read": _PATIENCE, "write": _PATIENCE, "pool": 10.0}
        spaces = self._destinations.allowed(way, url, host, proxied=proxy is not None)
        await self._transports.relay(exchange, method, headers, body, spaces)
        try:
            yield exchange
        finally:
            await close_quietly(exchange.response)

    async def connect(self, url: str, *, short: bool, initiator: Initiator | None = None) -> None:
        """Make the connections that a burst of requests at a URL's host will go over: over a far
        line their handshakes take longer than the answers. UpstreamError where that fails.

        `short`: those for questions whose answers have no body, else those for documents.
        """
        way, host, proxy = Way(initiator or Initiator(url)), host_of(url), self.proxies.choose(url)
        self.courtesy.check(url)
        exchange = SentRequest(
            url,
            proxy,
            self.roots,
            host=host,
            own=self._authorities(way.initiator),
            measured=self._measured,
        )
        exchange.timeouts = {"connect": 10.0, "read": _PATIENCE, "write": _PATIENCE, "pool": 10.0}
        spaces = self._destinations.allowed(way, url, host, proxied=proxy is not None)
        await self._transports.connect(exchange, numbers(short=short), spaces)

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
        way: Way,
    ) -> AsyncIterator[SentRequest]:
        """Follow redirects to an answer; it is closed at the end of the context."""
        netloc_of(url)
        credential = headers.get("authorization", "")
        carried = {"user-agent": self.user_agent, **headers}
        carried |= self._bearer.headers(url, credential)
        asked, challenged, redirects = url, False, 0
        while redirects <= _MOST_REDIRECTS:
            exchange = await self._once(
                url, method, carried, connect, first_byte, connection=connection, way=way
            )
            onward = self._destinations.answered(
                way, exchange.host, exchange.address, proven=url.startswith("https:")
            )
            try:
                wants = exchange.headers.get("www-authenticate", "")
                if exchange.response.status_code == 401 and wants and not challenged:
                    challenged = True
                    own = credential if place_of(url) == place_of(asked) else ""
                    token = await self._bearer.answer(url, wants, own, way=onward)
                    if token:
                        carried |= token
                        continue
                if exchange.response.status_code == 407 and exchange.proxy is not None:
                    # RFC 9110 section 15.5.8: the proxy says it, never the upstream.
                    raise exchange.translate(PermissionError("the outgoing proxy wants a password"))
                target = redirect_of(exchange)
                if target is None:
                    self.courtesy.led_to(asked, exchange)
                    yield exchange
                    return
            finally:
                await close_quietly(exchange.response)
            if place_of(target) != place_of(url):
                carried = {k: v for k, v in carried.items() if k not in _SECRET_HEADERS}
            url, way, redirects = target, onward, redirects + 1
        message = f"{for_display(url)}: more than {_MOST_REDIRECTS} redirects"
        raise UpstreamError(Fault.PROTOCOL, message)

    async def _ask_realm(
        self,
        url: str,
        headers: Mapping[str, str],
        patience: float,
        limit: int,
        *,
        way: Way | None = None,
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
                way=way or Way(Initiator(url)),
            )
            try:
                exchange.silence(patience)
                body = await _document(exchange).whole(limit)
            finally:
                await close_quietly(exchange.response)
            return UpstreamResponse(exchange.response.status_code, url, exchange.headers, body)

    async def _once(
        self,
        url: str,
        method: str,
        headers: Mapping[str, str],
        connect: float,
        first_byte: float,
        *,
        connection: int | None,
        way: Way,
    ) -> SentRequest:
        """Ask once, where the way leads to; UpstreamError for where it may not."""
        self.courtesy.check(url)
        host, proxy = host_of(url), self.proxies.choose(url)
        own = self._authorities(way.initiator)
        try:
            spaces = self._destinations.allowed(way, url, host, proxied=proxy is not None)
            for wider in (False, True):
                # Again when it is sent: a connection may take its time, and others ask meanwhile.
                check = self.courtesy.check
                exchange = SentRequest(
                    url,
                    proxy,
                    self.roots,
                    host=host,
                    own=own,
                    before=check,
                    measured=self._measured,
                )
                timeouts = {"connect": connect, "read": first_byte, "write": first_byte}
                exchange.timeouts = {**timeouts, "pool": connect}
                try:
                    await self._transports.ask(exchange, method, headers, connection, spaces)
                except UpstreamError as error:
                    if wider or error.fault is not Fault.LED_ASTRAY:
                        raise
                    more = await self._destinations.reconsidered(way, spaces, connect)
                    if more is None:
                        raise
                    spaces = more
                else:
                    self.courtesy.answered(exchange)
                    return exchange
        except UpstreamError as error:
            if error.fault is Fault.LED_ASTRAY:
                raise self._destinations.refused(way, url, error) from error
            raise
        raise AssertionError  # pragma: no cover - the second turn returns or raises

    def prepare(self) -> None:
        """Load what the first request would load: libraries and authorities, 0.3 s of the
        processor's time. In a thread.
        """
        self._transports.prepare(proxied=bool(self.proxies))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transports.aclose()


def _document(exchange: SentRequest) -> DocumentStream:
    return DocumentStream(
        exchange.response.status_code,
        exchange.url,
        exchange.headers,
        rtt=exchange.rtt,
        # As it came: httpx would decode as many codings as somebody names, each to its end at once.
        body=body_of(exchange.response),
        translate=exchange.translate,
    )


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
