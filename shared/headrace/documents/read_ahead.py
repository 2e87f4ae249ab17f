"""Read ahead: what a page leads to is fetched from the origin before the client asks.

A resolver that asks for one page after the other pays a round trip for each; with this it finds
them here. Where the client's program tells what its user named, that is fetched with its first
page. All of it is bounded in width, depth and number, and it stops when no client has come for a
while or the origin asks for a pause. What a mirror's page says is enough for a guess.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Protocol

from headrace.errors import HeadraceError, UpstreamError
from headrace.interface.ecosystems import Ecosystem, KnowsNames, KnowsSubstitutes, ReadsAhead
from headrace.interface.request_reading import NamedDocument
from headrace.models import Document, Fault, Request, ServeArtifact, ServeDocument
from headrace.ownership.processes import Program, program_at
from headrace.policy.lru import LRUCache
from headrace.values import dataclass

__all__ = ["Fetcher", "ReadAhead"]

_log = logging.getLogger("headrace.read_ahead")

#: Requests at a time, plans that wait, steps away from what a client asked for.
IN_FLIGHT = 16
QUEUED = 256
DEPTH = 12
#: Seconds without a client's request after which the queue is dropped.
PATIENCE = 10.0
#: Seconds in which the same plan is not followed twice, and how many plans are remembered.
AGAIN = 10.0
REMEMBERED = 2048
#: Connections whose program was asked for.
PROGRAMS = 512
#: Seconds of silence towards an origin that answered 429 and named no time.
PAUSE = 60.0


class Fetcher(Protocol):
    """How read-ahead gets at things; the gateway gives it."""

    async def document(
        self, ecosystem: Ecosystem, plan: ServeDocument, request: Request
    ) -> Document | None:
        """Bring a page into the store, and return it."""

    async def artifact(
        self, ecosystem: Ecosystem, plan: ServeArtifact, request: Request
    ) -> Document | None:
        """Bring a small artifact into the store, and return it as a document."""

    async def foresee(self, ecosystem: Ecosystem, plan: ServeArtifact, request: Request) -> None:
        """Have the origin asked about an artifact that a mirror's page named, before anybody
        brings it.
        """


@dataclass(frozen=True, slots=True)
class _Step:
    ecosystem: Ecosystem
    plan: ServeDocument | ServeArtifact
    request: Request
    depth: int
    beside: tuple[ServeArtifact, ...] = ()
    """What lies beside a file, or the file beside which it lies: here as soon as that is."""


class ReadAhead:
    """A queue of what clients will probably ask for, and those who work it off."""

    def __init__(
        self,
        fetcher: Fetcher,
        *,
        in_flight: int = IN_FLIGHT,
        queued: int = QUEUED,
        depth: int = DEPTH,
        program: Callable[[tuple[str, int], tuple[str, int]], Program | None] = program_at,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """The bounds are counted over all clients. `program` finds whoever has the client's end of
        a connection.
        """
        self._fetcher = fetcher
        self._in_flight = in_flight
        self._queued = queued
        self._depth = depth
        self._program = program
        self._clock = clock
        self._queue: deque[_Step] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._seen = LRUCache[tuple[str, str], float](REMEMBERED)
        self._led = LRUCache[tuple[object, ...], tuple[ServeDocument | ServeArtifact, ...]](
            REMEMBERED
        )
        """What the same content led a client of the same kind to: nobody reads it again."""
        self._leading: dict[str, ReadsAhead | None] = {}
        self._programs = LRUCache[tuple[str, int], bool](PROGRAMS)
        self._named = LRUCache[tuple[str, str], NamedDocument](REMEMBERED)
        self._client_came = 0.0
        self._paused_until = 0.0
        self.fetched = 0
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """How many plans wait."""
        return len(self._queue)

    @property
    def under_way(self) -> int:
        """How many plans are worked on."""
        return len(self._workers)

    def begin(self, ecosystem: Ecosystem, plan: ServeDocument, request: Request) -> None:
        """A client asks for this document; fetch what else its user named. Returns at once."""
        self._client_came = self._clock()
        if request.ends is None or self._programs.get(request.ends[0]):
            return
        self._programs.put(request.ends[0], True)
        if isinstance(ecosystem, KnowsNames) and ecosystem.asks_in_turn(request):
            self._first_time("to", plan, request)
            self._spawn(self._name(ecosystem, plan, request, request.ends))

    async def _name(
        self,
        ecosystem: Ecosystem,
        plan: ServeDocument,
        request: Request,
        ends: tuple[tuple[str, int], tuple[str, int]],
    ) -> None:
        def named() -> list[NamedDocument]:
            program = self._program(*ends)
            if program is None or not isinstance(ecosystem, KnowsNames):
                return []
            return list(islice(ecosystem.named(plan, program, request), self._queued))

        try:
            found = await asyncio.to_thread(named)
        except Exception as error:  # noqa: BLE001 - a guess that fails costs nobody anything
            # Not the error's own words: they may hold what the program was started with.
            _log.info("what else is asked for is not known: %s", type(error).__name__)
            return
        for each in found:
            self._named.put((_who(request), each.plan.key), each)
        self._enqueue(_Step(ecosystem, plan, request, 0), ([each.plan] for each in found))

    def follow(
        self,
        ecosystem: Ecosystem,
        plan: ServeDocument | ServeArtifact,
        document: Document,
        request: Request,
    ) -> None:
        """A client got this document; fetch what it leads to. Returns at once."""
        self._client_came = self._clock()
        if self._first_time("from", plan, request):
            self._spawn(self._lead(_Step(ecosystem, plan, request, 0), document))

    def _first_time(self, what: str, plan: ServeDocument | ServeArtifact, request: Request) -> bool:
        """Whether this was not done a moment ago, for a client of the same kind."""
        name = (what + _who(request), _key(plan))
        now = self._clock()
        before = self._seen.get(name)
        if before is not None and now - before < AGAIN:
            return False
        self._seen.put(name, now)
        return True

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._workers.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._workers.discard(task)
        if not task.cancelled():
            self._work()

    async def _lead(self, step: _Step, document: Document) -> None:
        """Ask the ecosystem what comes next, and queue it."""
        able = self._able(step.ecosystem)
        if step.depth >= self._depth or able is None:
            return
        plans = await self._next(step, document)
        if document.supplied_by is None:
            self._enqueue(step, ([plan] for plan in plans))
            return
        if self._clock() >= self._paused_until:
            # Bytes have to wait for their turn. The origin's word takes longer, and need not.
            for plan in plans:
                if isinstance(plan, ServeArtifact):
                    with contextlib.suppress(HeadraceError, ValueError):
                        await self._fetcher.foresee(step.ecosystem, plan, step.request)
        self._enqueue(step, _together(plans))

    def _enqueue(
        self, step: _Step, groups: Iterable[Sequence[ServeDocument | ServeArtifact]]
    ) -> None:
        """Queue what a step leads to, but for what was asked for a moment ago."""
        for first, *others in groups:
            if len(self._queue) >= self._queued:
                self.dropped += 1 + len(others)
            elif self._first_time("to", first, step.request):
                beside = tuple(each for each in others if isinstance(each, ServeArtifact))
                self._queue.append(
                    _Step(step.ecosystem, first, step.request, step.depth + 1, beside)
                )
        self._work()

    def _able(self, ecosystem: Ecosystem) -> ReadsAhead | None:
        """Look once at what an ecosystem can do: that is slow in Python 3.11."""
        if ecosystem.name not in self._leading:
            able = ecosystem if isinstance(ecosystem, ReadsAhead) else None
            self._leading[ecosystem.name] = able
        return self._leading[ecosystem.name]

    async def _next(
        self, step: _Step, document: Document
    ) -> tuple[ServeDocument | ServeArtifact, ...]:
        named = self._named.get((_who(step.request), _key(step.plan)))
        wanted = named.wanted if named is not None else ""
        about = (step.ecosystem.name, _key(step.plan), _who(step.request), wanted)
        key = (*about, document.url, document.supplied_by, hash(document.body))
        plans = self._led.get(key)
        if plans is None:
            try:
                plans = await asyncio.to_thread(_leads_to, step, document, named)
            except Exception as error:  # noqa: BLE001 - a guess that fails costs nobody anything
                _log.info("nothing to read ahead after %s: %r", step.request.path, error)
                return ()
            self._led.put(key, plans)
        return plans

    def _work(self) -> None:
        while self._queue and len(self._workers) < self._in_flight:
            now = self._clock()
            if now - self._client_came > PATIENCE or now < self._paused_until:
                self.dropped += len(self._queue)
                self._queue.clear()
                return
            self._spawn(self._fetch(self._queue.popleft()))

    async def _fetch(self, step: _Step) -> None:
        """Bring what a step plans, and after it what lies beside that: two who wait for the same
        bytes would keep a third from asking.
        """
        for plan in (step.plan, *step.beside):
            await self._bring(replace(step, plan=plan))

    async def _bring(self, step: _Step) -> None:
        try:
            if isinstance(step.plan, ServeDocument):
                document = await self._fetcher.document(step.ecosystem, step.plan, step.request)
            else:
                document = await self._fetcher.artifact(step.ecosystem, step.plan, step.request)
        except UpstreamError as error:
            if error.fault is Fault.RATE_LIMITED:
                until = self._clock() + (error.retry_after or PAUSE)
                self._paused_until = max(self._paused_until, until)
            if error.fault is Fault.MISSING:
                self._substitute(step)
            document = None
        except (HeadraceError, ValueError, OSError) as error:
            _log.info("read-ahead of %s failed: %s", step.plan, error)
            document = None
        self.fetched += document is not None
        if document is not None:
            await self._lead(step, document)

    def _substitute(self, step: _Step) -> None:
        """Queue what a client asks for that hears of a document: it is not there."""
        ecosystem, plan = step.ecosystem, step.plan
        if not isinstance(plan, ServeDocument) or step.depth >= self._depth:
            return
        try:
            if isinstance(ecosystem, KnowsSubstitutes):
                plans = tuple(ecosystem.instead_of(plan, step.request))
                self._enqueue(step, ([each] for each in plans))
        except Exception as error:  # noqa: BLE001 - a guess that fails costs nobody anything
            _log.info("nothing is read ahead in the place of %s: %r", _key(plan), error)

    async def aclose(self) -> None:
        """Stop everything."""
        self._queue.clear()
        for task in list(self._workers):
            task.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)


def _leads_to(
    step: _Step, document: Document, named: NamedDocument | None
) -> tuple[ServeDocument | ServeArtifact, ...]:
    able, request = step.ecosystem, step.request
    if named is not None and named.wanted and isinstance(able, KnowsNames):
        return tuple(able.leads_to_of(named, document, request))
    return (
        tuple(able.leads_to(step.plan, document, request)) if isinstance(able, ReadsAhead) else ()
    )


def _together(
    plans: Iterable[ServeDocument | ServeArtifact],
) -> Iterator[list[ServeDocument | ServeArtifact]]:
    """Yield each plan with those behind it that lie beside the same file: of a mirror's page they
    are cut out of it.
    """
    group: list[ServeDocument | ServeArtifact] = []
    for plan in plans:
        if group and not _side_by_side(group[0], plan):
            yield group
            group = []
        group.append(plan)
    if group:
        yield group


def _side_by_side(one: ServeDocument | ServeArtifact, other: ServeDocument | ServeArtifact) -> bool:
    if not isinstance(one, ServeArtifact) or not isinstance(other, ServeArtifact):
        return False
    return one.path.startswith(other.path) or other.path.startswith(one.path)


def _key(plan: ServeDocument | ServeArtifact) -> str:
    return plan.key if isinstance(plan, ServeDocument) else plan.path


def _who(request: Request) -> str:
    return request.headers.get("user-agent", "")
