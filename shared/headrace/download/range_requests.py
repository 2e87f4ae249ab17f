"""The range requests of one download task: begun where a connection is free, ended when told.

A `SegmentRequest` performs one `Fetch`, from the connection to the last byte, and back. A buffer
that it receives is written where the machine says and is forgotten.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from headrace.download.connections import host_of
from headrace.errors import UpstreamError
from headrace.models import Artifact, Fault, Source
from headrace.transfer import messages as m

if TYPE_CHECKING:
    from headrace.download.accounting import Accounting
    from headrace.download.context import DownloadContext
    from headrace.download.driver import TransferDriver
    from headrace.download.spool import TaskStorage
    from headrace.upstream.client import RangeStream

__all__ = ["RequestOwner", "SegmentRequest", "SegmentRequests", "SourcesOwner"]

_log = logging.getLogger("headrace.transfer")

#: Bytes of an answer that are read to its end rather than its connection be lost.
_DRAIN = 64 << 10
#: Seconds for which a file that nobody brings waits for a connection to its origin. Then it has one
#: beside the limits: the client would have opened it itself, and must not take us for dead.
_WAITS = 1.0
#: Seconds between two looks at bytes that are being written, and how many looks.
_MOMENT = 0.005
_SETTLING = 1000


class SourcesOwner(Protocol):
    """What whoever asks sources needs of the download task that he works for."""

    @property
    def artifact(self) -> Artifact:
        """What is fetched."""

    @property
    def sources(self) -> Mapping[str, Source]:
        """Whom the machine may name, by id."""

    @property
    def context(self) -> DownloadContext:
        """The client and the connections."""

    @property
    def accounting(self) -> Accounting:
        """Whom to tell of requests, bytes and faults."""


class RequestOwner(SourcesOwner, Protocol):
    """What requests need beside that."""

    @property
    def driver(self) -> TransferDriver:
        """Whom to tell what happens."""

    @property
    def storage(self) -> TaskStorage:
        """Where bytes go."""

    async def opened(self, event: m.Opened) -> None:
        """Take an answer's header: from here on there is a spool to write to."""

    def wrote(self) -> None:
        """Take note of new bytes in the spool."""


class SegmentRequests:
    """Performs what the machine says about requests."""

    def __init__(self, owner: RequestOwner) -> None:
        """Work for this task."""
        self._owner = owner
        self._in_flight: dict[int, SegmentRequest] = {}
        self._waiting: asyncio.TimerHandle | None = None
        self._waited = False
        """Its origin has been waited for, and nobody else brings anything."""

    def perform(self, action: m.Fetch | m.Shrink | m.Cancel) -> None:
        """Do what the machine says about a request."""
        match action:
            case m.Fetch():
                self._fetch(action)
            case m.Shrink(number, end):
                if request := self._in_flight.get(number):
                    request.stop = end
            case m.Cancel(number):
                if request := self._in_flight.pop(number, None):
                    request.cancel()

    def _fetch(self, fetch: m.Fetch) -> None:
        """Start a request, or tell the machine that no connection is free for it."""
        owner = self._owner
        source = owner.sources[fetch.source]
        host = host_of(source.url)
        connections = owner.context.connections
        taken = connections.take(host, fetch.connections, source.id)
        if not taken and source.is_origin and self._waited and not self._in_flight:
            taken = connections.take_beside(host, source.id)
        if taken:
            self._waited = False
            request = SegmentRequest(owner, fetch, source, host, self._ended)
            self._in_flight[fetch.request] = request
        else:
            asyncio.get_running_loop().call_soon(self._denied, fetch, source, host)

    def _denied(self, fetch: m.Fetch, source: Source, host: str) -> None:
        owner = self._owner

        def wake() -> None:
            owner.driver.tell(m.Freed(source.id))

        owner.driver.tell(m.Denied(fetch.request))
        if owner.context.connections.free(host, fetch.connections):
            wake()
        else:
            owner.context.connections.wait(host, fetch.connections, self, wake)
            if source.is_origin and self._waiting is None:
                loop = asyncio.get_running_loop()
                self._waiting = loop.call_later(_WAITS, self._has_waited, wake)

    def _has_waited(self, wake: Callable[[], None]) -> None:
        self._waiting, self._waited = None, not self._in_flight
        wake()

    def cancel_all(self) -> list[asyncio.Task[None]]:
        """End every request, wait for no connection; return the tasks that are ending."""
        self._owner.context.connections.leave(self)
        if self._waiting is not None:
            self._waiting.cancel()
        ending = list(self._in_flight.values())
        for request in ending:
            request.cancel()
        return [request.performing for request in ending]

    def _ended(self, request: SegmentRequest) -> None:
        if self._in_flight.get(request.number) is request:
            del self._in_flight[request.number]


