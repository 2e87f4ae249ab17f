"""What each source gives now: a bounded read of a real file, because somebody asked for it.

Each source is read from once, for a few seconds or megabytes, on one connection, and one after the
other, so that what is measured is the source and not its neighbours. Nobody is asked whose operator
forbids requests that no user waits for, nor before a time that a server named (the client keeps to
that by itself). How fast each was goes to the statistics like any transfer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from headrace.errors import UpstreamError
from headrace.foreign import UnreadableError, foreign
from headrace.interface.ecosystems import Ecosystem
from headrace.models import Artifact, Digest, Fault, Mirror
from headrace.policy.destinations import Initiator, of_mirror
from headrace.policy.trust import may_supply_bytes
from headrace.upstream.client import Client, RangeStream
from headrace.values import dataclass

__all__ = [
    "LayoutTried",
    "Measured",
    "MeasuredSource",
    "find_layout",
    "measure",
    "measure_together",
    "place",
]

#: Bytes that are read of one source at most, and seconds. Slow start is over by then on any line
#: on which the difference matters.
MOST = 8 << 20
READING = 2.0
#: Seconds for connecting, and for the first byte.
CONNECT = 4.0
FIRST_BYTE = 6.0
#: Seconds for trying one layout: as many as somebody at a terminal has patience for.
WHOLE = 20.0
#: Bytes that a layout is tried with; a file of no more than that is held against its digest.
_TRIED = 1 << 20


@dataclass(frozen=True, slots=True)
class MeasuredSource:
    """A source of one file."""

    source_id: str
    url: str
    initiator: Initiator
    why_not: str = ""
    """Why it is not asked, to stand behind its name; empty: it is."""
    own: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of one source."""

    source_id: str
    received: int = 0
    """Bytes."""
    seconds: float = 0.0
    """From the answer to the last byte, and one round trip."""
    rtt: float = 0.0
    fault: Fault | None = None
    retry_after: float | None = None
    message: str = ""

    @property
    def rate(self) -> float | None:
        """Bytes per second; None: nothing came."""
        return self.received / self.seconds if self.received and self.seconds else None


@dataclass(frozen=True, slots=True)
class LayoutTried:
    """A layout, and what the mirror said where that has the file."""

    layout: str
    url: str
    fits: bool
    message: str = ""


def place(
    artifact: Artifact, ecosystem: Ecosystem, mirror: Mirror, *, lets_in: bool
) -> MeasuredSource:
    """Say where a mirror has a file, or why it is not asked. `lets_in`: it wants no login, or one
    that is known.
    """
    url, why = None, ""
    if not may_supply_bytes(artifact, mirror):
        why = "is not asked for the names of a private origin"
    elif not mirror.limits.probe:
        why = "is not measured: its operator wants no requests that no install waits for"
    elif not lets_in:
        why = "is not asked: nobody knows a login for it"
    else:
        try:
            with foreign("a place at a mirror"):
                url = ecosystem.locate(artifact, mirror)
        except UnreadableError as error:
            why = f"is not asked: {error.message}"
        else:
            why = "" if url else "keeps other things than this file"
    return MeasuredSource(mirror.id, url or "", of_mirror(mirror), why, own=mirror.own)


async def measure(
    client: Client,
    source: MeasuredSource,
    artifact: Artifact,
    headers: Mapping[str, str],
    *,
    start: int = 0,
    most: int = MOST,
) -> Measured:
    """Read a part of the file at one source, from `start` on; never an error."""
    end = start + most if artifact.size is None else min(start + most, artifact.size)
    try:
        async with client.open_range(
            source.url,
            start,
            end,
            headers={"accept": artifact.accept, **headers},
            connect_timeout=CONNECT,
            first_byte_timeout=FIRST_BYTE,
            gap_timeout=READING,
            initiator=source.initiator,
        ) as stream:
            return await _read(source.source_id, stream, artifact, most)
    except UpstreamError as error:
        return _failed(source.source_id, error)


