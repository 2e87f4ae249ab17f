"""What is asked within TLS that was ended here: the origin's documents and files, at its own URLs.

A document goes out as the origin gave it, links and all, so that what a client writes down names
the origin. An artifact comes from anywhere, checked, as ever. Everything else goes to the origin
as it was asked, and so does a request that shows a login: to that origin alone, never kept, never
logged. Whatever goes wrong inside, the origin answers (promise 2): a redirect would lead back here.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from headrace.documents.passthrough_headers import is_known
from headrace.errors import UpstreamError
from headrace.foreign import UnreadableError, foreign
from headrace.gateway.exchange import ClientDisconnect, Exchange, Receive, Scope, Send
from headrace.gateway.intercepting.interceptions import Interception, Place
from headrace.gateway.request_head import join_headers
from headrace.gateway.response_head import NO_BODY
from headrace.gateway.serve_document import DocumentHandler
from headrace.gateway.wiring import Components
from headrace.http.caching import request_max_age
from headrace.http.negotiation import suits
from headrace.interface.ecosystems import Ecosystem, Intercepts
from headrace.models import Document, Plan, Request, ServeArtifact, ServeDocument
from headrace.upstream.sent_request import SentRequest

__all__ = ["InterceptedRequests"]

_log = logging.getLogger("headrace.gateway")

#: Headers by which a client says who its user is.
_LOGINS = ("authorization", "cookie")
#: Headers that are for one connection (RFC 9110 section 7.6.1), or that the server itself answers.
_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer "
    b"transfer-encoding upgrade expect".split()
)
#: What stands before the path where a client sends a whole URL.
_ABSOLUTE = re.compile(rb"https://[^/?#]*", re.IGNORECASE)


class InterceptedRequests:
    """An ASGI application; what it serves says each request's scope (`connects`)."""

    def __init__(self, parts: Components, clock: Callable[[], float] = time.time) -> None:
        """Ask nothing yet."""
        self._parts = parts
        self._clock = clock
        self._able = [
            (each, each, DocumentHandler(parts, each))
            for each in parts.ecosystems
            if isinstance(each, Intercepts)
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        place: Place = scope["headrace.place"]
        headers = join_headers(scope["headers"])
        url = _url_of(place, bytes(scope["headrace.target"]))
        relay = _Relay(self._parts, scope, receive, send, url)
        exchange = _InterceptedExchange(
            Request(str(scope["method"]), "/", "", headers),
            receive,
            send,
            scope["headrace.hang_up"],
            relay=relay,
        )
        try:
            await self._answer(exchange, scope["headrace.interception"], place, url)
        except ClientDisconnect:
            pass
        except Exception as error:  # noqa: BLE001 - whatever it is, the origin is the answer
            self._parts.incident(error, exchange.request.path)
            if not exchange.started:
                await exchange.relay()

    async def _answer(
        self, exchange: _InterceptedExchange, interception: Interception, place: Place, url: str
    ) -> None:
        headers = exchange.request.headers
        if any(name in headers for name in _LOGINS):
            # What it sees now is somebody's own. It will not be looked at again.
            interception.leave_alone(place[0])
            await exchange.relay()
            return
        body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        same = headers.get("host", "").lower() in _names_of(place)
        ours = None
        if exchange.request.method in ("GET", "HEAD") and not body and same:
            ours = self._ours(url, exchange.request)
        if ours is None:
            await exchange.relay()
            return
        ecosystem, documents, plan, exchange.request = ours
        try:
            if isinstance(plan, ServeArtifact):
                form = documents.form(exchange.request, plan.named_by) if plan.named_by else ""
                given = await self._parts.artifacts.serve(exchange, ecosystem, plan, form)
                if given is not None and exchange.status in {200, 206}:
                    self._parts.activity.builds.given(given.name)
            elif isinstance(plan, ServeDocument) and plan.magic:
                await documents.serve(exchange, plan)
            elif isinstance(plan, ServeDocument):
                await self._page(exchange, ecosystem, documents, plan)
            else:
                await exchange.relay()
        finally:
            self._parts.activity.answered(ecosystem.name, exchange.status or 0)

    def _ours(
        self, url: str, request: Request
    ) -> tuple[Ecosystem, DocumentHandler, Plan, Request] | None:
        """Return what is to be served for a URL, and by whom; None: the origin answers."""
        for able, ecosystem, documents in self._able:
            with contextlib.suppress(UnreadableError), foreign("a URL"):
                path = able.requested_at(url)
                if path is not None:
                    # Its query is no part of what is served here.
                    asked = Request(request.method, path, "", request.headers)
                    return ecosystem, documents, ecosystem.plan(asked), asked
        return None

    async def _page(
        self,
        exchange: _InterceptedExchange,
        ecosystem: Ecosystem,
        documents: DocumentHandler,
        plan: ServeDocument,
    ) -> None:
        """Give a page as its origin gave it; no mirror's, which might be written down."""
        request, cache = exchange.request, self._parts.documents
        form = documents.form(request, plan)
        plan = replace(plan, written_down=True)
        try:
            age = request_max_age(request.headers)
            page = await cache.get(ecosystem, plan, form, greatest_age=age)
        except (UpstreamError, ValueError) as error:
            _log.info("%s: as the origin answers: %s", request.path, error)
            await exchange.relay()
            return
        document = page.document
        fits = suits(document.content_type, request.headers.get("accept", ""), plan.accept)
        if document.url != plan.url or document.private or not fits:
            await exchange.relay()
            return
        await self._give(exchange, document, stale=bool(page.stale))
        if not page.stale:
            self._parts.read_ahead.follow(ecosystem, plan, document, request)

    async def _give(
        self, exchange: _InterceptedExchange, document: Document, *, stale: bool
    ) -> None:
        asked, told = exchange.request.headers, dict(document.headers)
        told |= {"content-type": document.content_type, "vary": "accept"}
        if document.max_age is not None and told.get("cache-control") != "no-store":
            told["cache-control"] = f"max-age={document.max_age:.0f}"
            told["age"] = f"{max(0.0, self._clock() - document.fetched_at):.0f}"
        if stale:
            told["warning"] = '110 headrace "Response is Stale"'
        told |= {"etag": document.etag} if document.etag else {}
        told |= {"last-modified": document.last_modified} if document.last_modified else {}
        if is_known(asked, document):
            await exchange.whole(304, told)
        else:
            await exchange.whole(200, told, document.body)


class _InterceptedExchange(Exchange):
    """An exchange whose client believes to talk to the origin: what we cannot give, that gives."""

    def __init__(self, *given: Any, relay: Callable[[Exchange], Awaitable[None]]) -> None:
        super().__init__(*given)
        self._relay = relay

    async def relay(self) -> None:
        """Have the origin answer."""
        await self._relay(self)

    async def text(self, status: int, words: str, headers: Mapping[str, str] | None = None) -> None:
        """Nobody is told our words: the origin has its own."""
        del headers
        _log.info("%s: as the origin answers, not %d: %s", self.request.path, status, words)
        await self.relay()

    async def redirect(self, url: str, why: str) -> None:
        """The origin is here."""
        del url
        _log.info("%s: as the origin answers: %s", self.request.path, why)
        await self.relay()


class _Relay:
    """One request, passed on to the origin as it came, and its answer as that came."""

    def __init__(
        self, parts: Components, scope: Scope, receive: Receive, send: Send, url: str
    ) -> None:
        self._parts = parts
        self._scope = scope
        self._receive = receive
        self._send = send
        self._url = url

    async def __call__(self, exchange: Exchange) -> None:
        sent = _end_to_end(self._scope["headers"])
        try:
            async with self._parts.client.relay(
                str(self._scope["method"]), self._url, sent, self._body()
            ) as answer:
                exchange.status = answer.response.status_code
                head = _framed(_end_to_end(answer.raw_headers), answer)
                await self._send(
                    {"type": "http.response.start", "status": exchange.status, "headers": head}
                )
                async for data in answer.response.aiter_raw():
                    if self._scope["headrace.has_gone"]():
                        break  # else an endless answer would be read to no end
                    await self._say(data, more=True)
                else:
                    await self._say(b"", more=False)
                    return
        except Exception as error:
            _log.info("an origin's answer ends for its client: %r", error)
            self._scope["headrace.hang_up"]()
            await exchange.until_gone()
            raise ClientDisconnect from error
        await exchange.until_gone()

    async def _say(self, data: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    def _body(self) -> AsyncIterator[bytes] | None:
        names = {bytes(name) for name, _ in self._scope["headers"]}
        return self._read() if names & {b"content-length", b"transfer-encoding"} else None

    async def _read(self) -> AsyncIterator[bytes]:
        while (message := await self._receive())["type"] == "http.request":
            if data := message.get("body"):
                yield data
            if not message.get("more_body"):
                return
        raise ClientDisconnect


def _end_to_end(raw: Any) -> list[tuple[bytes, bytes]]:
    """Return the header lines that are not for one connection."""
    named = {
        name.strip().lower()
        for key, value in raw
        if key.lower() == b"connection"
        for name in value.split(b",")
    }
    return [(key, value) for key, value in raw if key.lower() not in _HOP | named]


def _framed(head: list[tuple[bytes, bytes]], answer: SentRequest) -> list[tuple[bytes, bytes]]:
    """Leave out a length that says nothing of the body that follows: beside chunks, which count
    (RFC 9112 section 6.3), and where there is none (RFC 9110 section 8.6).
    """
    if answer.response.status_code in NO_BODY or "transfer-encoding" in answer.headers:
        return [(key, value) for key, value in head if key.lower() != b"content-length"]
    return head


def _url_of(place: Place, target: bytes) -> str:
    """Return the URL that a request within TLS is for, whichever form its target has (RFC 9112
    section 3.2): whose it is the connection says.
    """
    whole = _ABSOLUTE.match(target)
    path = target[whole.end() :] if whole else target
    path = b"/" + path if whole and path[:1] != b"/" else path
    return f"https://{_names_of(place)[0]}{path.decode('latin-1')}"


def _names_of(place: Place) -> tuple[str, ...]:
    """Return how a Host header may call a place, first as a URL does."""
    host = f"[{place[0]}]" if ":" in place[0] else place[0]
    full = f"{host}:{place[1]}"
    return (host, full) if place[1] == 443 else (full,)
