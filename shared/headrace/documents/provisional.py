"""A mirror's page in place of a slow origin's, and how each file that it names is confirmed.

Such a page is nobody's word until the origin has spoken. What a client may finish is decided by
the origin all the same: its own page, when that is here first, or one HEAD where the path of a
file is made of the file's content. The origin's page follows in any case, and a mirror whose page
proves stale or false loses the right to give pages.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from headrace.config import Settings
from headrace.documents.page_comparison import agree, compare, is_older, named, proof
from headrace.errors import UpstreamError
from headrace.interface.ecosystems import Ecosystem, LocatesDocuments
from headrace.models import Artifact, Document, Fault, Mirror, MirrorStats, ServeDocument
from headrace.policy import evidence, trust
from headrace.policy.destinations import of_mirror
from headrace.policy.lru import LRUCache
from headrace.policy.timeouts import CONFIRM_WITHIN
from headrace.redact import for_display
from headrace.sources.probes import ReportObservation
from headrace.upstream.auth.origin_credentials import OriginClient
from headrace.upstream.client import Client

__all__ = ["MirrorStandings", "Provisional"]

_log = logging.getLogger("headrace.provisional")

#: Seconds that a mirror's page is served for before the origin is asked again.
LIFETIME = 30.0
#: Bytes of a page whose size nobody knows yet, for predictions.
USUAL_PAGE = 60_000
#: Files whose confirmation is remembered, and files handed out that may still need one.
REMEMBERED = 4096

StandIn = Callable[[ServeDocument, Document], Awaitable[None]]


class MirrorStandings(Protocol):
    """What provisional pages need to know about sources; `DocumentSources` gives it."""

    def mirrors(self, ecosystem: Ecosystem, object_class: str) -> Sequence[MirrorStats]:
        """All mirrors of an ecosystem that may be asked now."""

    def origin(self, object_class: str) -> tuple[float | None, float | None]:
        """The origin's rate (bytes per second) and round trip (seconds), where known."""

    def pause(self, mirror_id: str, object_class: str, seconds: float) -> None:
        """Do not ask that mirror for this class for a while; survives a restart."""


@dataclass(frozen=True, slots=True)
class _Open:
    """A mirror's page that clients have, and the origin's page that is still to come."""

    ecosystem: Ecosystem
    plan: ServeDocument
    document: Document
    own: asyncio.Task[Document]