async def _read(source_id: str, stream: RangeStream, artifact: Artifact, most: int) -> Measured:
    if _other(artifact, stream.total):
        return Measured(source_id, fault=Fault.NOT_THE_FILE, message="a file of another size came")
    answered = time.perf_counter()
    async for _ in stream:
        if time.perf_counter() - answered >= READING or stream.received >= most:
            break
    if not stream.received:
        return Measured(source_id, fault=Fault.CUT, message=f"nothing came in {READING:g} s")
    # The connection's making is not the rate's business, one round trip is.
    seconds = time.perf_counter() - answered + stream.rtt
    return Measured(source_id, stream.received, seconds, stream.rtt)


def _failed(source_id: str, error: UpstreamError) -> Measured:
    return Measured(
        source_id, fault=error.fault, retry_after=error.retry_after, message=error.message
    )


def _other(artifact: Artifact, total: int | None) -> bool:
    return None not in (artifact.size, total) and artifact.size != total


async def measure_together(
    client: Client,
    sources: Sequence[MeasuredSource],
    artifact: Artifact,
    headers: Callable[[MeasuredSource], Mapping[str, str]],
) -> Measured:
    """Read from all sources at the same time, of each another part, as a transfer does."""
    size = artifact.size or MOST
    share = max(1, size // max(1, len(sources)))
    most = min(MOST, share)
    found = await asyncio.gather(
        *(
            measure(client, source, artifact, headers(source), start=number * share, most=most)
            for number, source in enumerate(sources)
        )
    )
    received = sum(each.received for each in found)
    # Who is done early would have taken more: what counts is what each brought while it read.
    rate = sum(each.rate or 0.0 for each in found)
    return Measured("together", received, received / rate if rate else 0.0)


async def find_layout(
    client: Client,
    url: str,
    layouts: Iterable[str],
    artifact: Artifact,
    ecosystem: Ecosystem,
) -> list[LayoutTried]:
    """Ask a mirror for a file in each way in which it may keep it; end with the first that fits.

    One request at a time, and none twice.
    """
    tried: dict[str, LayoutTried] = {}
    for layout in layouts:
        mirror = Mirror("new", artifact.ecosystem, url.rstrip("/"), layout, own=True)
        at = place(artifact, ecosystem, mirror, lets_in=True)
        if at.why_not or at.url in tried:
            continue
        tried[at.url] = await _try(client, at, layout, artifact)
        if tried[at.url].fits:
            break
    return list(tried.values())


async def _try(client: Client, at: MeasuredSource, layout: str, artifact: Artifact) -> LayoutTried:
    try:
        # Each byte in time is not the file in time.
        async with asyncio.timeout(WHOLE):
            return await _read_as(client, at, layout, artifact)
    except TimeoutError:
        why = f"was not done in {WHOLE:g} s"
        return LayoutTried(layout, at.url, fits=False, message=why)


async def _read_as(
    client: Client, at: MeasuredSource, layout: str, artifact: Artifact
) -> LayoutTried:
    whole = artifact.size is not None and artifact.size <= _TRIED
    end = artifact.size if whole else _TRIED if artifact.size is None else 65536
    hasher = artifact.digest.hasher() if artifact.digest and whole else None
    try:
        async with client.open_range(
            at.url,
            0,
            end,
            headers={"accept": artifact.accept},
            connect_timeout=CONNECT,
            first_byte_timeout=FIRST_BYTE,
            gap_timeout=READING,
            initiator=at.initiator,
        ) as stream:
            if _other(artifact, stream.total):
                return LayoutTried(layout, at.url, fits=False, message="a file of another size")
            async for data in stream:
                if hasher is None:
                    break
                hasher.update(data)
    except UpstreamError as error:
        return LayoutTried(layout, at.url, fits=False, message=error.message)
    if hasher is not None and not _agrees(hasher.hexdigest(), artifact.digest):
        return LayoutTried(layout, at.url, fits=False, message="other bytes than the origin's")
    return LayoutTried(layout, at.url, fits=True)


def _agrees(value: str, digest: Digest | None) -> bool:
    return digest is not None and value == digest.value


def at_origin(artifact: Artifact, initiator: Initiator) -> MeasuredSource:
    """Say where the origin has a file."""
    checked = replace(initiator, checked=artifact.digest is not None)
    why = "is not measured: it counts what it is asked for" if artifact.origin_counts else ""
    return MeasuredSource("origin", artifact.url, checked, why)
