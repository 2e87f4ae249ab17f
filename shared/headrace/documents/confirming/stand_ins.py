"""Whose page may stand in for an origin's, and whether it should: by trust, and by round trips.

An origin is measured by its lowest round trip, which no page in front of another one lengthens.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from headrace.config import Settings
from headrace.documents.page_comparison import provable
from headrace.interface.ecosystems import Ecosystem, ForeseesDocuments, LocatesDocuments
from headrace.models import Document, Mirror, MirrorStats, Origin, ServeDocument
from headrace.policy import evidence, trust
from headrace.policy.selection import FAR
from headrace.upstream.auth.origin_credentials import OriginClient

__all__ = ["LEARNT_WITHIN", "MirrorStandings", "StandIns"]

#: Bytes of a page whose size nobody knows yet, for predictions.
USUAL_PAGE = 60_000
#: A mirror gives the page before an origin that is far can, if its own round trip is not known or
#: so many seconds shorter.
NEARER = 0.05
#: Pages asked of an origin of which nothing is known, while others wait for what they tell, and for
#: how many seconds.
LEARNING = 2
LEARNT_WITHIN = 2.0


class MirrorStandings(Protocol):
    """What provisional pages need to know about sources; `DocumentSources` gives it."""

    def mirrors(self, ecosystem: Ecosystem, object_class: str) -> Sequence[MirrorStats]:
        """All mirrors of an ecosystem that may be asked now."""

    def origin(self, object_class: str) -> tuple[float | None, float | None]:
        """The origin's rate (bytes per second) and round trip (seconds), where known."""

    def pause(self, mirror_id: str, object_class: str, seconds: float) -> None:
        """Do not ask that mirror for this class for a while; survives a restart."""


