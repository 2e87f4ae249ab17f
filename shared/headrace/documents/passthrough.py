"""Documents that clients get as they are: large ones, and such whose bytes are their identity.

They travel as a stream through a file on the disk, once for all who ask, with the origin's own
validators, so that a client's cache beside ours works as if we were not there. Otherwise the rules
are those of `cache`: the origin alone, its lifetime, revalidation, the last known copy when
it fails.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable

from headrace.documents.cache import MISSING_LIFETIME, PAUSE_AFTER_FAILURE
from headrace.documents.negative_cache import NegativeCache
from headrace.documents.passthrough_fetch import (
    DocumentChangedError,
    InParts,
    PassthroughFetch,
    follow,
    read,
)
from headrace.documents.passthrough_headers import document_of
from headrace.errors import OriginError, StoreError, UpstreamError
from headrace.http.caching import forbids_storing, is_fresh
from headrace.models import Document, Fault, ServeDocument
from headrace.policy.destinations import of_origin
from headrace.policy.timeouts import HEADERS_WITHIN, STALE_AFTER
from headrace.redact import for_display
from headrace.sources.probes import ReportObservation
from headrace.system.storage.copies import Copies, Copy
from headrace.upstream.client import Client
from headrace.values import dataclass

__all__ = ["DocumentHead", "PassthroughDocuments", "ServedDocument"]

_log = logging.getLogger("headrace.documents")

#: Seconds for which a document that did not fit on the disk is the origin's to give.
_NO_ROOM = 60.0
#: Seconds for which a document whose parts could not be proven comes from its origin in one piece.
_IN_ONE = 600.0
#: Seconds for an origin's first sign, before it is asked for what nobody waits for yet.
_GREETED_WITHIN = 1.0


@dataclass(frozen=True, slots=True)
class DocumentHead:
    """What is known of a document, its bytes left aside."""

    document: Document
    size: int | None
    """Bytes; None where nobody has said."""
    stale: str = ""
    """Why this is the last known copy and not the origin's word of now."""


@dataclass(frozen=True, slots=True)
class ServedDocument:
    """A document for one client: here, or on its way."""

    document: Document
    size: int | None
    copy: Copy | None = None
    fetch: PassthroughFetch | None = None
    stale: str = ""
    """Why this is the last known copy and not the origin's word of now."""

    def body(self) -> AsyncGenerator[bytes, None]:
        """Give the bytes; UpstreamError or StoreError where they break off."""
        if self.copy is not None:
            return read(self.copy)
        assert self.fetch is not None
        return follow(self.fetch)


