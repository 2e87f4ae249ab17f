"""Documents that clients get as they are: large ones, and such whose bytes are their identity.

They travel as a stream through a file on the disk, once for all who ask, with the origin's own
validators, so that a client's cache beside ours works as if we were not there. Otherwise the rules
are those of `documents.py`: the origin alone, its lifetime, revalidation, the last known copy when
it fails.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from headrace.errors import OriginError, StoreError, UpstreamError
from headrace.models import Document, Fault, ServeDocument
from headrace.network.client import Client
from headrace.network.documents import (
    HEADERS_WITHIN,
    MISSING_LIFETIME,
    PAUSE_AFTER_FAILURE,
    STALE_AFTER,
)
from headrace.network.error_memory import ErrorMemory
from headrace.network.exchange import Exchange
from headrace.network.negotiation import matches
from headrace.network.prober import Report
from headrace.network.verbatim_flight import Flight, follow, read
from headrace.policy.lifetimes import is_fresh
from headrace.redact import for_display
from headrace.system.copies import Copies, Copy

__all__ = ["Given", "Verbatim"]

_log = logging.getLogger("headrace.documents")

#: Longest silence inside a body that a client is left in, seconds (promise 2).
_GAP = 20.0


@dataclass(frozen=True, slots=True)
class Given:
    """A document for one client: here, or on its way."""

    document: Document
    size: int | None
    copy: Copy | None = None
    flight: Flight | None = None
    stale: str = ""
    """Why this is the last known copy and not the origin's word of now."""

    def body(self) -> AsyncIterator[bytes]:
        """Give the bytes; UpstreamError or StoreError where they break off."""
        if self.copy is not None:
            return read(self.copy)
        assert self.flight is not None
        return follow(self.flight)


