"""One request to an upstream and its answer, with what the connection did meanwhile."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urljoin, urlsplit

from headrace.errors import UpstreamError
from headrace.foreign import foreign
from headrace.models import Fault, Response
from headrace.redact import for_display
from headrace.upstream.error_mapping import map_exception
from headrace.upstream.tls import Authorities, TrustStore
from headrace.wording import counted

__all__ = [
    "SentRequest",
    "body_of",
    "close_quietly",
    "headers_of",
    "netloc_of",
    "place_of",
    "redirect_of",
    "sent_headers",
]

#: What no field value has (RFC 9110 section 5.5); HTTP/1.1 and HTTP/2 libraries let some through.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
#: So many pieces of a body are looked at together, and so many bytes each has at least. A piece
#: costs what 64 KiB cost, so bytes that come one by one take a core for 100 KB/s.
_PIECES = 8192
_LEAST = 32
_REDIRECTS = (301, 302, 303, 307, 308)


class _CrumbsError(Exception):
    """A body comes in crumbs."""


class SentRequest:
    """One request and its answer, with what the connection did meanwhile."""

    response: Any
    """The transport's own answer: httpx's, or one with the names of httpx's parts."""

    def __init__(
        self,
        url: str,
        proxy: str | None,
        roots: TrustStore,
        *,
        host: str = "",
        own: Authorities | None = None,
        before: Callable[[str], None] = lambda _: None,
        measured: Callable[[str, float], None] = lambda _url, _seconds: None,
    ) -> None:
        """`own` are the authorities that it is to be trusted by, if others than usual. `before` is
        called with the URL when the request is about to go out; what it raises stops it.
        `measured` hears the URL and the seconds of each round trip, of a handshake too.
        """
        self.url = url
        self.host = host
        self.proxy = proxy
        self.own = own
        self._before = before
        self._measured = measured
        self.headers: Mapping[str, str] = {}
        self.raw_headers: Sequence[tuple[bytes, bytes]] = ()
        """The same as they came."""
        self.timeouts: dict[str, float] = {}
        self.fresh = False
        self.rtt = 0.0
        self._roots = roots
        self._sent = 0.0
        self._answered = False

    async def trace(self, name: str, _: Mapping[str, Any]) -> None:
        """Hear from httpcore what the connection does."""
        if name.endswith("connect_tcp.started"):
            self.fresh, self._sent = True, time.perf_counter()
        elif name.endswith("connect_tcp.complete"):
            if not self.proxy:
                self._measured(self.url, time.perf_counter() - self._sent)
        elif name.endswith("send_request_headers.started"):
            self._before(self.url)
            self._sent = time.perf_counter()
        elif name.endswith("receive_response_headers.complete"):
            self._answered = True
            self.rtt = time.perf_counter() - self._sent
            self._measured(self.url, self.rtt)

    @property
    def address(self) -> str | None:
        """Whom the answer came from; None behind a proxy."""
        network = None if self.proxy else self.response.extensions.get("network_stream")
        place = None if network is None else network.get_extra_info("server_addr")
        return None if place is None else str(place[0])

    def silence(self, seconds: float) -> None:
        """Set the longest silence inside the body: httpcore reads this table when it starts it."""
        self.timeouts["read"] = seconds

    def translate(self, error: Exception) -> UpstreamError:
        """Say in our words what went wrong."""
        where = urlsplit(self.url).netloc.rpartition("@")[2]
        fault, what = map_exception(error, answered=self._answered)
        hint = ""
        if fault is Fault.TLS:
            roots = self._roots.describe(self.own)
            hint = f"trusted roots: {roots}; a company's own goes in SSL_CERT_FILE"
        elif self.proxy:
            hint = f"asked through the proxy {for_display(self.proxy)}"
        told = None
        if self._answered and (kind := self.headers.get("content-type")):
            told = Response(self.response.status_code, {"content-type": kind})
        return UpstreamError(
            fault, f"{where}: {what}", hint=hint, response=told, begun=self._answered
        )


def place_of(url: str) -> tuple[str, str | None, int]:
    """Return scheme, host and port: what a secret may not leave."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def netloc_of(url: str) -> str:
    """Return host and port as a URL has them; UpstreamError for what is no URL: who names places to
    ask (a page, an index of shards, a setting) may name none.
    """

    def none(why: str) -> UpstreamError:
        return UpstreamError(Fault.PROTOCOL, f"{for_display(url)} cannot be asked: {why}")

    with foreign("an address", none):
        if place_of(url)[1] is None:
            raise ValueError("it names no host")
        return urlsplit(url).netloc


def redirect_of(exchange: SentRequest) -> str | None:
    """Return where an answer sends us; None: nowhere. UpstreamError for where nobody may go."""
    location = exchange.headers.get("location")
    if exchange.response.status_code not in _REDIRECTS or not location:
        return None
    try:
        target = urljoin(exchange.url, location)
        scheme, host, _ = place_of(target)
    except ValueError:
        scheme, host = "", None
    if not host or scheme not in ("http", "https"):
        message = f"{for_display(exchange.url)} redirects to no place that can be asked"
        raise UpstreamError(Fault.PROTOCOL, message)
    if scheme == "http" and exchange.url.startswith("https:"):
        message = f"{for_display(exchange.url)} redirects from https to http, which is refused"
        raise UpstreamError(Fault.PROTOCOL, message)
    return target


def headers_of(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return an answer's headers by lower-case names, several of one name joined with a comma.

    A byte is a character, so that a validator goes back as it came (`sent_headers`); only a
    Location may be UTF-8, as browsers have it. What could not be sent back is left out.
    """
    found: dict[str, str] = {}
    for name, value in raw:
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        if key == "location" and not text.isascii():
            with contextlib.suppress(UnicodeDecodeError):
                text = value.decode("utf-8")
        if not _CONTROL.search(text):
            found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def sent_headers(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Return headers as they are sent; what no header can say is left out."""
    return [
        (name.encode("ascii"), text.encode("latin-1"))
        for name, text in headers.items()
        if not _CONTROL.search(text) and (text.isascii() or max(text) <= "\xff")
    ]


async def body_of(response: Any, *, lent: bool = False) -> AsyncIterator[Any]:
    """Give an answer's body as it came; an exception where it comes in crumbs.

    `lent`: a piece may be a memoryview, which is the reader's until he asks for the next one.
    """
    pieces = got = 0
    lends = lent and hasattr(response, "aiter_lent")
    async for piece in response.aiter_lent() if lends else response.aiter_raw():
        pieces, got = pieces + 1, got + len(piece)
        if pieces == _PIECES:
            if got < _PIECES * _LEAST:
                raise _CrumbsError(
                    f"{counted(pieces, 'piece')} of {counted(got // pieces, 'byte')} each"
                )
            pieces = got = 0
        yield piece


async def close_quietly(response: Any) -> None:
    """Close an answer."""
    # What closing raises (a peer that resets) no longer matters to anybody.
    with contextlib.suppress(Exception):
        await response.aclose()