@dataclass(frozen=True, slots=True)
class _Fetched:
    """A mirror's page, and how long it took."""

    document: Document
    seconds: float
    rtt: float


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
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`told` hears (mirror's id, what it did) for the status page."""
        self._client = client
        self._origin = origin
        self._candidates = candidates
        self._settings = settings
        self._report = report
        self._told = told
        self._clock = clock
        self._open: dict[str, _Open] = {}
        self._expected = LRUCache[str, tuple[Ecosystem, _Open | None]](REMEMBERED)
        self._confirmed = LRUCache[tuple[str, str], bool](REMEMBERED)
        self._tasks: set[asyncio.Task[None]] = set()
        self._trying: set[str] = set()
        """Mirrors whose page is held against the origin's, for nobody."""

    # ------------------------------------------------------------------ the race

    async def first(
        self,
        ecosystem: Ecosystem,
        plan: ServeDocument,
        before: Document | None,
        own: asyncio.Task[Document],
        stand_in: StandIn,
    ) -> Document:
        """Return the origin's page, or a mirror's when the origin is that much slower."""
        chosen = self._choose(ecosystem, plan, before)
        if chosen is None:
            self._try_one(ecosystem, plan, own)
            return await asyncio.shield(own)
        mirror, head_start = chosen
        done, _ = await asyncio.wait({own}, timeout=head_start)
        if done and (document := _decided(own, before)) is not None:
            return document
        offer = asyncio.ensure_future(self._offer(ecosystem, plan, mirror, before))
        try:
            waiting = {offer} if own.done() else {own, offer}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if own.done() and (document := _decided(own, before)) is not None:
                return document
            offered = await offer
        finally:
            offer.cancel()
        if offered is None:
            return await asyncio.shield(own)
        self._open[plan.key] = _Open(ecosystem, plan, offered, own)
        self._spawn(self._follow(self._open[plan.key]))
        await stand_in(plan, offered)
        return offered

    def _choose(
        self, ecosystem: Ecosystem, plan: ServeDocument, before: Document | None
    ) -> tuple[Mirror, float] | None:
        """Choose the mirror, and the seconds that the origin gets before it is asked."""
        size = len(before.body) if before else USUAL_PAGE
        able = [
            (_predict(stats.rate, stats.rtt, size), stats.mirror)
            for stats, agreed in self._who_could(ecosystem, plan)
            if agreed
        ]
        if not able:
            return None
        known = [pair for pair in able if pair[0] is not None]
        seconds, mirror = min(
            known or able, key=lambda pair: (pair[0] or 0.0, pair[1].rank, pair[1].id)
        )
        theirs = _predict(*self._candidates.origin("document"), size)
        after = self._settings.provisional_after
        if seconds is not None and theirs is not None and theirs > seconds + after:
            return mirror, 0.0
        return mirror, after

    def _who_could(
        self, ecosystem: Ecosystem, plan: ServeDocument
    ) -> Iterator[tuple[MirrorStats, bool]]:
        """Yield the mirrors whose page could stand in, and whether it may already."""
        if self._settings.documents == "origin" or self._origin.is_private(plan.origin, plan.url):
            return
        if not isinstance(ecosystem, LocatesDocuments):
            return
        now = self._clock()
        today = evidence.day(now)
        for stats in self._candidates.mirrors(ecosystem, "document"):
            mirror = stats.mirror
            if stats.paused_until > now or ecosystem.locate_document(plan, mirror) is None:
                continue
            if trust.may_supply_document(plan.origin, mirror, today, agreed=True):
                agreed = evidence.pages_agreed(stats, now)
                yield stats, trust.may_supply_document(plan.origin, mirror, today, agreed=agreed)

    def _try_one(
        self, ecosystem: Ecosystem, plan: ServeDocument, own: asyncio.Task[Document]
    ) -> None:
        """Where a page could have stood in, but for the age of the evidence: see what it is worth.

        Nobody is given it, and it is asked for when the origin's page has come.
        """
        untried = [stats.mirror for stats, _ in self._who_could(ecosystem, plan)]
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
            fetched = await self._fetch(ecosystem, plan, mirror)
            if fetched is None:
                return
            if not await self._is_wrong(_Open(ecosystem, plan, fetched.document, own)):
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
    ) -> Document | None:
        """Fetch a mirror's page; None when it cannot stand in."""
        fetched = await self._fetch(ecosystem, plan, mirror)
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

    async def _fetch(
        self, ecosystem: Ecosystem, plan: ServeDocument, mirror: Mirror
    ) -> _Fetched | None:
        if not isinstance(ecosystem, LocatesDocuments):
            return None
        url = ecosystem.locate_document(plan, mirror)
        if url is None:
            return None
        began = time.perf_counter()
        try:
            answer = await self._client.fetch(
                url, headers={"accept": plan.accept}, initiator=of_mirror(mirror)
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
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Stop waiting for origins."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, page: _Open) -> None:
        """Wait for the origin's page and hold the mirror's against it."""
        try:
            await self._is_wrong(page)
        except (UpstreamError, ValueError) as error:
            _log.info("the page of %s stays provisional: %s", page.plan.key, error)
        finally:
            if self._open.get(page.plan.key) is page:
                del self._open[page.plan.key]

    async def _is_wrong(self, page: _Open) -> bool:
        """Take the right to give pages from a mirror whose page is not what the origin's is."""
        theirs = await asyncio.shield(page.own)
        wrong = await asyncio.to_thread(compare, page.ecosystem, page.plan, page.document, theirs)
        if not wrong:
            return False
        seconds, why = wrong
        mirror = page.document.supplied_by or ""
        what = f"gave a page for {page.plan.key} that {why}"
        _log.warning("mirror %s %s; it gives no pages for %.0f h", mirror, what, seconds / 3600)
        self._candidates.pause(mirror, "document", seconds)
        self._told(mirror, what)
        return True

    # ------------------------------------------------------------------ confirming

    def expect(self, artifact: Artifact, ecosystem: Ecosystem, plan: ServeDocument) -> None:
        """Remember which page named a provisional artifact, for `confirm`."""
        self._expected.put(artifact.path, (ecosystem, self._open.get(plan.key)))

    async def confirm(self, artifact: Artifact) -> bool:
        """Ask the origin whether it has this path with this digest; False when it does not say.

        Two ways at a time, and the first that knows decides: the origin's own page that is on
        its way, and a HEAD where the origin's path is made of the content's digest.
        """
        name = (artifact.path, str(artifact.digest))
        expected = self._expected.get(artifact.path)
        if artifact.digest is None or expected is None:
            return False
        if self._confirmed.get(name):
            return True
        ecosystem, page = expected
        ways = {
            asyncio.ensure_future(self._by_page(artifact, page)),
            asyncio.ensure_future(self._by_head(artifact, ecosystem)),
        }
        try:
            async with asyncio.timeout(CONFIRM_WITHIN):
                for way in asyncio.as_completed(ways):
                    if (verdict := await way) is not None:
                        break
                else:
                    verdict = False
        except TimeoutError:
            verdict = False
        finally:
            for task in ways:
                task.cancel()
        if verdict:
            self._confirmed.put(name, True)
        else:
            _log.warning("%s is not confirmed by its origin", artifact.path)
        return verdict

    async def _by_page(self, artifact: Artifact, page: _Open | None) -> bool | None:
        if page is None:
            return None
        try:
            document = await asyncio.shield(page.own)
            told = await asyncio.to_thread(named, page.ecosystem, page.plan, document)
        except (UpstreamError, ValueError):
            return None
        theirs = told.get(artifact.path)
        return theirs is not None and agree(page.ecosystem, artifact, theirs)

    async def _by_head(self, artifact: Artifact, ecosystem: Ecosystem) -> bool | None:
        url = proof(ecosystem, artifact)
        if url is None:
            return None
        try:
            answer = await self._origin.fetch(artifact.origin, url, method="HEAD")
        except UpstreamError as error:
            _log.info("no answer to HEAD %s: %s", for_display(url), error)
            return None
        if answer.status == 200:
            return True
        return False if answer.status in (404, 410) else None


def _decided(own: asyncio.Task[Document], before: Document | None) -> Document | None:
    """Return the origin's page; None when it failed in a way that a mirror may make good.

    With an older page at hand that one is the better answer to an origin that fails.
    """
    error = own.exception()
    if not isinstance(error, UpstreamError):
        return own.result()
    if before is not None or error.fault in (Fault.MISSING, Fault.FORBIDDEN):
        raise error
    return None


def _predict(rate: float | None, rtt: float | None, size: int) -> float | None:
    if rtt is None:
        return None
    return rtt + (size / rate if rate else 0.0)
