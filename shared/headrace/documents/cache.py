"""Documents: the origin's pages, kept, revalidated, shared by all who wait for one.

A page within its lifetime comes from the store. After that one request goes to the origin,
conditional where the origin gave a validator, however many clients wait. When the origin fails,
the last known page is served and called stale. Where the origin is much slower than a mirror of
a named operator, that mirror's page may stand in for it (`provisional.py`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace

from headrace.documents.negative_cache import NegativeCache
from headrace.documents.provisional import Provisional
from headrace.documents.renderings import Rendered, Renderings, version_of
from headrace.errors import OriginError, UpstreamError
from headrace.http.caching import forbids_storing, freshness_lifetime, is_fresh, storable_headers
from headrace.interface.hookspecs import Ecosystem
from headrace.models import Document, Fault, Origin, Response, ServeDocument
from headrace.policy.lru import LRUCache
from headrace.policy.timeouts import CLIENT_DECIDES, HEADERS_WITHIN, STALE_AFTER
from headrace.redact import for_display
from headrace.sources.probes import ReportObservation
from headrace.system.storage.pages import PageStore
from headrace.upstream.auth.origin_credentials import SILENCE, OriginClient
from headrace.upstream.responses import UpstreamResponse
from headrace.upstream.single_flight import SingleFlight
from headrace.values import dataclass

__all__ = [
    "MISSING_LIFETIME",
    "PAUSE_AFTER_FAILURE",
    "Documents",
    "Page",
]

_log = logging.getLogger("headrace.documents")

#: Seconds for which "no such page" is remembered.
MISSING_LIFETIME = 5.0
#: Seconds for which an origin that just failed is not asked again while a last known page exists.
PAUSE_AFTER_FAILURE = 5.0
#: Bytes of what is no page that a client is shown: enough that it is none for the client either.
_MOST_TOLD = 4096
#: Bytes of documents in memory, and how many facts without a body.
MEMORY = 8 * 1024 * 1024
REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Page:
    """A document with what the client must be told about it."""

    document: Document
    version: str
    stale: str = ""
    """Why this is the last known page and not the origin's word of now; empty when it is."""


