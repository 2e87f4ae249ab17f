"""A file streamed to one reader without the disk: the way on when the store cannot take it.

One source at a time, continued at the byte reached when it fails, origin last; the origin alone for
a reader that can take nothing back. In memory are the last 64 KiB alone, held back until the digest
over the whole agrees. What a reader has been given
from the spool before is hashed from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

from headrace.errors import IntegrityError, TransferError, UpstreamError
from headrace.models import Fault, Source
from headrace.transfer.machine import HOLD_BACK
from headrace.wording import counted

if TYPE_CHECKING:
    from headrace.download.task import DownloadTask
    from headrace.upstream.client import RangeStream

__all__ = ["stream_without_disk"]

_ROUNDS = 3
"""Times that each source is tried, while nobody gives more than a little."""
_PROGRESS = 64 << 10
"""Bytes after which a source that breaks off is as good as a new one."""
_WORTH_WAITING = 8.0
"""Seconds that a source is waited for that asked for them; one that asked for more is passed by."""


class _Version:
    """Which version of a file that cannot be checked its reader has a part of."""

    def __init__(self, task: DownloadTask, *, begun: bool) -> None:
        """`begun`: the reader was given bytes before, by the task's own requests."""
        self._begun = begun
        sources = task.transfer.sources.values() if task.transfer else ()
        self.named = next((s.validator for s in sources if s.source.is_origin), None)

    def take(self, task: DownloadTask, stream: RangeStream) -> None:
        """Let an answer's bytes follow; TransferError when nothing tells that they belong there."""
        found = stream.version(self.named)
        if self._begun and (found is None or found != self.named):
            message = f"{task.artifact.name}: nothing tells that the rest is of the same version"
            raise TransferError("changed", message, hint="try again")
        self._begun, self.named = True, found


async def stream_without_disk(
    task: DownloadTask,
    start: int,
    end: int,
    hasher: Any,
    *,
    begun: bool,
    origin_alone: bool = False,
) -> AsyncIterator[bytes]:
    """Give ``[start, end)``. `hasher` has seen ``[0, start)``; None: this cannot be checked, so
    the origin alone is asked, for one version of it, and nothing is held back. `origin_alone`: so
    is it for a reader that can take nothing back.
    """
    sources = [
        source
        for source in task.sources.values()
        if source.id not in task.accounting.corrupt_sources
        and (source.is_origin or not (hasher is None or origin_alone))
    ]
    sources.sort(key=lambda s: (s.is_origin and s.rate is None, -(s.rate or 0.0)))
    used: set[str] = set()
    tail = bytearray()
    version = None if hasher is not None else _Version(task, begun=begun)
    async for data in _continued(task, sources, (start, end), used, version):
        if hasher is None:
            yield data
            continue
        hasher.update(data)
        tail += data
        if len(tail) > HOLD_BACK:
            out = bytes(memoryview(tail)[:-HOLD_BACK])
            del tail[:-HOLD_BACK]
            yield out
    if hasher is None:
        return
    digest = task.artifact.digest
    if digest is None or hasher.hexdigest() != digest.value:
        for source_id in used:  # not all of them were wrong, but nobody can tell which
            task.accounting.count_fault(source_id, Fault.WRONG_BYTES, "the digest does not agree")
        task.delivery.generation += 1
        raise IntegrityError("wrong-bytes", f"{task.artifact.name} came with wrong bytes")
    await task.wait_confirmed()
    yield bytes(tail)


async def _continued(
    task: DownloadTask,
    sources: Sequence[Source],
    span: tuple[int, int],
    used: set[str],
    version: _Version | None,
) -> AsyncIterator[bytes]:
    """Give the bytes of `span`, from the next source wherever one fails.

    Nobody is asked again before the time that it named, nor at once when it refused.
    """
    position, end = span
    loop = asyncio.get_running_loop()
    due = dict.fromkeys((source.id for source in sources), 0.0)
    failed, turns = 0, cycle(sources)
    while failed < _ROUNDS * len(sources):
        source, begun = next(turns), position
        round_, failed = failed // len(sources), failed + 1
        wait = due[source.id] - loop.time()
        if wait > _WORTH_WAITING:
            continue
        await asyncio.sleep(max(0.0, wait))
        try:
            async for data in _bytes_of(task, source, position, end, version):
                position += len(data)
                used.add(source.id)
                yield data
        except UpstreamError as error:
            task.accounting.count_fault(source.id, error.fault, str(error), error.retry_after)
            if error.fault in (Fault.RATE_LIMITED, Fault.SERVER_ERROR):
                due[source.id] = loop.time() + max(error.retry_after or 0.0, 2.0**round_)
        if position >= end:
            return
        if position - begun >= _PROGRESS:
            failed = 0
    message = f"{task.artifact.name}: no source could give it from byte {position} on"
    raise TransferError("transfer-failed", message, hint="try again")


async def _bytes_of(
    task: DownloadTask, source: Source, start: int, end: int, version: _Version | None
) -> AsyncIterator[bytes]:
    patience = task.transfer.state.patience if task.transfer and source.is_origin else 0.0
    async with task.context.open_range(
        task.artifact,
        source,
        start,
        end,
        validator=version.named if version else None,
        connect_timeout=3.0,
        first_byte_timeout=max(6.0, patience),
    ) as stream:
        if version is not None:
            version.take(task, stream)
        size = task.size
        if size is not None and stream.total not in (None, size):
            total = counted(stream.total or 0, "byte")
            message = f"{source.id} gives {total} instead of {size}"
            raise UpstreamError(Fault.NOT_THE_FILE, message)
        position = stream.start
        async for data in stream:
            part = data[max(0, start - position) : max(0, end - position)]
            position += len(data)
            if part:
                yield part
            if position >= end:
                return
