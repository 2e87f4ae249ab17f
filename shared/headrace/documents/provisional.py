"""A mirror's page in place of a slow origin's, and how each file that it names is confirmed.

Such a page is nobody's word until the origin has spoken. What a client may finish is decided by
the origin all the same: its own page, when that is here first, or one HEAD where the path of a
file is made of the file's content. The origin's page follows in any case, and a mirror whose page
proves stale or false loses the right to give pages.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar

from headrace.config import Settings
from headrace.documents.confirming.confirmations import Confirmations, OpenPage
from headrace.documents.confirming.stand_ins import LEARNT_WITHIN, MirrorStandings, StandIns
from headrace.documents.page_comparison import LAGGED, compare, is_older, provable
from headrace.errors import UpstreamError
from headrace.interface.ecosystems import Ecosystem, LocatesDocuments
from headrace.models import (
    Artifact,
    Document,
    Fault,
    Mirror,
    ServeDocument,
)
from headrace.policy.destinations import of_mirror
from headrace.policy.selection import FAR
from headrace.sources.probes import ReportObservation
from headrace.upstream.auth.origin_credentials import OriginClient
from headrace.upstream.client import Client
from headrace.values import dataclass

__all__ = ["MirrorStandings", "Provisional"]

_log = logging.getLogger("headrace.provisional")

#: Seconds that a mirror's page is served for before the origin is asked again.
LIFETIME = 30.0
#: The origin's pages that follow a mirror's, at a time: nobody waits for them.
DEFERRED = 3

T = TypeVar("T")
StandIn = Callable[[ServeDocument, Document], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Fetched:
    """A mirror's page, and how long it took."""

    document: Document
    seconds: float
    rtt: float


@dataclass(frozen=True, slots=True)
class _Foreseen:
    """A page that a mirror was asked for before it could be read."""

    mirror: str
    page: asyncio.Task[_Fetched | None]