class Documents:
    """All pages, of all ecosystems."""

    def __init__(
        self,
        origin: OriginClient,
        pages: PageStore,
        renderings: Renderings,
        provisional: Provisional,
        *,
        report: ReportObservation,
        told: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`told` counts what happened, by a word, for the status page."""
        self._origin = origin
        self._pages = pages
        self._renderings = renderings
        self._provisional = provisional
        self._report = report
        self._told = told
        self._clock = clock
        self._memory = LRUCache[str, tuple[Document, str]](
            MEMORY, lambda each: len(each[0].body), most=REMEMBERED
        )
        self._flights = SingleFlight[str, Document]()
        self._own = SingleFlight[str, Document]()
        """The origin's own pages; one may still be on its way behind a mirror's."""
        self._missing = NegativeCache(MISSING_LIFETIME, clock)
        self._failed = NegativeCache(PAUSE_AFTER_FAILURE, clock)

    # ------------------------------------------------------------------ for clients

    async def get(
        self,
        ecosystem: Ecosystem,
        plan: ServeDocument,
        form: str,
        *,
        greatest_age: float | None = None,
    ) -> Page:
        """Return the page within `HEADERS_WITHIN` seconds; UpstreamError when there is none. Where
        the client has no other way to it, its own patience is the limit.

        Fault.MISSING means that the origin says so. `form` is what the page will be rewritten to,
        `greatest_age` the client's demand (`demand`); who accepts none gets no mirror's page.
        """
        wanted = 0.0 if plan.revalidate else greatest_age
        own = plan.written_down or wanted == 0.0
        known = await (self._origins(plan.key) if own else self.known(plan.key))
        if known is not None:
            self._origin.learn(plan.origin, known[0])
        if known is not None and is_fresh(known[0], wanted, self._clock()):
            self._told("provisional" if known[0].supplied_by else "fresh")
            return Page(*known)
        if gone := self._missing.get(plan.key):
            raise gone
        if known is not None and (failed := self._failed.get(plan.key)):
            return self._stale(known, failed)
        before = known[0] if known else None
        try:
            async with asyncio.timeout(STALE_AFTER if known else self._patience(plan.origin)):
                document = await (
                    self._own.do(plan.key, lambda: self._ask(ecosystem, plan, form, before))
                    if own
                    else self._flights.do(
                        plan.key, lambda: self._first(ecosystem, plan, form, before)
                    )
                )
        except TimeoutError:
            where = for_display(plan.origin.url)
            error = OriginError(Fault.SILENT, f"{where} did not give the page in time")
            if known is None:
                raise error from None
            return self._stale(known, error)
        except UpstreamError as error:
            # A page of a company index is not for those whom it no longer lets in.
            final = (
                (Fault.MISSING, Fault.FORBIDDEN)
                if self._origin.is_private(plan.origin, plan.url)
                else (Fault.MISSING,)
            )
            if known is None or error.fault in final:
                raise
            return self._stale(known, error)
        self._told("provisional" if document.supplied_by else "current")
        known = await self.known(plan.key)
        if known is not None and known[0] is document:
            return Page(*known)
        return Page(document, await asyncio.to_thread(version_of, document))

    async def origins_own(self, ecosystem: Ecosystem, plan: ServeDocument, form: str) -> Page:
        """Return the page as its origin gives it, for what a mirror's page does not tell.

        UpstreamError where the origin gives none within `HEADERS_WITHIN` seconds.
        """
        own = self._own.start(plan.key, lambda: self._ask(ecosystem, plan, form, None))
        done, _ = await asyncio.wait({own}, timeout=self._patience(plan.origin))
        if not done:
            where = for_display(plan.origin.url)
            raise OriginError(Fault.SILENT, f"{where} did not give the page in time")
        document = own.result()
        return Page(document, await asyncio.to_thread(version_of, document))

    def _patience(self, origin: Origin) -> float:
        return CLIENT_DECIDES if self._origin.lends(origin) else HEADERS_WITHIN

    async def render(
        self, ecosystem: Ecosystem, plan: ServeDocument, page: Page, form: str
    ) -> Rendered:
        """Return the page as the client wants it; ValueError when it is no such page."""
        at_hand = self._renderings.cached(plan.key, form, page.version)
        if at_hand is not None:
            return at_hand
        return await self._renderings.get(ecosystem, page.document, page.version, form, plan)

    async def known(self, key: str) -> tuple[Document, str] | None:
        """Return the document that is here, however old, with its version."""
        found = self._memory.get(key)
        mirror = found[0].supplied_by if found is not None else None
        if mirror is not None and not self._provisional.stand_ins.has_right(mirror):
            self._memory.pop(key)
        elif found is not None:
            return found
        document = await asyncio.to_thread(self._pages.get, key)
        if document is None:
            return None
        # Another request may have put a newer one meanwhile.
        return self._memory.get(key) or self._remember(
            key, document, await asyncio.to_thread(version_of, document)
        )

    async def _origins(self, key: str) -> tuple[Document, str] | None:
        """Return the origin's own document that is here; it is on the disk behind a mirror's."""
        known = await self.known(key)
        if known is None or known[0].supplied_by is None:
            return known
        document = await asyncio.to_thread(self._pages.get, key)
        return (document, await asyncio.to_thread(version_of, document)) if document else None

    # ------------------------------------------------------------------ failures

    def _stale(self, known: tuple[Document, str], error: UpstreamError) -> Page:
        document, version = known
        age = max(0.0, self._clock() - document.fetched_at)
        _log.warning(
            "%s: the page of %.0f s ago is served: %s", for_display(document.url), age, error
        )
        self._told("stale")
        return Page(replace(document, stale=True), f"{version}-stale", stale=error.message)

    # ------------------------------------------------------------------ the origin

    async def _first(
        self, ecosystem: Ecosystem, plan: ServeDocument, form: str, before: Document | None
    ) -> Document:
        """Return whichever page is to be served: the origin's, or a mirror's before it."""

        def ask() -> asyncio.Task[Document]:
            return self._own.start(plan.key, lambda: self._ask(ecosystem, plan, form, before))

        return await self._provisional.first(ecosystem, plan, before, ask, self._stand_in)

    async def aclose(self) -> None:
        """Stop every question that is under way."""
        await asyncio.gather(self._flights.aclose(), self._own.aclose())

    async def _stand_in(self, plan: ServeDocument, document: Document) -> None:
        """Take a mirror's page; memory only, because it is nobody's word yet."""
        version = await asyncio.to_thread(version_of, document)
        newest = self._memory.get(plan.key)
        if newest is None or newest[0].supplied_by or newest[0].fetched_at < document.fetched_at:
            self._remember(plan.key, document, version)

    async def _ask(
        self, ecosystem: Ecosystem, plan: ServeDocument, form: str, before: Document | None
    ) -> Document:
        """Ask the origin, check and keep what it says. Cancelled by nobody but the end."""
        if before is not None and before.supplied_by is not None:
            before = await asyncio.to_thread(self._pages.get, plan.key)
        try:
            document = await self._request(plan, before)
            same = before is not None and document.body == before.body
            version = self._known_version(plan.key, document)
            if version is None:
                version = await asyncio.to_thread(version_of, document)
            if not same:
                await self._check(ecosystem, plan, form, document, version)
        except UpstreamError as error:
            if error.fault is Fault.MISSING:
                self._missing.note(plan.key, error)
                self._memory.pop(plan.key)
                await asyncio.to_thread(self._pages.forget, plan.key)
            else:
                self._failed.note(plan.key, error)
            raise
        self._failed.forget(plan.key)
        self._missing.forget(plan.key)
        self._remember(plan.key, document, version)
        if forbids_storing(document.headers):  # nor what was kept before the origin said so
            await asyncio.to_thread(self._pages.forget, plan.key)
        elif not (same and self._pages.confirm(plan.key, document)):
            await asyncio.to_thread(self._keep, plan.key, document)
        return document

    def _known_version(self, key: str, document: Document) -> str | None:
        """Return the version of a document that is the one in memory, confirmed."""
        found = self._memory.get(key)
        if found is None or document.body is not found[0].body:
            return None
        known, version = found
        same = (document.url, document.supplied_by) == (known.url, known.supplied_by)
        return version if same else None

    def _keep(self, key: str, document: Document) -> None:
        try:
            self._pages.put(key, document)
        except Exception as error:  # noqa: BLE001 - a full disk must not cost the page
            _log.warning("a page could not be kept: %r", error)

    async def _check(
        self,
        ecosystem: Ecosystem,
        plan: ServeDocument,
        form: str,
        document: Document,
        version: str,
    ) -> None:
        """Make sure that it is such a page at all: a captive portal also says 200."""
        try:
            await self._renderings.get(ecosystem, document, version, form, plan)
        except ValueError as error:
            where = for_display(plan.url)
            raise OriginError(
                Fault.NOT_THE_FILE,
                f"{where} answered with something else: {error}",
                url=document.url,
                response=_told(document),
            ) from error

    async def _request(self, plan: ServeDocument, before: Document | None) -> Document:
        headers = {"accept": plan.accept}
        if before is not None and before.etag:
            headers["if-none-match"] = before.etag
        if before is not None and before.last_modified:
            headers["if-modified-since"] = before.last_modified
        began = time.perf_counter()
        try:
            answer = await self._origin.fetch(
                plan.origin,
                plan.url,
                headers=headers,
                timeout=max(SILENCE, self._patience(plan.origin)),
            )
            if error := answer.error() or _no_content(answer):
                raise _meant(error, plan)
        except UpstreamError as error:
            if error.fault is not Fault.MISSING:
                self._report("origin", "document", fault=error.fault, retry_after=error.retry_after)
            raise
        seconds = time.perf_counter() - began
        self._provisional.stand_ins.heard(plan.origin, answer.seconds)
        self._report(
            "origin", "document", bytes=len(answer.body), seconds=seconds, rtt=answer.seconds
        )
        life = freshness_lifetime(answer.headers)
        if answer.status == 304 and before is not None:
            again, kept = before.max_age, dict(before.headers)
            if (
                "cache-control" in answer.headers
            ):  # what a 304 says of caches counts from now on (RFC 9111 section 4.3.4)
                again = life
                kept.pop("cache-control", None)
            if forbids_storing(answer.headers):
                kept["cache-control"] = "no-store"
            return replace(
                before,
                fetched_at=self._clock(),
                max_age=again,
                headers=kept,
                private=before.private or self._origin.is_private(plan.origin, plan.url),
            )
        kept = storable_headers(answer.headers)
        if forbids_storing(answer.headers):
            kept["cache-control"] = "no-store"
        return Document(
            url=answer.url,
            body=answer.body,
            content_type=answer.headers.get("content-type", ""),
            etag=answer.headers.get("etag"),
            last_modified=answer.headers.get("last-modified"),
            fetched_at=self._clock(),
            max_age=life,
            headers=kept,
            private=self._origin.is_private(plan.origin, plan.url),
        )

    # ------------------------------------------------------------------ memory

    def shrink(self) -> None:
        """Forget what the page store has, too."""
        for key, (document, _) in self._memory.items():
            if document.supplied_by is None:
                self._memory.pop(key)

    def _remember(self, key: str, document: Document, version: str) -> tuple[Document, str]:
        self._memory.put(key, (document, version))
        return document, version


def _told(document: Document) -> Response:
    """Return what a client sees of something that is no page, as far as it decides by that."""
    body = document.body if "json" in document.content_type else b""
    return Response(200, {"content-type": document.content_type}, body[:_MOST_TOLD])


def _no_content(answer: UpstreamResponse) -> UpstreamError | None:
    """Return what is wrong with a good answer that brings no page (RFC 9110 section 15.3)."""
    if answer.status in (200, 203, 304):
        return None
    return UpstreamError(
        Fault.NOT_THE_FILE,
        f"{for_display(answer.url)} answered {answer.status}",
        status=answer.status,
        url=answer.url,
        response=Response(answer.status, _kind(answer)),
    )


def _kind(answer: UpstreamResponse) -> dict[str, str]:
    return {"content-type": answer.headers.get("content-type", "text/plain")}


def _meant(error: UpstreamError, plan: ServeDocument) -> UpstreamError:
    """Return what an answer means at this origin."""
    if plan.forbidden_is_missing and error.fault is Fault.FORBIDDEN:
        return UpstreamError(Fault.MISSING, error.message, status=error.status)
    return error
