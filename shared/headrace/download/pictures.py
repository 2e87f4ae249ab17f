"""A download as a picture: which source gave which part of the file, and who is giving which now.

Made when somebody looks, of what the transfer knows anyhow; nothing is kept for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from headrace.download.readers import TaskReaders
from headrace.transfer.range_set import RangeSet
from headrace.values import dataclass

__all__ = ["DownloadPicture", "Flow", "Part", "picture_of"]

#: Parts of a picture: a screen has few more dots, and the parts of a file are counted in thousands.
_PARTS = 240


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes that are here."""

    start: int
    end: int
    source: str


@dataclass(frozen=True, slots=True)
class Flow:
    """A request that is being answered, or waits for its answer."""

    source: str
    start: int
    at: int
    """Offset of its next byte."""
    end: int
    rate: float | None
    """Bytes per second, of this request alone; None: not a byte yet."""


@dataclass(frozen=True, slots=True)
class DownloadPicture:
    """How a download stands at this moment."""

    key: str
    """Tells this download from every other of the process."""
    name: str
    ecosystem: str
    tools: tuple[str, ...]
    """Who waits for it, as they call themselves."""
    size: int | None
    here: int
    seconds: float
    rate: float
    """Bytes per second, of all requests."""
    held_back: bool
    """Its client gets it when the digest agrees."""
    given: tuple[tuple[str, int], ...]
    """Bytes by source, as they lie there now."""
    parts: tuple[Part, ...]
    flows: tuple[Flow, ...]


def picture_of(readers: TaskReaders) -> DownloadPicture:
    """Take the picture of one download."""
    task, transfer = readers.task, readers.task.transfer
    progress = readers.progress()
    provenance = transfer.state.provenance if transfer else {}
    size = progress.size or 0
    now = task.driver.now()
    segments = transfer.segments.in_flight.values() if transfer else ()
    flows = tuple(
        Flow(each.source, each.start, each.position, min(each.end, size), each.rate(now))
        for each in segments
        if not each.check and size
    )
    return DownloadPicture(
        key=readers.version,
        name=progress.name,
        ecosystem=task.artifact.ecosystem,
        tools=readers.tools,
        size=progress.size,
        here=progress.here,
        seconds=progress.seconds,
        rate=sum(each.rate or 0.0 for each in flows),
        held_back=progress.held_back,
        given=tuple(progress.given.items()),
        parts=tuple(_parts(provenance.items(), size)),
        flows=flows,
    )


def _parts(provenance: Iterable[tuple[str, RangeSet]], size: int) -> Iterator[Part]:
    """Give the parts of a file in order; those that nobody could tell apart are one."""
    every = sorted((start, end, source) for source, runs in list(provenance) for start, end in runs)
    grain = size // _PARTS
    open_: Part | None = None
    for start, end, source in every:
        if open_ is not None and (
            (source == open_.source and start - open_.end <= grain) or end - open_.start <= grain
        ):
            larger = open_.source if open_.end - open_.start >= end - start else source
            open_ = Part(open_.start, max(end, open_.end), larger)
            continue
        if open_ is not None:
            yield open_
        open_ = Part(start, end, source)
    if open_ is not None:
        yield open_