class SegmentRequest:
    """Performs one `Fetch` and tells the machine how it goes."""

    def __init__(
        self,
        owner: RequestOwner,
        fetch: m.Fetch,
        source: Source,
        host: str,
        on_end: Callable[[SegmentRequest], None],
    ) -> None:
        """Begin at once; the connection to `host` is taken already and given back at the end."""
        self.number = fetch.request
        self.stop = 1 << 62
        """What comes from this offset on is not needed."""
        self._owner = owner
        self._fetch = fetch
        self._source = source
        self._host = host
        self._on_end = on_end
        self._cancelled = False
        """The machine gave it up."""
        self._received = 0
        self._closed = False
        self._writing = False
        """What was received is being put down: the machine counts on it, so it must get there."""
        owner.accounting.began(source.id, owner.driver.now())
        self.performing = asyncio.create_task(self._perform())
        # A task that is cancelled before its first step never gets to its `finally`.
        self.performing.add_done_callback(lambda _: self._close())

    def cancel(self) -> None:
        """End it; the connection is closed."""
        self._cancelled = True
        if self.performing is not asyncio.current_task() and not self._writing:
            self.performing.cancel()  # else it ends by itself

    async def _perform(self) -> None:
        owner = self._owner
        event: m.Event = m.Ended(self.number)
        try:
            await self._ask()
        except UpstreamError as error:
            event = m.Failed(self.number, error.fault, str(error), error.retry_after)
            if self._source.is_origin:
                owner.accounting.origin_said(error)
        except Exception:  # noqa: BLE001
            # A mistake of ours must look like a failed request, not like a silent source.
            _log.exception("%s: a request to %s broke", owner.artifact.name, self._source.id)
            event = m.Failed(self.number, Fault.PROTOCOL, "internal error")
        finally:
            self._close()
        if not self._cancelled:
            if isinstance(event, m.Failed):
                owner.accounting.count_fault(
                    self._source.id,
                    event.fault,
                    event.detail,
                    event.retry_after,
                    self._fetch.start + self._received,
                )
            owner.driver.tell(event)

    def _close(self) -> None:
        """Give everything back, once."""
        if self._closed:
            return
        self._closed = True
        owner = self._owner
        self._on_end(self)
        now = owner.driver.now()
        owner.accounting.ended(self._source.id, self._fetch.start, self._received, now)
        owner.context.connections.give(self._host, self._source.id)

    async def _ask(self) -> None:
        owner, fetch, source = self._owner, self._fetch, self._source
        async with owner.context.open_range(
            owner.artifact,
            source,
            fetch.start,
            fetch.end,
            validator=fetch.validator,
            connect_timeout=fetch.connect_timeout,
            first_byte_timeout=fetch.first_byte_timeout,
        ) as stream:
            owner.accounting.answered(source, stream.rtt)
            if source.is_origin:
                owner.accounting.origin_said(None)
            version = stream.version(fetch.validator)
            opened = m.Opened(self.number, stream.total, stream.ranged, version, stream.rtt)
            await owner.opened(opened)
            if not self._cancelled:
                await self._receive(stream)

    async def _receive(self, stream: RangeStream) -> None:
        offset = stream.start
        stream.lent = True
        async for data in stream:
            self._received += len(data)
            offset += len(data)
            self._writing = True
            try:
                await self._obey(self._owner.driver.received(self.number, len(data)), data)
            finally:
                self._writing = False
            if self._cancelled:
                return
            if offset >= self.stop:
                await stream.drain(_DRAIN)
                return

    async def _obey(self, actions: Sequence[m.Action], data: bytes) -> None:
        """Do what the machine says about a buffer."""
        owner, written = self._owner, False
        for action in actions:
            if type(action) is m.Write:
                part = memoryview(data)[action.low : action.high]
                await owner.storage.write(action.offset, part)
                written = True
            elif type(action) is m.Compare:
                await self._compare(action, data)
            else:
                owner.driver.perform(action)
        if written:
            owner.wrote()

    async def _settled(self, start: int, end: int) -> None:
        """Wait for bytes that the machine counts on and that another request is still writing."""
        owner = self._owner
        for _ in range(_SETTLING):
            if not owner.driver.counts_on(start, end) or owner.storage.covers(start, end):
                return
            await asyncio.sleep(_MOMENT)

    async def _compare(self, action: m.Compare, data: bytes) -> None:
        owner = self._owner
        length = action.high - action.low
        given = data[action.low : action.high]
        await self._settled(action.offset, action.offset + length)
        kept = owner.storage.read(action.offset, length)
        if kept is None:
            return
        differs: int | None = None
        if kept != given:
            pairs = enumerate(zip(kept, given, strict=False))
            differs = action.offset + next((i for i, (a, b) in pairs if a != b), 0)
        owner.driver.tell(
            m.Compared(action.request, action.offset, action.offset + length, differs)
        )
