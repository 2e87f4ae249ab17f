"""What a client asks for beside the one page that it waits for, as far as its program tells.

Performs what an ecosystem's `KnowsRequests` asks for, step by step: finds the program, brings
documents as read-ahead does, and ends in time with what is known then. Nothing of it is kept.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from headrace.documents.read_ahead import Fetcher
from headrace.errors import HeadraceError
from headrace.interface.ecosystems import Ecosystem, KnowsRequests
from headrace.interface.request_reading import RequestRead, RequestReading
from headrace.models import Document, Request, ServeArtifact, ServeDocument
from headrace.ownership.processes import Program, program_at
from headrace.policy.timeouts import REQUEST_KNOWN_WITHIN
from headrace.variants.hosts import VariantRequest

__all__ = ["ClientRequests"]

_log = logging.getLogger("headrace.variants")

#: Documents that are brought at a time.
_AT_A_TIME = 16


class ClientRequests:
    """Finds out what clients ask for."""

    def __init__(
        self,
        fetcher: Fetcher,
        *,
        program: Callable[[tuple[str, int], tuple[str, int]], Program | None] = program_at,
        within: float = REQUEST_KNOWN_WITHIN,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`program` finds whoever has the client's end of a connection."""
        self._fetcher = fetcher
        self._program = program
        self._within = within
        self._clock = clock
        self._gate = asyncio.Semaphore(_AT_A_TIME)

    async def read(
        self, ecosystem: Ecosystem, asked: VariantRequest, request: Request
    ) -> RequestRead | None:
        """Return what is asked for; `asked`, and not whole, where nothing more is known. None: the
        page stays as it is.
        """
        unknown = RequestRead(asked, whole=False)
        if request.ends is None or not isinstance(ecosystem, KnowsRequests):
            return unknown
        try:
            program = await asyncio.to_thread(self._program, *request.ends)
            if program is None:
                return unknown
            reading = ecosystem.requested(asked, program, request)
            return await self._perform(ecosystem, reading, request)
        except Exception as error:  # noqa: BLE001 - without it the page's URL is what is known
            # Not the error's own words: they may hold what the program was started with.
            _log.info("what else is asked for is not known: %s", type(error).__name__)
            return unknown

    async def _perform(
        self, ecosystem: Ecosystem, reading: RequestReading, request: Request
    ) -> RequestRead | None:
        until = self._clock() + self._within
        brought: Sequence[Document | None] | None = None
        while True:
            plans, ended = await asyncio.to_thread(_next, reading, brought)
            if plans is None:
                return ended
            brought = await self._bring_all(ecosystem, plans, request, until)

    async def _bring_all(
        self,
        ecosystem: Ecosystem,
        plans: Sequence[ServeDocument | ServeArtifact],
        request: Request,
        until: float,
    ) -> Sequence[Document | None]:
        tasks = [asyncio.ensure_future(self._bring(ecosystem, plan, request)) for plan in plans]
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=max(0.0, until - self._clock()))
            return [task.result() if task.done() else None for task in tasks]
        finally:
            # What is under way goes on for whoever asks for it next.
            for task in tasks:
                task.cancel()

    async def _bring(
        self, ecosystem: Ecosystem, plan: ServeDocument | ServeArtifact, request: Request
    ) -> Document | None:
        try:
            async with self._gate:
                if isinstance(plan, ServeDocument):
                    return await self._fetcher.document(ecosystem, plan, request)
                return await self._fetcher.artifact(ecosystem, plan, request)
        except (HeadraceError, ValueError, OSError):
            return None


def _next(
    reading: RequestReading, brought: Sequence[Document | None] | None
) -> tuple[Sequence[ServeDocument | ServeArtifact] | None, RequestRead | None]:
    """Go on with a reading: the next plans, or None and what was found out."""
    try:
        return (next(reading) if brought is None else reading.send(brought)), None
    except StopIteration as ended:
        found: RequestRead | None = ended.value
        return None, found
