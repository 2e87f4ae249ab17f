"""Documents for clients: rewritten pages, and such that go out as they are.

What is not to be had ends at the origin, said in the way that makes no client go on to another
index by mistake. What breaks off is cut, never ended cleanly (RFC 9112 section 8).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

from headrace.documents.passthrough_headers import head_for, is_known
from headrace.documents.renderings import Rendered
from headrace.errors import StoreError, UpstreamError
from headrace.gateway import response_head
from headrace.gateway.exchange import ClientDisconnect, Exchange
from headrace.gateway.relaying import tell_limit
from headrace.gateway.wiring import Components
from headrace.http import conditional
from headrace.http.caching import request_max_age
from headrace.interface.ecosystems import Ecosystem, ListsBuilds, ServesDocuments
from headrace.models import Document, Fault, Request, ServeDocument
from headrace.policy.timeouts import BODY_GAP
from headrace.redact import for_display, for_files

__all__ = ["DocumentHandler"]

_log = logging.getLogger("headrace.gateway")

#: Seconds for the first bytes of what is on the disk already.
_AT_ONCE = 1.0
#: What a plugin may say of the body that it made, and we of ours.
_OF_ONE_BODY = frozenset({"content-encoding", "content-length"})
#: Below this a page is not worth compressing.
_SMALL = 1024


class DocumentHandler:
    """The documents of one ecosystem."""

    def __init__(
        self, parts: Components, ecosystem: Ecosystem, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._parts = parts
        self._ecosystem = ecosystem
        # Asked here and not for each request: it is slow in Python 3.11.
        self._forms = ecosystem if isinstance(ecosystem, ServesDocuments) else None
        self._builds = ecosystem if isinstance(ecosystem, ListsBuilds) else None
        self._clock = clock

    def form(self, request: Request, plan: ServeDocument) -> str:
        """Name the form of a document that this client is to get."""
        return self._forms.form(request, plan) if self._forms is not None else ""

    async def serve(self, exchange: Exchange, plan: ServeDocument) -> None:
        """Answer, whatever happens upstream: with the page, the last known one, or the origin."""
        parts, request = self._parts, exchange.request
        if plan.magic:
            await self._passthrough(exchange, plan)
            return
        form = self.form(request, plan)
        parts.barrier.begins(request)
        parts.read_ahead.begin(self._ecosystem, plan, request)
        try:
            carried = mine = None
            if self._builds is not None:
                carried = await parts.variant_pages.carried(self._builds, plan, request, form)
            plan, page = carried or (
                plan,
                await parts.documents.get(
                    self._ecosystem, plan, form, greatest_age=request_max_age(request.headers)
                ),
            )
            if self._builds is not None and carried is None:
                mine = await parts.variant_pages.page(self._builds, plan, request, page, form)
            rendered = mine or await parts.documents.render(self._ecosystem, plan, page, form)
        except UpstreamError as error:
            await self._without(exchange, plan, error)
            return
        except ValueError as error:
            await self._without(exchange, plan, UpstreamError(Fault.NOT_THE_FILE, str(error)))
            return
        extra = {"cache-control": "no-cache"}
        if page.stale:
            # RFC 7234 section 5.5 had codes for this; clients pass them over, people read them.
            extra["warning"] = '110 headrace "Response is Stale"'
        if page.document.supplied_by:
            extra["x-headrace-provisional"] = page.document.supplied_by
        await _send_page(exchange, rendered, extra)
        if not page.stale and mine is None:
            parts.read_ahead.follow(self._ecosystem, plan, page.document, request)

    # ------------------------------------------------------------------ as it is

    async def _passthrough(self, exchange: Exchange, plan: ServeDocument) -> None:
        if not exchange.head:
            page = Document(plan.url, b"", "")
            self._parts.read_ahead.follow(self._ecosystem, plan, page, exchange.request)
        try:
            if exchange.head:
                await self._describe(exchange, plan)
            else:
                await self._stream(exchange, plan)
        except StoreError as error:
            await exchange.redirect(for_files(plan.url), f"headrace: {error.message}")
        except UpstreamError as error:
            if error.fault is Fault.FORBIDDEN and not plan.origin.private:
                # Its own words, to somebody who may have a credential of his own for it.
                await exchange.redirect(for_files(plan.url), f"headrace: {error.message}")
                return
            await self._without(exchange, plan, error)

    async def _describe(self, exchange: Exchange, plan: ServeDocument) -> None:
        asked = exchange.request.headers
        found = await self._parts.passthrough.head(plan, greatest_age=request_max_age(asked))
        headers = head_for(found.document, self._clock(), stale=bool(found.stale))
        if is_known(asked, found.document):
            await exchange.whole(304, headers)
            return
        length = {} if found.size is None else {"content-length": str(found.size)}
        await exchange.begin(200, {**headers, **length})
        await exchange.end()

    async def _stream(self, exchange: Exchange, plan: ServeDocument) -> None:
        asked = exchange.request.headers
        given = await self._parts.passthrough.get(plan, greatest_age=request_max_age(asked))
        headers = head_for(given.document, self._clock(), stale=bool(given.stale))
        if is_known(asked, given.document):
            await exchange.whole(304, headers)
            return
        if given.size is not None:
            headers["content-length"] = str(given.size)
        async with exchange.watched() as gone, aclosing(given.body()) as parts:
            await _send_body(exchange, given.document, headers, parts, gone)

    # ------------------------------------------------------------------ nothing to give

    async def _without(self, exchange: Exchange, plan: ServeDocument, error: UpstreamError) -> None:
        """Answer when there is no page at all: as the origin does.

        Each answer makes some client go on to its next index, and for a company's name that would
        be a public one: so none is ours, neither a status nor another in its place.
        """
        _log.warning("%s: to the origin: %s", exchange.request.path, error)
        limit: UpstreamError | None = error
        if error.fault is Fault.RATE_LIMITED and not plan.origin.private:
            # What was said of something else is no answer to this; it may be asked for elsewhere.
            limit = self._parts.client.courtesy.limited(plan.url)
        if await tell_limit(exchange, limit):
            counted = "limited"
        else:
            hand_back = self._parts.hand_back
            counted = await hand_back.document(exchange, plan.origin, plan.url, error)
        self._parts.activity.document(counted)


async def _send_page(exchange: Exchange, rendered: Rendered, extra: Mapping[str, str]) -> None:
    plain, packed = rendered.etags
    squeeze = rendered.length > _SMALL and conditional.accepts_gzip(
        exchange.request.headers.get("accept-encoding")
    )
    if not 200 <= rendered.status < 500 or rendered.status in response_head.NO_BODY:
        raise response_head.UnsendableError(f"a page with status {rendered.status}")
    vary = rendered.headers.get("vary", "")
    headers = {
        **{
            key: value
            for name, value in rendered.headers.items()
            if (key := name.lower()) not in _OF_ONE_BODY
        },
        **extra,
        "etag": packed if squeeze else plain,
        "vary": f"{vary}, accept-encoding" if vary else "accept-encoding",
    }
    if conditional.matches(exchange.request.headers.get("if-none-match"), rendered.etags):
        await exchange.whole(304, headers)
    elif squeeze:
        await exchange.whole(
            rendered.status, {**headers, "content-encoding": "gzip"}, rendered.packed
        )
    else:
        await exchange.begin(rendered.status, {**headers, "content-length": str(rendered.length)})
        # A piece at a time: a client that does not read must not keep a page of its own in memory.
        for piece in rendered.pieces() if not exchange.head else ():
            await exchange.more(piece)
        await exchange.end()


async def _send_body(
    exchange: Exchange,
    document: Document,
    headers: Mapping[str, str],
    parts: AsyncGenerator[bytes, None],
    gone: asyncio.Future[None],
) -> None:
    try:
        async with asyncio.timeout(_AT_ONCE):
            data = await anext(parts, b"")
        await exchange.begin(200, headers)
        while data and not gone.done():
            await exchange.more(data)
            async with asyncio.timeout(BODY_GAP):
                data = await anext(parts, b"")
    except (UpstreamError, StoreError, TimeoutError) as error:
        if not exchange.started:
            raise UpstreamError(Fault.SILENT, str(error) or "no byte in time") from error
        _log.warning("%s is cut: %s", for_display(document.url), error)
        return
    if gone.done():
        raise ClientDisconnect
    await exchange.end()
