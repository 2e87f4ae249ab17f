"""The origin's word on what a mirror's page named: that it has this path, with this digest.

Two ways at a time, and the first that knows decides: the origin's own page that is on its way, and
a HEAD where the origin's path of a file is made of the file's content. One question for each file,
whoever waits for it. What was sent is never called back: over HTTP/2 that costs the connection, and
with it all other questions.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from headrace.documents.page_comparison import agree, named, proof
from headrace.errors import UpstreamError
from headrace.interface.ecosystems import Ecosystem
from headrace.models import Artifact, Document, Origin, ServeDocument
from headrace.policy.lru import LRUCache
from headrace.policy.timeouts import CONFIRM_WITHIN
from headrace.redact import for_display
from headrace.upstream.auth.origin_credentials import OriginClient
from headrace.upstream.http2_pool import SHORT
from headrace.upstream.responses import judge_artifact
from headrace.upstream.single_flight import SingleFlight
from headrace.values import dataclass

__all__ = ["Confirmations", "OpenPage"]

_log = logging.getLogger("headrace.provisional")

#: Files whose confirmation is remembered, and files handed out that may still need one.
REMEMBERED = 4096
#: Seconds for which a no is remembered: the origin may publish the file meanwhile.
REFUTED = 60.0
#: Questions under way at the origin: a client's burst of pages leads to as many.
AT_ONCE = 64
#: A question that has taken so many of the origin's lowest round trips is asked once more, on
#: another connection: while answers come, and where connections are still to be made. Seconds where
#: no round trip is known, and at least.
STRAGGLES = 1.7
STRAGGLES_COLD = 5.0
STRAGGLES_AFTER = 1.0
STRAGGLES_AT_LEAST = 0.1
#: Questions that are asked once more at a time: as many as go over one connection, which may be the
#: one that stands still. Where all straggle it is this machine that is slow, or the origin.
HEDGES = 24
#: Seconds after an answer for which the connections count as made.
WARM = 20.0


@dataclass(frozen=True, slots=True)
class OpenPage:
    """A mirror's page that clients have, and the origin's page that is still to come."""

    ecosystem: Ecosystem
    plan: ServeDocument
    document: Document
    own: asyncio.Task[Document]


class Confirmations:
    """Verdicts by path and digest. For one event loop."""

    def __init__(
        self,
        origin: OriginClient,
        *,
        round_trip: Callable[[Origin], float | None] = lambda _: None,
        refuted: Callable[[Artifact], None] = lambda _: None,
        within: float = CONFIRM_WITHIN,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`round_trip` tells an origin's lowest, in seconds; `refuted` hears of each file that an
        origin does not have; no verdict takes longer than `within` seconds.
        """
        self._origin = origin
        self._round_trip = round_trip
        self._refuted = refuted
        self._within = within
        self._clock = clock
        self._expected = LRUCache[str, tuple[Ecosystem, OpenPage | None]](REMEMBERED)
        self._verdicts = LRUCache[tuple[str, str], tuple[bool, float]](REMEMBERED)
        self._lengths = LRUCache[str, int](REMEMBERED)
        """Bytes, by URL, of what the origin said that it has."""
        self._flights = SingleFlight[tuple[str, str], bool | None]()
        self._answered = self._prepared = float("-inf")
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._hedges: set[asyncio.Task[bool | None]] = set()
        self._tasks: set[asyncio.Task[bool | None]] = set()

    def expect(self, artifact: Artifact, ecosystem: Ecosystem, page: OpenPage | None) -> None:
        """Remember which page named a provisional artifact, for `ask`."""
        self._expected.put(artifact.path, (ecosystem, page))

    def known(self, artifact: Artifact) -> bool | None:
        """Return the verdict that there is; None: the origin has not said anything yet."""
        found = self._verdicts.get(_name(artifact))
        if found is None:
            return None
        verdict, at = found
        return None if not verdict and self._clock() - at > REFUTED else verdict

    async def ask(self, artifact: Artifact) -> bool | None:
        """Return whether the origin has this path with this digest; None: it does not say in time.

        A verdict is remembered.
        """
        if artifact.digest is None or self._expected.get(artifact.path) is None:
            return None
        if (known := self.known(artifact)) is not None:
            return known
        return await self._flights.do(_name(artifact), lambda: self._ask(artifact))

    async def length(self, artifact: Artifact, ecosystem: Ecosystem) -> int | None:
        """Return how long the origin says that a file is, which a client alone has named so far;
        None: it does not say, or has no such file.
        """
        url = proof(ecosystem, artifact)
        if url is None or self._origin.is_private(artifact.origin, url):
            return None
        self.expect(artifact, ecosystem, None)
        return self._lengths.get(url) if await self.ask(artifact) else None

    def begin(self, artifact: Artifact) -> None:
        """Ask, without waiting."""
        expected = artifact.digest is not None and artifact.path in self._expected
        if expected and self.known(artifact) is None:
            self._flights.start(_name(artifact), lambda: self._ask(artifact))

    def prepare(self, origin: Origin, url: str) -> None:
        """Make the connections for questions that are going to come, by asking for a file that the
        origin's own page named: it takes two round trips before the first one can be asked.
        """
        now = self._clock()
        if now - max(self._answered, self._prepared) >= WARM:
            self._prepared = now
            for _ in range(SHORT):
                self._spawn(self._head(origin, url))

    async def _ask(self, artifact: Artifact) -> bool | None:
        expected = self._expected.get(artifact.path)
        if expected is None:
            return None
        ecosystem, page = expected
        ways = [self._by_page(artifact, page), self._by_head(artifact, ecosystem)]
        verdict = await self._first({self._spawn(way) for way in ways}, self._within)
        if verdict is not None:
            self._verdicts.put(_name(artifact), (verdict, self._clock()))
        if not verdict:
            said = "refuted" if verdict is False else "not confirmed in time"
            _log.warning("%s is %s by its origin", artifact.path, said)
        if verdict is False:
            self._refuted(artifact)
        return verdict

    async def _first(self, asking: set[asyncio.Task[bool | None]], within: float) -> bool | None:
        """Return the first verdict; None when there is none within so many seconds."""
        until = self._clock() + within
        while asking:
            left = max(0.0, until - self._clock())
            done, asking = await asyncio.wait(
                asking, timeout=left, return_when=asyncio.FIRST_COMPLETED
            )
            for each in done:
                if (verdict := each.result()) is not None:
                    return verdict
            if not done:
                break
        return None

    async def _by_page(self, artifact: Artifact, page: OpenPage | None) -> bool | None:
        if page is None:
            return None
        try:
            document = await asyncio.shield(page.own)
            told = await asyncio.to_thread(named, page.ecosystem, page.plan, document)
        except (UpstreamError, ValueError):
            return None
        theirs = told.get(artifact.path)
        return theirs is not None and agree(artifact, theirs)

    async def _by_head(self, artifact: Artifact, ecosystem: Ecosystem) -> bool | None:
        url = proof(ecosystem, artifact)
        if url is None:
            return None
        async with self._turns:
            first = self._spawn(self._head(artifact.origin, url))
            verdict = await self._first({first}, self._straggles(artifact.origin))
            if verdict is not None or first.done():
                return verdict
            asking = {first}
            if len(self._hedges) < HEDGES:
                hedge = self._spawn(self._head(artifact.origin, url))
                self._hedges.add(hedge)
                hedge.add_done_callback(self._hedges.discard)
                asking.add(hedge)
            return await self._first(asking, self._within)

    def _straggles(self, origin: Origin) -> float:
        lowest = self._round_trip(origin)
        if lowest is None:
            return STRAGGLES_AFTER
        warm = self._clock() - self._answered < WARM
        return max(STRAGGLES_AT_LEAST, lowest * (STRAGGLES if warm else STRAGGLES_COLD))

    async def _head(self, origin: Origin, url: str) -> bool | None:
        try:
            answer = await self._origin.fetch(origin, url, method="HEAD")
        except UpstreamError as error:
            _log.info("no answer to HEAD %s: %s", for_display(url), error)
            return None
        self._answered = self._clock()
        if answer.status in (404, 410):
            return False
        try:  # a page that says so with a 200, or asks for a login, is no file
            span = judge_artifact(answer.status, answer.headers, url, None)
        except UpstreamError as error:
            _log.info("HEAD %s says nothing: %s", for_display(url), error)
            return None
        if span.total:  # no file is empty, but many an answer to a HEAD says so
            self._lengths.put(url, span.total)
        return True

    def _spawn(self, work: Coroutine[Any, Any, bool | None]) -> asyncio.Task[bool | None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def aclose(self) -> None:
        """Stop asking."""
        await self._flights.aclose()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _name(artifact: Artifact) -> tuple[str, str]:
    return artifact.path, str(artifact.digest)
