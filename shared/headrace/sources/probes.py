"""The first race: which sources are any good, found with one real file within two seconds.

It runs beside the first request and delays nobody. Each source that was never measured on this
network is asked for the first part of a file that a user really wants; a few at a time, the
catalogue's favourites first, until enough good ones are found. Those whose operators forbid
requests that nobody waits for are left out. What a source answers, or that it does not, goes to
the statistics like any transfer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from headrace.errors import UpstreamError
from headrace.models import Fault
from headrace.policy.destinations import Initiator
from headrace.upstream.client import Client, RangeStream
from headrace.values import dataclass

__all__ = ["ProbeTarget", "ReportObservation", "run_race"]

_log = logging.getLogger("headrace.probes")

#: Bytes that are read of the file: enough to leave slow start behind on a near mirror.
SAMPLE = 256 << 10
#: Seconds that the whole race may take.
BUDGET = 2.0
#: Requests at a time.
WORKERS = 6
#: So many sources that deliver are enough: more would only compete with the user's own bytes.
ENOUGH = 4
#: Seconds for connecting, and for the first byte. Whoever needs longer is no good candidate now;
#: it is not blamed for it beyond a short pause, and a later transfer may try it.
CONNECT = 0.7
FIRST_BYTE = 0.8
#: Seconds of reading: what came until then tells the rate.
READING = 0.8


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """A source that was not measured yet, and the file's URL there."""

    source_id: str
    url: str
    initiator: Initiator


class ReportObservation(Protocol):
    """What a race tells for each source: see `Candidates.report`."""

    def __call__(
        self,
        source_id: str,
        object_class: str,
        *,
        bytes: int = 0,  # noqa: A002 - the word of the contract
        seconds: float = 0.0,
        rtt: float | None = None,
        fault: Fault | None = None,
        retry_after: float | None = None,
        path: str | None = None,
    ) -> None:
        """Take one request that ended."""


async def run_race(
    client: Client,
    candidates: Sequence[ProbeTarget],
    *,
    object_class: str,
    path: str,
    size: int | None,
    accept: str,
    report: ReportObservation,
    clock: Callable[[], float] = time.perf_counter,
) -> int:
    """Race the candidates in their order; return how many delivered. Ends in `BUDGET` seconds.

    `accept` is what to ask for: some servers have other bytes, or none, for other types.
    """
    waiting = list(reversed(candidates))
    end = SAMPLE if size is None else min(SAMPLE, size)
    good = 0
    promising: set[str] = set()
    if end == 0:
        return 0

    async def sample(
        candidate: ProbeTarget, promises: Callable[[], None]
    ) -> tuple[int, float, float]:
        async with client.open_range(
            candidate.url,
            0,
            end,
            headers={"accept": accept},
            connect_timeout=CONNECT,
            first_byte_timeout=FIRST_BYTE,
            gap_timeout=READING,
            initiator=candidate.initiator,
        ) as stream:
            promises()
            return await _read(stream, clock)

    async def work() -> None:
        nonlocal good
        # Who has answered well counts at once: the next ones are not asked while it delivers.
        while waiting and len(promising) < ENOUGH:
            candidate = waiting.pop()

            def answered(source_id: str = candidate.source_id) -> None:
                promising.add(source_id)

            try:
                received, seconds, rtt = await sample(candidate, answered)
            except UpstreamError as error:
                promising.discard(candidate.source_id)
                report(
                    candidate.source_id,
                    object_class,
                    fault=error.fault,
                    retry_after=error.retry_after,
                    path=path,
                )
                continue
            good += 1
            report(
                candidate.source_id,
                object_class,
                bytes=received,
                seconds=seconds,
                rtt=rtt,
                path=path,
            )

    try:
        async with asyncio.timeout(BUDGET), asyncio.TaskGroup() as group:
            for _ in range(min(WORKERS, len(waiting))):
                group.create_task(work())
    except TimeoutError:
        pass
    _log.info("race: %d of %d sources deliver, %d not asked", good, len(candidates), len(waiting))
    return good


async def _read(stream: RangeStream, clock: Callable[[], float]) -> tuple[int, float, float]:
    """Read the first bytes of the file; return (bytes, seconds, round trip)."""
    answered = clock()
    async for _ in stream:
        if clock() - answered >= READING or stream.received >= SAMPLE:
            break
    if not stream.received:
        raise UpstreamError(Fault.CUT, f"nothing came within {READING:g} s of the answer")
    # The connection's making is not the rate's business, one round trip is.
    return stream.received, clock() - answered + stream.rtt, stream.rtt