class StandIns:
    """Chooses mirrors for pages. For one event loop."""

    def __init__(
        self,
        origin: OriginClient,
        candidates: MirrorStandings,
        settings: Settings,
        clock: Callable[[], float],
    ) -> None:
        self._origin = origin
        self._candidates = candidates
        self._settings = settings
        self._clock = clock
        self._lowest: dict[str, float] = {}
        """Of each origin's round trips, in seconds."""
        self._fallen: dict[str, float] = {}
        """Until when each mirror has lost its right, as long as this process lives."""
        self._learning: dict[str, int] = {}
        """Pages under way at origins of which it is not known where they have their files."""
        self._learnt = asyncio.Event()
        """Set, and another one made, when such a page has come."""
        self._read: set[str] = set()
        """Origins of which a page that was kept has told it: no other one has to be read."""

    def heard(self, origin: Origin, seconds: float) -> None:
        """Take note of how long an origin took to answer, without the body."""
        self._lowest[origin.url] = min(seconds, self._lowest.get(origin.url, seconds))

    def round_trip(self, origin: Origin) -> float | None:
        """Return an origin's lowest, in seconds."""
        return self._lowest.get(origin.url)

    def fall(self, mirror: str, seconds: float) -> None:
        """Take the right to give pages from a mirror, those that it gave before too."""
        self._fallen[mirror] = max(self._clock() + seconds, self._fallen.get(mirror, 0.0))
        self._candidates.pause(mirror, "document", seconds)

    def has_right(self, mirror: str) -> bool:
        """Whether a mirror still has the right to give pages."""
        return self._clock() >= self._fallen.get(mirror, 0.0)

    @contextlib.contextmanager
    def learning(self, plan: ServeDocument) -> Iterator[None]:
        """Count a page that may tell where its origin has its files."""
        url = plan.origin.url
        self._learning[url] = self._learning.get(url, 0) + 1
        try:
            yield
        finally:
            self._learning[url] -= 1
            self._learnt.set()
            self._learnt = asyncio.Event()

    async def choose(
        self,
        ecosystem: Ecosystem,
        plan: ServeDocument,
        before: Document | None,
        *,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> tuple[Mirror, float | None] | None:
        """Choose the mirror, and the seconds that the origin gets before it is asked; None: it is
        the origin that waits, because the mirror's page will be here first. None for no mirror.

        Of a burst of questions two go to an origin of which nothing is known, and for the others
        is chosen when the first has come: a slow line should not be full of pages by then.
        `meanwhile` is called where that is waited for.
        """
        if (chosen := self._choose(ecosystem, plan, before)) is not None:
            return chosen
        if before is not None and before.supplied_by is None:
            if not self._would_learn(ecosystem, plan):
                return None
            # A page that was kept tells where its origin has its files, too.
            with contextlib.suppress(ValueError):
                if await asyncio.to_thread(provable, ecosystem, plan, before) is not None:
                    self._read.add(plan.origin.url)
            return self._choose(ecosystem, plan, before)
        if before is not None or not self._may_stand_in(ecosystem, plan):
            return None
        until = time.monotonic() + LEARNT_WITHIN
        if self._learning.get(plan.origin.url, 0) >= LEARNING:
            meanwhile()
        while self._learning.get(plan.origin.url, 0) >= LEARNING:
            event, left = self._learnt, until - time.monotonic()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, left)):
                    await event.wait()
            if (chosen := self._choose(ecosystem, plan, before)) is not None:
                return chosen
            if left <= 0 or plan.origin.url in self._lowest:
                break
        return None

    def _may_stand_in(self, ecosystem: Ecosystem, plan: ServeDocument) -> bool:
        """Whether any mirror's page could, once it is known where the origin has its files."""
        if plan.origin.url in self._lowest or not isinstance(ecosystem, LocatesDocuments):
            return False
        if self._settings.documents == "origin" or self._origin.is_private(plan.origin, plan.url):
            return False
        now = self._clock()
        today = evidence.day(now)
        return any(
            trust.may_supply_document(
                plan.origin, each.mirror, today, agreed=evidence.pages_agreed(each, now)
            )
            for each in self._candidates.mirrors(ecosystem, "document")
            if each.paused_until <= now
        )

    def _choose(
        self, ecosystem: Ecosystem, plan: ServeDocument, before: Document | None
    ) -> tuple[Mirror, float | None] | None:
        size = len(before.body) if before else USUAL_PAGE
        quickest = _quickest(self.who_could(ecosystem, plan), size)
        if quickest is None:
            return None
        seconds, mirror = quickest
        after = self._settings.provisional_after
        lowest = self._lowest.get(plan.origin.url, self._candidates.origin("document")[1])
        theirs = _predict(*self._candidates.origin("document"), size)
        if lowest is not None and lowest >= FAR and (seconds is None or lowest > seconds + NEARER):
            return mirror, None
        if seconds is not None and theirs is not None and theirs > seconds + after:
            return mirror, 0.0
        return mirror, after

    def foreseen(self, ecosystem: Ecosystem, plan: ServeDocument) -> tuple[Mirror, str] | None:
        """Return the mirror that is going to be chosen, as far as can be told before its page can
        be read, and where it has that; None: nobody.
        """
        if not isinstance(ecosystem, ForeseesDocuments):
            return None
        able = self._who_could(ecosystem, plan, ecosystem.foreseen_document)
        if (quickest := _quickest(able, USUAL_PAGE)) is None:
            return None
        url = ecosystem.foreseen_document(plan, quickest[1])
        return (quickest[1], url) if url is not None else None

    def who_could(
        self, ecosystem: Ecosystem, plan: ServeDocument
    ) -> Iterator[tuple[MirrorStats, bool]]:
        """Yield the mirrors whose page could stand in, and whether it may already."""
        if isinstance(ecosystem, LocatesDocuments):
            yield from self._who_could(ecosystem, plan, ecosystem.locate_document)

    def _who_could(
        self,
        ecosystem: Ecosystem,
        plan: ServeDocument,
        locate: Callable[[ServeDocument, Mirror], str | None],
    ) -> Iterator[tuple[MirrorStats, bool]]:
        for stats, agreed in self._admitted(ecosystem, plan):
            if locate(plan, stats.mirror) is not None:
                yield stats, agreed

    def _would_learn(self, ecosystem: Ecosystem, plan: ServeDocument) -> bool:
        """Whether a mirror's page could stand in, were it known where the origin has its files."""
        if plan.origin.url in self._read or not isinstance(ecosystem, LocatesDocuments):
            return False
        return any(
            ecosystem.locate_document(plan, stats.mirror) is None
            for stats, _ in self._admitted(ecosystem, plan)
        )

    def _admitted(
        self, ecosystem: Ecosystem, plan: ServeDocument
    ) -> Iterator[tuple[MirrorStats, bool]]:
        """Yield the mirrors that may give pages of this origin, wherever they have them, and
        whether they may already.
        """
        if self._settings.documents == "origin" or self._origin.is_private(plan.origin, plan.url):
            return
        now = self._clock()
        today = evidence.day(now)
        for stats in self._candidates.mirrors(ecosystem, "document"):
            mirror = stats.mirror
            if not self.has_right(mirror.id) or stats.paused_until > now:
                continue
            if trust.may_supply_document(plan.origin, mirror, today, agreed=True):
                agreed = evidence.pages_agreed(stats, now)
                yield stats, trust.may_supply_document(plan.origin, mirror, today, agreed=agreed)


def _quickest(
    able: Iterable[tuple[MirrorStats, bool]], size: int
) -> tuple[float | None, Mirror] | None:
    """Return who may, and gives so many bytes first, and in how many seconds, where that is known;
    None: nobody may.
    """
    pairs = [
        (_predict(stats.rate, stats.rtt, size), stats.mirror) for stats, agreed in able if agreed
    ]
    known = [pair for pair in pairs if pair[0] is not None]
    return min(
        known or pairs,
        key=lambda pair: (pair[0] or 0.0, pair[1].rank, pair[1].id),
        default=None,
    )


def _predict(rate: float | None, rtt: float | None, size: int) -> float | None:
    if rtt is None:
        return None
    return rtt + (size / rate if rate else 0.0)
