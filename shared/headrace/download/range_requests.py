"""One request of a download on its way: from the connection to the last byte, and back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from headrace.errors import UpstreamError
from headrace.models import Fault, Source
from headrace.transfer import messages as m

if TYPE_CHECKING:
    from headrace.download.task import DownloadTask
    from headrace.upstream.client import RangeStream

__all__ = ["SegmentRequest"]

_log = logging.getLogger("headrace.transfer")

#: Bytes of an answer that are read to its end rather than its connection be lost.
_DRAIN = 64 << 10
#: Seconds between two looks at bytes that are being written, and how many looks.
_MOMENT = 0.005
_SETTLING = 1000


class SegmentRequest:
    """Performs one `Fetch` for a run and tells the machine how it goes."""

    def __init__(self, run: DownloadTask, fetch: m.Fetch, source: Source, host: str) -> None:
        """Begin at once; the connection to `host` is taken already and given back at the end."""
        self._run = run
        self._fetch = fetch
        self._source = source
        self._host = host
        self.wanted = True
        """False once the machine gave the request up."""
        self.stop = 1 << 62
        """What comes from this offset on is not needed."""
        self._received = 0
        self._closed = False
        self._writing = False
        """What was received is being put down: the machine counts on it, so it must get there."""
        run.accounting.began(source.id, run.now())
        self.task = asyncio.create_task(self._perform())
        # A task that is cancelled before its first step never gets to its `finally`.
        self.task.add_done_callback(lambda _: self._close())

    def cancel(self) -> None:
        """End it; the connection is closed."""
        self.wanted = False
        if self.task is not asyncio.current_task() and not self._writing:
            self.task.cancel()  # else it ends by itself

    async def _perform(self) -> None:
        run, request = self._run, self._fetch.request
        event: m.Event = m.Ended(request)
        try:
            await self._ask()
        except UpstreamError as error:
            event = m.Failed(request, error.fault, str(error), error.retry_after)
        except Exception:  # noqa: BLE001
            # A mistake of ours must look like a failed request, not like a silent source.
            _log.exception("%s: a request to %s broke", run.artifact.name, self._source.id)
            event = m.Failed(request, Fault.PROTOCOL, "internal error")
        finally:
            self._close()
        if self.wanted:
            if isinstance(event, m.Failed):
                run.accounting.count_fault(
                    self._source.id, event.fault, event.detail, event.retry_after
                )
            run.tell(event)

    def _close(self) -> None:
        """Give everything back, once."""
        if self._closed:
            return
        self._closed = True
        run = self._run
        run.requests.forget(self._fetch.request, self)
        run.accounting.ended(self._source.id, self._received, run.now())
        run.context.connections.give(self._host, self._source.id)

    async def _ask(self) -> None:
        run, fetch, source = self._run, self._fetch, self._source
        headers = dict(run.context.headers_for(run.artifact, source))
        if fetch.etag and fetch.start and not fetch.etag.startswith("W/"):
            headers["if-range"] = fetch.etag
        async with run.context.client.open_range(
            source.url,
            fetch.start,
            fetch.end,
            headers=headers,
            connect_timeout=fetch.connect_timeout,
            first_byte_timeout=fetch.first_byte_timeout,
        ) as stream:
            run.accounting.answered(source, stream.rtt)
            if stream.total is not None:
                await run.prepare(stream.total)
            run.tell(m.Opened(fetch.request, stream.total, stream.ranged, stream.etag))
            run.answered.set()
            if self.wanted:
                await self._flow(stream)

    async def _flow(self, stream: RangeStream) -> None:
        run, request = self._run, self._fetch.request
        transfer, now = run.transfer, run.now
        assert transfer is not None
        offset = stream.start
        async for data in stream:
            self._received += len(data)
            offset += len(data)
            self._writing = True
            try:
                await self._obey(transfer.handle(m.Received(request, len(data)), now()), data)
            finally:
                self._writing = False
            if not self.wanted:
                return
            if offset >= self.stop:
                await stream.drain(_DRAIN)
                return

    async def _obey(self, actions: Sequence[m.Action], data: bytes) -> None:
        """Do what the machine says about a buffer."""
        run, written = self._run, False
        for action in actions:
            if type(action) is m.Write:
                await run.storage.write(action.offset, memoryview(data)[action.low : action.high])
                written = True
            elif type(action) is m.Compare:
                await self._compare(action, data)
            else:
                run.perform(action)
        if written:
            run.wrote()

    async def _settled(self, start: int, end: int) -> None:
        """Wait for bytes that the machine counts on and that another request is still writing."""
        run = self._run
        assert run.transfer is not None
        assert run.storage.spool is not None
        for _ in range(_SETTLING):
            held = run.transfer.segments.held.covers(start, end)
            if not held or run.storage.spool.written.covers(start, end):
                return
            await asyncio.sleep(_MOMENT)

    async def _compare(self, action: m.Compare, data: bytes) -> None:
        run = self._run
        length = action.high - action.low
        given = data[action.low : action.high]
        await self._settled(action.offset, action.offset + length)
        kept = run.storage.read(action.offset, length)
        if kept is None:
            return
        differs: int | None = None
        if kept != given:
            pairs = enumerate(zip(kept, given, strict=False))
            differs = action.offset + next((i for i, (a, b) in pairs if a != b), 0)
        run.tell(m.Compared(action.request, action.offset, action.offset + length, differs))