class PassthroughDocuments:
    """All such documents, of all ecosystems."""

    def __init__(
        self,
        client: Client,
        copies: Copies,
        *,
        report: ReportObservation,
        told: Callable[[str], None],
        in_parts: InParts | None = None,
        kept: Callable[[ServeDocument, Copy], None] = lambda _plan, _copy: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`told` counts what happened, by a word; `in_parts` brings long documents
        (`PassthroughFetch`); `kept` hears of each new copy.
        """
        self._in_parts = in_parts
        self._client = client
        self._copies = copies
        self._report = report
        self._told = told
        self._kept = kept
        self._clock = clock
        self._fetches: dict[str, PassthroughFetch] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._missing = NegativeCache(MISSING_LIFETIME, clock)
        self._failed = NegativeCache(PAUSE_AFTER_FAILURE, clock)
        self._doubtful = NegativeCache(_IN_ONE, clock)
        self._no_room: dict[str, float] = {}

    # ------------------------------------------------------------------ for clients

    async def head(self, plan: ServeDocument, *, greatest_age: float | None = None) -> DocumentHead:
        """Return what is said of a document without fetching it; UpstreamError as for `get`."""
        copy = await self._copy_for_clients(plan)
        wanted = 0.0 if plan.revalidate else greatest_age
        if copy is not None and is_fresh(copy.document, wanted, self._clock()):
            return DocumentHead(copy.document, copy.size)
        if gone := self._missing.get(plan.key):
            raise gone
        try:
            return await self._ask_head(plan, STALE_AFTER if copy else HEADERS_WITHIN)
        except UpstreamError as error:
            if copy is None or error.fault in _final(plan):
                raise
            return DocumentHead(copy.document, copy.size, stale=error.message)

    async def _ask_head(self, plan: ServeDocument, within: float) -> DocumentHead:
        """Return what the origin says of the document, with its length where that is known."""
        fetch = self._fetches.get(plan.key)
        if fetch is not None and fetch.head.done() and not fetch.head.exception():
            return DocumentHead(fetch.head.result(), fetch.length)
        answer = await self._client.fetch(
            plan.url,
            method="HEAD",
            headers={"accept": plan.accept, "accept-encoding": "identity"},
            timeout=within,
            deadline=within,
            initiator=of_origin(plan.origin),
        )
        if error := answer.error():
            raise error
        return DocumentHead(document_of(answer.url, answer.headers, self._clock()), None)

    async def get(
        self, plan: ServeDocument, *, greatest_age: float | None = None
    ) -> ServedDocument:
        """Return the document within `HEADERS_WITHIN` seconds; UpstreamError when there is none.

        Fault.MISSING means that the origin says so; StoreError that the disk cannot take it.
        """
        copy = await self._copy_for_clients(plan)
        wanted = 0.0 if plan.revalidate else greatest_age
        if copy is not None and is_fresh(copy.document, wanted, self._clock()):
            self._told("fresh")
            return ServedDocument(copy.document, copy.size, copy=copy)
        if gone := self._missing.get(plan.key):
            raise gone
        if copy is not None and (failed := self._failed.get(plan.key)):
            return self._stale(copy, failed)
        fetch = self._join(plan, copy)
        try:
            async with asyncio.timeout(STALE_AFTER if copy else HEADERS_WITHIN):
                document = await asyncio.shield(fetch.head)
        except TimeoutError:
            where = for_display(plan.origin.url)
            error = OriginError(Fault.SILENT, f"{where} did not give the document in time")
            if copy is None:
                raise error from None
            return self._stale(copy, error)
        except UpstreamError as error:
            if copy is None or error.fault in _final(plan):
                raise
            return self._stale(copy, error)
        self._told("current")
        if fetch.draft is None:
            copy = fetch.done.result()
            return ServedDocument(document, copy.size, copy=copy)
        return ServedDocument(document, fetch.length, fetch=fetch)

    async def ahead(self, plan: ServeDocument) -> Document | None:
        """Have a document fetched that a client will ask for; return what the origin says of it.

        None where that is known already, or it failed just now. UpstreamError or StoreError as for
        `get`.
        """
        copy = await self._copy_for_clients(plan)
        if copy is not None and is_fresh(copy.document, None, self._clock()):
            return None
        if gone := self._missing.get(plan.key):
            raise gone
        if self._failed.get(plan.key):
            return None
        # How far the origin is decides how it is asked; whoever leads here has just asked it.
        await self._client.greeted(plan.url, _GREETED_WITHIN)
        return await asyncio.shield(self._join(plan, copy).head)

    # ------------------------------------------------------------------ for look-ups

    async def _copy_for_clients(self, plan: ServeDocument) -> Copy | None:
        copy = await self.cached(plan)
        return None if copy is None or forbids_storing(copy.document.headers) else copy

    async def cached(self, plan: ServeDocument) -> Copy | None:
        """Return the copy that is here, however old. One that is just being kept is here."""
        fetch = self._fetches.get(plan.key)
        if fetch is not None and fetch.whole:
            try:
                return await asyncio.shield(fetch.done)
            except (UpstreamError, StoreError):
                pass
        return await asyncio.to_thread(self._copies.get, plan.key)

    async def whole(self, plan: ServeDocument, *, greatest_age: float | None = None) -> Copy | None:
        """Return a whole copy: the one that is here, if the origin said within so many seconds
        that it is current (None: however old), else the origin's.

        What is here if that cannot be had; None when nothing is.
        """
        copy = await self.cached(plan)
        if copy is not None and (
            greatest_age is None
            or is_fresh(copy.document, 0.0 if plan.revalidate else greatest_age, self._clock())
        ):
            return copy
        if self._missing.get(plan.key) or self._failed.get(plan.key):
            return copy
        try:
            return await asyncio.shield(self._join(plan, copy).done)
        except UpstreamError as error:
            _log.info("%s cannot be had: %s", for_display(plan.url), error)
            return None if error.fault is Fault.MISSING else copy
        except StoreError:
            return copy

    # ------------------------------------------------------------------ the origin

    def _join(self, plan: ServeDocument, copy: Copy | None) -> PassthroughFetch:
        """Return the fetch that is under way, else a new one; StoreError where it cannot land."""
        if self._no_room.get(plan.key, 0.0) > time.monotonic():
            raise StoreError("no-room", f"{for_display(plan.url)} did not fit on the disk just now")
        fetch = self._fetches.get(plan.key)
        return fetch if fetch is not None and fetch.open else self._start(plan, copy)

    def _start(self, plan: ServeDocument, before: Copy | None) -> PassthroughFetch:
        in_one = self._doubtful.get(plan.key) is not None
        fetch = self._fetches[plan.key] = PassthroughFetch(
            plan, before, None if in_one else self._in_parts, in_one=in_one
        )
        task = asyncio.ensure_future(self._drive(fetch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return fetch

    async def _drive(self, fetch: PassthroughFetch) -> None:
        """Take a fetch to its end, whatever it is. Cancelled by nobody but the end."""
        plan = fetch.plan
        try:
            copy = await fetch.run(self._client, self._copies, self._report, self._clock)
        except asyncio.CancelledError:
            fetch.end(UpstreamError(Fault.CUT, "the gateway ends"))
            raise
        except UpstreamError as error:
            await self._note(fetch, error)
            fetch.end(error)
        except StoreError as error:
            _log.warning("%s", error)
            if fetch.draft is not None:
                self._no_room[plan.key] = time.monotonic() + _NO_ROOM
            fetch.end(error)
        except Exception as error:  # noqa: BLE001 - nobody awaits this task
            _log.exception("%s could not be fetched", for_display(plan.url))
            fetch.end(UpstreamError(Fault.PROTOCOL, f"internal error: {error!r}"))
        else:
            self._failed.forget(plan.key)
            self._missing.forget(plan.key)
            self._no_room.pop(plan.key, None)
            fetch.end(copy)
            self._kept(plan, copy)
        finally:
            if self._fetches.get(plan.key) is fetch:
                del self._fetches[plan.key]
            if fetch.draft is not None and not fetch.kept:
                # In the loop, because this may be the end of all; closing is quick.
                fetch.draft.discard()

    async def _note(self, fetch: PassthroughFetch, error: UpstreamError) -> None:
        key = fetch.plan.key
        if error.fault is Fault.MISSING:
            self._missing.note(key, error)
            await asyncio.to_thread(self._copies.forget, key)
        elif fetch.leaves_doubt(error):
            self._doubtful.note(key, error)
        elif not isinstance(error, DocumentChangedError):
            self._failed.note(key, error)

    def _stale(self, copy: Copy, error: UpstreamError) -> ServedDocument:
        age = max(0.0, self._clock() - copy.document.fetched_at)
        where = for_display(copy.document.url)
        _log.warning("%s: the copy of %.0f s ago is served: %s", where, age, error)
        self._told("stale")
        return ServedDocument(copy.document, copy.size, copy=copy, stale=error.message)

    async def aclose(self) -> None:
        """Stop everything that is on its way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _final(plan: ServeDocument) -> tuple[Fault, ...]:
    """Return the faults after which nobody gets a copy: a company's is for those it lets in."""
    return (Fault.MISSING, Fault.FORBIDDEN) if plan.origin.private else (Fault.MISSING,)