class Provisional:
    """The race between the origin's page and a mirror's, and its aftermath."""

    def __init__(
        self,
        client: Client,
        origin: OriginClient,
        candidates: MirrorStandings,
        settings: Settings,
        *,
        report: ReportObservation,
        told: Callable[[str, str], None],
        headers: Callable[[Mirror, str], Awaitable[Mapping[str, str]]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`told` hears (mirror's id, what it did) for the status page; `headers` gives what a
        mirror wants to be shown at a URL.
        """
        self._headers = headers
        self._client = client
        self._origin = origin
        self._settings = settings
        self._report = report
        self._told = told
        self._clock = clock
        self._open: dict[str, OpenPage] = {}
        self._turns = asyncio.Semaphore(DEFERRED)
        self.stand_ins = StandIns(origin, candidates, settings, clock)
        self.confirmations = Confirmations(
            origin, round_trip=self.stand_ins.round_trip, refuted=self._refuted
        )
        self._tasks: set[asyncio.Task[Any]] = set()
        self._trying: set[str] = set()
        """Mirrors whose page is held against the origin's, for nobody."""

    # ------------------------------------------------------------------ the race

    async def first(
        self,
        ecosystem: Ecosystem,
        plan: ServeDocument,
        before: Document | None,
        ask: Callable[[], asyncio.Task[Document]],
        stand_in: StandIn,
    ) -> Document:
        """Return the origin's page, or a mirror's when the origin is that much slower.

        `ask` begins the question to the origin, or joins it.
        """
        foreseen: list[_Foreseen] = []

        def meanwhile() -> None:
            if (place := self.stand_ins.foreseen(ecosystem, plan)) is not None:
                mirror, url = place
                fetching = self._start(self._fetch_early(plan, mirror, url))
                foreseen.append(_Foreseen(mirror.id, fetching))

        chosen = await self.stand_ins.choose(ecosystem, plan, before, meanwhile=meanwhile)
        if chosen is None:
            own = ask()
            with self.stand_ins.learning(plan):
                self._try_one(ecosystem, plan, own)
                document = await asyncio.shield(own)
            self._spawn(self._prepare(ecosystem, plan, document))
            return document
        mirror, head_start = chosen
        early = next((each.page for each in foreseen if each.mirror == mirror.id), None)
        if head_start is None:
            # Its page will be here before the origin's can be: that one follows, in its turn.
            offer = self._start(self._offer(ecosystem, plan, mirror, before, early))
            await asyncio.wait({offer}, timeout=self._settings.provisional_after)
            if offer.done() and (offered := offer.result()) is not None:
                own = self._start(self._in_turn(ask))
                return await self._stands_in(OpenPage(ecosystem, plan, offered, own), stand_in)
            own = ask()
        else:
            own = ask()
            done, _ = await asyncio.wait({own}, timeout=head_start)
            if done and _decided(own, before):
                return own.result()
            offer = self._start(self._offer(ecosystem, plan, mirror, before, early))
        # What was sent is not called back: over HTTP/2 that costs the connection.
        waiting = {offer} if own.done() else {own, offer}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if own.done() and _decided(own, before):
            return own.result()
        offered = await asyncio.shield(offer)
        if offered is None or (own.done() and _decided(own, before)):
            return await asyncio.shield(own)
        return await self._stands_in(OpenPage(ecosystem, plan, offered, own), stand_in)

    async def _prepare(self, ecosystem: Ecosystem, plan: ServeDocument, document: Document) -> None:
        """Where mirrors' pages are going to stand in for this origin's, be ready to confirm."""
        chosen = await self.stand_ins.choose(ecosystem, plan, None)
        if chosen is not None and chosen[1] is None:
            with contextlib.suppress(ValueError):
                if url := await asyncio.to_thread(provable, ecosystem, plan, document):
                    self.confirmations.prepare(plan.origin, url)

    async def _stands_in(self, page: OpenPage, stand_in: StandIn) -> Document:
        self._open[page.plan.key] = page
        self._spawn(self._follow(page))
        await stand_in(page.plan, page.document)
        return page.document

    async def _in_turn(self, ask: Callable[[], asyncio.Task[Document]]) -> Document:
        """Ask the origin for a page that nobody waits for, a few at a time."""
        async with self._turns:
            return await asyncio.shield(ask())

    def _try_one(
        self, ecosystem: Ecosystem, plan: ServeDocument, own: asyncio.Task[Document]
    ) -> None:
        """Where a page could have stood in, but for the age of the evidence: see what it is worth.

        Nobody is given it, and it is asked for when the origin's page has come.
        """
        untried = [stats.mirror for stats, _ in self.stand_ins.who_could(ecosystem, plan)]
        mirror = min(untried, key=lambda each: (each.rank, each.id), default=None)
        if mirror is not None and mirror.id not in self._trying:
            self._trying.add(mirror.id)
            self._spawn(self._try(ecosystem, plan, mirror, own))

    async def _try(
        self,
        ecosystem: Ecosystem,
        plan: ServeDocument,
        mirror: Mirror,
        own: asyncio.Task[Document],
    ) -> None:
        try:
            done, _ = await asyncio.wait({own}, timeout=self._settings.provisional_after)
            if done:
                return  # nobody needs anything in the place of such an origin's pages
            await asyncio.wait({own})
            if own.cancelled() or own.exception() is not None:
                return
            fetched = await self._fetch(plan, mirror, _place_of(ecosystem, plan, mirror))
            if fetched is None:
                return
            if not await self._is_wrong(OpenPage(ecosystem, plan, fetched.document, own)):
                self._came(mirror, fetched)
        except ValueError as error:
            self._is_no_page(mirror, plan, error)
        finally:
            self._trying.discard(mirror.id)

    async def _offer(
        self,
        ecosystem: Ecosystem,
        plan: ServeDocument,
        mirror: Mirror,
        before: Document | None,
        early: asyncio.Task[_Fetched | None] | None,
    ) -> Document | None:
        """Fetch a mirror's page, where it was not asked for `early`; None when it cannot stand
        in.
        """
        fetched = await asyncio.shield(early) if early is not None else None
        fetched = fetched or await self._fetch(plan, mirror, _place_of(ecosystem, plan, mirror))
        if fetched is None:
            return None
        try:
            if await asyncio.to_thread(is_older, ecosystem, plan, fetched.document, before):
                return None
        except ValueError as error:
            self._is_no_page(mirror, plan, error)
            return None
        self._came(mirror, fetched)
        return fetched.document

    async def _fetch_early(self, plan: ServeDocument, mirror: Mirror, url: str) -> _Fetched | None:
        """Fetch a page that cannot be read yet, where the origin turns out to be far before it has
        answered anything: by the time of a TCP handshake.
        """
        await self._client.greeted(plan.url, LEARNT_WITHIN)
        if (self._client.round_trip(plan.url) or 0.0) < FAR:
            return None
        return await self._fetch(plan, mirror, url)

    async def _fetch(self, plan: ServeDocument, mirror: Mirror, url: str | None) -> _Fetched | None:
        if url is None:
            return None
        shown = await self._headers(mirror, url) if mirror.login and self._headers else {}
        began = time.perf_counter()
        try:
            answer = await self._client.fetch(
                url, headers={"accept": plan.accept, **shown}, initiator=of_mirror(mirror)
            )
            if error := answer.error():
                raise error
        except UpstreamError as error:
            self._report(mirror.id, "document", fault=error.fault, retry_after=error.retry_after)
            return None
        if answer.status != 200:
            return None
        document = Document(
            url=answer.url,
            body=answer.body,
            content_type=answer.headers.get("content-type", ""),
            fetched_at=self._clock(),
            max_age=LIFETIME,
            supplied_by=mirror.id,
        )
        return _Fetched(document, time.perf_counter() - began, answer.seconds)

    def _came(self, mirror: Mirror, fetched: _Fetched) -> None:
        size = len(fetched.document.body)
        self._report(mirror.id, "document", bytes=size, seconds=fetched.seconds, rtt=fetched.rtt)

    def _is_no_page(self, mirror: Mirror, plan: ServeDocument, error: ValueError) -> None:
        _log.info("%s gave no page for %s: %s", mirror.id, plan.key, error)
        self._report(mirror.id, "document", fault=Fault.NOT_THE_FILE)

    # ------------------------------------------------------------------ the aftermath

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._start(work)

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may be waiting any more; it counts as seen

    async def aclose(self) -> None:
        """Stop waiting for origins."""
        await self.confirmations.aclose()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, page: OpenPage) -> None:
        """Wait for the origin's page and hold the mirror's against it."""
        try:
            await self._is_wrong(page)
        except (UpstreamError, ValueError) as error:
            _log.info("the page of %s stays provisional: %s", page.plan.key, error)
        finally:
            if self._open.get(page.plan.key) is page:
                del self._open[page.plan.key]

    async def _is_wrong(self, page: OpenPage) -> bool:
        """Take the right to give pages from a mirror whose page is not what the origin's is."""
        theirs = await asyncio.shield(page.own)
        wrong = await asyncio.to_thread(compare, page.ecosystem, page.plan, page.document, theirs)
        if not wrong:
            return False
        seconds, why = wrong
        what = f"gave a page for {page.plan.key} that {why}"
        self._falls(page.document.supplied_by or "", what, seconds)
        return True

    def _falls(self, mirror: str, what: str, seconds: float) -> None:
        _log.warning("mirror %s %s; it gives no pages for %.0f h", mirror, what, seconds / 3600)
        self.stand_ins.fall(mirror, seconds)
        self._told(mirror, what)

    # ------------------------------------------------------------------ confirming

    def expect(self, artifact: Artifact, ecosystem: Ecosystem, plan: ServeDocument) -> None:
        """Remember which page named a provisional artifact, for `confirm`."""
        self.confirmations.expect(artifact, ecosystem, self._open.get(plan.key))

    async def confirm(self, artifact: Artifact) -> bool:
        """Ask the origin whether it has this path with this digest; False when it does not say."""
        return await self.confirmations.ask(artifact) is True

    def _refuted(self, artifact: Artifact) -> None:
        """Take the right to give pages from a mirror that named what its origin does not have."""
        mirror = artifact.provisional or ""
        if mirror:
            what = f"named {artifact.name}, which the origin does not have"
            self._falls(mirror, what, LAGGED)


def _place_of(ecosystem: Ecosystem, plan: ServeDocument, mirror: Mirror) -> str | None:
    """Return where a mirror has a page that can be read; None: nowhere."""
    return (
        ecosystem.locate_document(plan, mirror) if isinstance(ecosystem, LocatesDocuments) else None
    )


def _decided(own: asyncio.Task[Document], before: Document | None) -> bool:
    """Whether what the origin said stands; False: it failed in a way that a mirror may make good.

    With an older page at hand that one is the better answer to an origin that fails.
    """
    error = own.exception()
    if not isinstance(error, UpstreamError):
        return True
    return before is not None or error.fault in (Fault.MISSING, Fault.FORBIDDEN)