class Verbatim:
    """All such documents, of all ecosystems."""

    def __init__(
        self,
        client: Client,
        copies: Copies,
        *,
        report: Report,
        told: Callable[[str], None],
        kept: Callable[[ServeDocument, Copy], None] = lambda _plan, _copy: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`told` counts what happened, by a word; `kept` hears of each new copy."""
        self._client = client
        self._copies = copies
        self._report = report
        self._told = told
        self.kept = kept
        self._clock = clock
        self._flights: dict[str, Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._missing = ErrorMemory(MISSING_LIFETIME, clock)
        self._failed = ErrorMemory(PAUSE_AFTER_FAILURE, clock)

    # ------------------------------------------------------------------ for clients

    async def serve(
        self, exchange: Exchange, plan: ServeDocument, greatest_age: float | None
    ) -> None:
        """Answer; UpstreamError or StoreError when there is nothing to answer with."""
        if exchange.head and await self._head(exchange, plan, greatest_age):
            return
        given = await self.get(plan, greatest_age=greatest_age)
        headers = _headers(given, self._clock())
        asked = exchange.request.headers
        if _is_known(asked, given.document):
            await exchange.whole(304, headers)
            return
        if given.size is not None:
            headers["content-length"] = str(given.size)
        if exchange.head:
            await exchange.begin(200, headers)
            await exchange.end()
            return
        await self._send(exchange, given, headers)

    async def _send(self, exchange: Exchange, given: Given, headers: Mapping[str, str]) -> None:
        """Stream; what breaks off is cut, never ended cleanly (RFC 9112 section 8)."""
        parts = given.body()
        try:
            async with asyncio.timeout(_GAP):
                data = await anext(parts, b"")
            await exchange.begin(200, headers)
            while data:
                await exchange.more(data)
                async with asyncio.timeout(_GAP):
                    data = await anext(parts, b"")
        except (UpstreamError, StoreError, TimeoutError) as error:
            if not exchange.started:
                raise UpstreamError(Fault.SILENT, str(error) or "no byte in time") from error
            _log.warning("%s is cut: %s", for_display(given.document.url), error)
            return
        await exchange.end()

    async def _head(
        self, exchange: Exchange, plan: ServeDocument, greatest_age: float | None
    ) -> bool:
        """Answer a HEAD without fetching the document; False: `get` has it here."""
        copy = await asyncio.to_thread(self._copies.get, plan.key)
        if copy is not None and is_fresh(copy.document, greatest_age, self._clock()):
            return False
        if plan.key in self._flights or self._missing.get(plan.key):
            return False
        answer = await self._client.fetch(
            plan.url,
            method="HEAD",
            headers={"accept": plan.accept, "accept-encoding": "identity"},
            timeout=HEADERS_WITHIN / 2,
            deadline=HEADERS_WITHIN,
        )
        if error := answer.error():
            raise error
        names = ("content-type", "etag", "last-modified", "cache-control")
        await exchange.whole(200, {n: answer.headers[n] for n in names if n in answer.headers})
        return True

    async def get(self, plan: ServeDocument, *, greatest_age: float | None = None) -> Given:
        """Return the document within `HEADERS_WITHIN` seconds; UpstreamError when there is none.

        Fault.MISSING means that the origin says so; StoreError that the disk cannot take it.
        """
        copy = await asyncio.to_thread(self._copies.get, plan.key)
        wanted = 0.0 if plan.revalidate else greatest_age
        if copy is not None and is_fresh(copy.document, wanted, self._clock()):
            self._told("fresh")
            return Given(copy.document, copy.size, copy=copy)
        if gone := self._missing.get(plan.key):
            raise gone
        if copy is not None and (failed := self._failed.get(plan.key)):
            return self._stale(copy, failed)
        flight = self._flights.get(plan.key) or self._start(plan, copy)
        try:
            async with asyncio.timeout(STALE_AFTER if copy else HEADERS_WITHIN):
                document = await asyncio.shield(flight.head)
        except TimeoutError:
            where = for_display(plan.origin.url)
            error = OriginError(Fault.SILENT, f"{where} did not give the document in time")
            if copy is None:
                raise error from None
            return self._stale(copy, error)
        except UpstreamError as error:
            if copy is None or error.fault is Fault.MISSING:
                raise
            return self._stale(copy, error)
        self._told("current")
        if flight.draft is None:
            copy = await flight.done
            return Given(document, copy.size, copy=copy)
        return Given(document, flight.length, flight=flight)

    # ------------------------------------------------------------------ for look-ups

    async def at_hand(self, plan: ServeDocument) -> Copy | None:
        """Return the copy that is here, however old; where there is none, the one on its way."""
        copy = await asyncio.to_thread(self._copies.get, plan.key)
        flight = self._flights.get(plan.key)
        if copy is None and flight is not None:
            try:
                return await asyncio.shield(flight.done)
            except (UpstreamError, StoreError):
                return None
        return copy

    async def whole(self, plan: ServeDocument, *, renew: bool) -> Copy | None:
        """Return a whole copy: the one that is here, or with `renew` the origin's of now.

        None when it cannot be had.
        """
        copy = await self.at_hand(plan)
        if copy is not None and (
            not renew or is_fresh(copy.document, 0.0 if plan.revalidate else None, self._clock())
        ):
            return copy
        if self._missing.get(plan.key):
            return None
        flight = self._flights.get(plan.key) or self._start(plan, copy)
        try:
            return await asyncio.shield(flight.done)
        except (UpstreamError, StoreError) as error:
            _log.info("%s cannot be had: %s", for_display(plan.url), error)
            return copy

    # ------------------------------------------------------------------ the origin

    def _start(self, plan: ServeDocument, before: Copy | None) -> Flight:
        flight = self._flights[plan.key] = Flight(plan, before)
        task = asyncio.ensure_future(self._drive(flight))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return flight

    async def _drive(self, flight: Flight) -> None:
        """Take a flight to its end, whatever it is. Cancelled by nobody but the end."""
        plan = flight.plan
        try:
            copy = await flight.run(self._client, self._copies, self._report, self._clock)
        except BaseException as error:
            if flight.draft is not None:
                flight.draft.discard()
            if isinstance(error, UpstreamError):
                await self._note(plan.key, error)
                flight.end(error)
            elif isinstance(error, StoreError):
                _log.warning("%s", error)
                flight.end(error)
            else:
                flight.end(UpstreamError(Fault.PROTOCOL, f"internal error: {error!r}"))
                raise
        else:
            self._failed.forget(plan.key)
            self._missing.forget(plan.key)
            flight.end(copy)
            self.kept(plan, copy)
        finally:
            if flight.draft is not None:
                flight.draft.end()
            if self._flights.get(plan.key) is flight:
                del self._flights[plan.key]

    async def _note(self, key: str, error: UpstreamError) -> None:
        if error.fault is Fault.MISSING:
            self._missing.note(key, error)
            await asyncio.to_thread(self._copies.forget, key)
        else:
            self._failed.note(key, error)

    def _stale(self, copy: Copy, error: UpstreamError) -> Given:
        age = max(0.0, self._clock() - copy.document.fetched_at)
        where = for_display(copy.document.url)
        _log.warning("%s: the copy of %.0f s ago is served: %s", where, age, error)
        self._told("stale")
        return Given(copy.document, copy.size, copy=copy, stale=error.message)

    async def aclose(self) -> None:
        """Stop everything that is on its way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _headers(given: Given, now: float) -> dict[str, str]:
    """Return the head of an answer: the origin's own, as far as it speaks of the document."""
    document = given.document
    headers = {"content-type": document.content_type}
    if document.etag:
        headers["etag"] = document.etag
    if document.last_modified:
        headers["last-modified"] = document.last_modified
    if cache := document.headers.get("cache-control"):
        headers["cache-control"] = cache
    if given.stale:
        headers["cache-control"] = "no-cache"
        headers["warning"] = '110 headrace "Response is Stale"'
    elif (age := int(now - document.fetched_at)) > 0:
        headers["age"] = str(age)
    return headers


def _is_known(asked: Mapping[str, str], document: Document) -> bool:
    """Whether the client has this very version (RFC 9110 sections 13.1.2 and 13.1.3)."""
    if "if-none-match" in asked:
        return document.etag is not None and matches(asked["if-none-match"], [document.etag])
    since = asked.get("if-modified-since")
    return since is not None and since == document.last_modified
