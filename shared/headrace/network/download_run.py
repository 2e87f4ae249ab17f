"""One download under way: performs what `Transfer` decides and tells it what happened.

The loop is short because the thinking is elsewhere: an event goes in, actions come out, each action
is one method here. A request is a task; a buffer that it receives is written where the machine says
and is forgotten.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace.errors import IntegrityError, StoreError, TransferError, UpstreamError
from headrace.models import Artifact, Fault, Source, SourceFailed, TransferFinished
from headrace.network.download_limits import Connections, host_of
from headrace.network.download_spool import Memory, Spool
from headrace.transfer import messages as m
from headrace.transfer.machine import HOLD_BACK, WHOLE_BELOW, Phase, Spec, Transfer

if TYPE_CHECKING:
    from headrace.network.client import Client, RangeStream
    from headrace.system.store import Store, StoredFile

__all__ = ["Run", "Surroundings"]

_log = logging.getLogger("headrace.transfer")

#: Bytes of an answer that are read to its end rather than its connection be lost.
_DRAIN = 64 << 10
#: Bytes at the front that are worth a call to the hashing thread.
_WORTH_HASHING = 1 << 20
#: Seconds in which late sources are asked for, and how often.
_LATE, _LATE_EVERY = 4.0, 0.4
#: Seconds after which a small file is released as a large one is; less than any client waits.
_LATE_SMALL = 7.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every download of a process shares."""

    client: Client
    store: Store
    connections: Connections
    report: Callable[..., None]
    observe: Callable[[SourceFailed | TransferFinished], None]
    confirm: Callable[[Artifact], Awaitable[bool]] | None
    headers_for: Callable[[Artifact, Source], Mapping[str, str]]


@dataclass(slots=True)
class _Pull:
    """One request on its way."""

    fetch: m.Fetch
    host: str
    task: asyncio.Task[None] | None = None
    stop: int = 1 << 62
    got: int = 0


class Run:
    """Drives one `Transfer`. Everything happens on the event loop's thread."""

    def __init__(
        self,
        artifact: Artifact,
        sources: Sequence[Source],
        around: Surroundings,
        more: Callable[[], Sequence[Source]] | None = None,
    ) -> None:
        """Prepare; `start` begins."""
        self.artifact = artifact
        self.spool: Spool | None = None
        self.stored: StoredFile | None = None
        self.failure: TransferError | None = None
        self.diskless = False
        """The disk cannot take the file: each reader streams for itself."""
        self.generation = 0
        """Counts the times that wrong bytes may have gone out."""
        self.confirmed = artifact.provisional is None
        self.distrusted: set[str] = set()
        self.answered = asyncio.Event()
        """Somebody gave a good answer, or nobody will."""
        self.over = asyncio.Event()
        self.left = asyncio.Event()
        """No reader is left."""
        self.sources = {source.id: source for source in sources}
        self.transfer: Transfer | None = None
        self._around = around
        self._more = more
        self._loop = asyncio.get_running_loop()
        self._pulls: dict[int, _Pull] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._watchers: set[Callable[[], None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._confirming: asyncio.Task[None] | None = None
        self._hashing = False
        self._verifying = False
        self._begun = self._loop.time()
        self._bytes: Counter[str] = Counter()
        self._busy: dict[str, list[float]] = {}
        self._faults: Counter[str] = Counter()
        self._most = 1 << 30
        self._sizing = asyncio.Lock()
        self._performers: dict[type, Callable[[Any], object]] = {
            m.Fetch: self._fetch,
            m.Shrink: self._shrink,
            m.Cancel: lambda action: self._cancel(action.request),
            m.Forget: self._forget,
            m.Verify: lambda _: self._spawn(self._verify()),
            m.Restart: self._restart,
            m.Blame: lambda action: self.blame(action.source, action.fault, action.detail),
            m.Finish: lambda _: self._finish(),
            m.Fail: self._give_up,
        }

    # ------------------------------------------------------------------ what readers see

    @property
    def size(self) -> int | None:
        """The file's length, once it is sure enough to be told to a client."""
        return self.transfer.size if self.transfer else self.artifact.size

    @property
    def done(self) -> bool:
        """Whole, right and confirmed."""
        return self.transfer is not None and self.transfer.phase is Phase.DONE and self.confirmed

    @property
    def horizon(self) -> int:
        """Offset below which what is held may be given to readers."""
        if self.transfer is None or self.failure:
            return 0
        size = self.size or 0
        if self._is_late() and self.transfer.phase in (Phase.FETCHING, Phase.VERIFYING):
            return max(self.transfer.horizon, size - HOLD_BACK)
        if self.transfer.phase is not Phase.DONE or self.confirmed:
            return self.transfer.horizon
        return 0 if size <= WHOLE_BELOW and not self._is_late() else size - HOLD_BACK

    @property
    def age(self) -> float:
        """Seconds since it was begun."""
        return self._loop.time() - self._begun

    def _is_late(self) -> bool:
        """Whether a small file takes so long that its reader would take us for dead.

        Then it is released as a large one is: without its end until the digest agrees.
        """
        return self.age > _LATE_SMALL

    @property
    def share_done(self) -> float:
        """How much of the file is here, 0 to 1."""
        if self.spool is None or not self.spool.size:
            return 0.0
        return self.spool.written.total / self.spool.size

    def watch(self, call: Callable[[], None]) -> None:
        """Call when bytes came or something else changed for readers."""
        self._watchers.add(call)

    def unwatch(self, call: Callable[[], None]) -> None:
        """Stop calling."""
        self._watchers.discard(call)

    def want(self, offsets: tuple[int, ...]) -> None:
        """Tell where readers wait."""
        self._tell(m.Wanted(offsets))

    def limit(self, requests: int | None) -> None:
        """Allow so many requests at a time; None: as many as the machine likes."""
        self._most = 1 << 30 if requests is None else requests
        self._tell(m.Allowed(None, self._most))

    def _changed(self) -> None:
        for call in list(self._watchers):
            call()

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Open the partial file where the size is known, then begin."""
        size = self.artifact.size
        if size is not None:
            await self._open_spool(size)
        held = tuple(self.spool.written) if self.spool else ()
        spec = Spec(size, self.artifact.digest is not None, held)
        self._begun = self._loop.time()
        if not self.confirmed:
            self._confirming = self._spawn(self._confirm())
        self.transfer = Transfer(spec, list(self.sources.values()), self._begun)
        if self.diskless:
            self.answered.set()
            return
        if self._more is not None:
            self._spawn(self._ask_for_more(self._more))
        self._tell(m.Allowed(None, self._most))

    async def _open_spool(self, size: int) -> None:
        digest = self.artifact.digest
        key = str(digest) if digest else f"url:{self.artifact.url}"
        try:
            partial = await asyncio.to_thread(self._around.store.partial, key, size)
            if digest is None:  # a resumed file cannot be checked against anything
                for low, high in partial.have:
                    partial.forget(low, high)
            self.spool = Spool(partial, size, digest)
        except StoreError as error:
            _log.warning("%s: %s", self.artifact.name, error)
            self._without_disk(size)

    def _without_disk(self, size: int) -> None:
        """Go on in memory where that is small, else leave each reader to a stream of its own."""
        old = self.spool
        if size > WHOLE_BELOW:
            self.diskless = True
            for request in list(self._pulls):
                self._cancel(request)
            if self._timer:
                self._timer.cancel()
            self.answered.set()
            self._changed()
            return
        memory = Memory(size)
        self.spool = Spool(memory, size, self.artifact.digest)
        if old is not None:
            for low, high in old.written:
                memory.write(low, old.file.read(low, high - low))
                self.spool.written.add(low, high)
            close = getattr(old.file, "discard", None)
            if close:
                close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _ask_for_more(self, more: Callable[[], Sequence[Source]]) -> None:
        until = self._loop.time() + _LATE
        while self._loop.time() < until and not self.over.is_set():
            await asyncio.sleep(_LATE_EVERY)
            late = tuple(more())
            if late and not self.over.is_set():
                self.sources.update({s.id: s for s in late})
                self._tell(m.Joined(late))

    async def _confirm(self) -> None:
        confirm = self._around.confirm
        try:
            agreed = confirm is not None and await confirm(self.artifact)
        except Exception:  # noqa: BLE001
            _log.exception("%s: asking for the origin's word failed", self.artifact.name)
            agreed = False
        self.confirmed = agreed
        if not agreed:
            message = f"the origin does not confirm {self.artifact.name}"
            self._fail(TransferError("not-confirmed", message, hint="try again; its page follows"))
        elif self.done:
            self._spawn(self._keep())
        self._changed()

    async def wait_confirmed(self) -> None:
        """Return once the origin's word is there; TransferError when it is not to be had."""
        if self._confirming is not None:
            await asyncio.shield(self._confirming)
        if not self.confirmed:
            raise self.failure or TransferError("not-confirmed", "the origin was not asked")

    def stop(self) -> None:
        """Give up: nobody waits, and not enough is done to go on."""
        message = f"{self.artifact.name}: the last reader left"
        self._fail(TransferError("abandoned", message), loud=False)

    async def close(self) -> None:
        """Stop; what is held stays on the disk for a later run."""
        if self._timer:
            self._timer.cancel()
        self._around.connections.leave(self)
        tasks = [*self._tasks, *(p.task for p in self._pulls.values() if p.task)]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self.over.set()
        self.answered.set()
        if self.spool is not None:
            # What nobody could make agree with the digest would only spoil the next run.
            keep = self.artifact.digest and not isinstance(self.failure, IntegrityError)
            end = getattr(self.spool.file, "close" if keep else "discard", None)
            if end is not None:
                await asyncio.to_thread(end)

    # ------------------------------------------------------------------ events and actions

    def _tell(self, event: m.Event) -> None:
        if self.transfer is None or self.diskless or self.failure:
            return
        try:
            for action in self.transfer.handle(event, self._loop.time()):
                self._perform(action)
            self._arm()
        except Exception:  # noqa: BLE001
            # Our own mistake: end at once, so that the client is sent to the origin.
            _log.exception("%s: the transfer broke at %r", self.artifact.name, event)
            self._fail(TransferError("internal", f"{self.artifact.name}: internal error"))

    def _arm(self) -> None:
        assert self.transfer is not None
        due = self.transfer.next_wake(self._loop.time())
        if due is None:
            if self._timer:
                self._timer.cancel()
                self._timer = None
        elif self._timer is None:
            self._timer = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._tell(m.Tick())

    def _perform(self, action: m.Action) -> None:
        """Do one action. `Write` and `Compare` belong to a buffer; `_flow` does them."""
        self._performers[type(action)](action)

    def _shrink(self, action: m.Shrink) -> None:
        if pull := self._pulls.get(action.request):
            pull.stop = action.end

    def _forget(self, action: m.Forget) -> None:
        assert self.spool is not None
        with contextlib.suppress(StoreError):
            self.spool.forget(action.start, action.end)

    def _restart(self, _: m.Restart) -> None:
        self.generation += 1
        self._changed()

    def _give_up(self, action: m.Fail) -> None:
        kind = IntegrityError if action.integrity else TransferError
        message = f"{self.artifact.name}: {action.reason}"
        hint = "the client's own retry, or the origin directly, is the way on"
        self._fail(kind("transfer-failed", message, hint=hint))

    def _cancel(self, request: int) -> None:
        pull = self._pulls.pop(request, None)
        if pull and pull.task and pull.task is not asyncio.current_task():
            pull.task.cancel()

    # ------------------------------------------------------------------ one request

    def _fetch(self, fetch: m.Fetch) -> None:
        source = self.sources[fetch.source]
        host = host_of(source.url)
        connections = self._around.connections
        if not connections.take(host, source.connections):
            self._loop.call_soon(self._denied, fetch, source, host)
            return
        pull = self._pulls[fetch.request] = _Pull(fetch, host)
        pull.task = asyncio.ensure_future(self._pull(pull, source))

    def _denied(self, fetch: m.Fetch, source: Source, host: str) -> None:
        def wake() -> None:
            self._tell(m.Freed(source.id))

        self._tell(m.Denied(fetch.request))
        if self._around.connections.free(host, source.connections):
            wake()
        else:
            self._around.connections.wait(host, source.connections, self, wake)

    async def _pull(self, pull: _Pull, source: Source) -> None:
        fetch = pull.fetch
        busy = self._busy.setdefault(source.id, [0.0, 0.0, 0.0])
        self._enter(busy)
        event: m.Event = m.Ended(fetch.request)
        try:
            headers = dict(self._around.headers_for(self.artifact, source))
            if fetch.etag and fetch.start and not fetch.etag.startswith("W/"):
                headers["if-range"] = fetch.etag
            async with self._around.client.open_range(
                source.url,
                fetch.start,
                fetch.end,
                headers=headers,
                connect_timeout=fetch.connect_timeout,
                first_byte_timeout=fetch.first_byte_timeout,
            ) as stream:
                self._report(source, rtt=stream.rtt)
                await self._opened(pull, stream)
                if fetch.request in self._pulls:
                    await self._flow(pull, stream)
        except UpstreamError as error:
            event = m.Failed(fetch.request, error.fault, str(error), error.retry_after)
        except StoreError as error:
            _log.warning("%s goes on without the disk: %s", self.artifact.name, error)
            self._without_disk(self.size or 0)
            event = m.Failed(fetch.request, Fault.CUT, "the disk was lost")
        except Exception:  # noqa: BLE001
            # A mistake of ours must look like a failed request, not like a silent source.
            _log.exception("%s: a request to %s broke", self.artifact.name, source.id)
            event = m.Failed(fetch.request, Fault.PROTOCOL, "internal error")
        finally:
            self._leave(busy)
            alive = self._pulls.pop(fetch.request, None) is not None
            self._bytes[source.id] += pull.got
            self._around.connections.give(pull.host)
        if alive and isinstance(event, m.Failed):
            self.blame(source.id, event.fault, event.detail, event.retry_after)
        self._tell(event)

    async def _opened(self, pull: _Pull, stream: RangeStream) -> None:
        if stream.total is not None and self.spool is None:
            async with self._sizing:
                if self.spool is None:
                    await self._open_spool(stream.total)
                    if self.spool is not None:
                        self._tell(m.Resumed(tuple(self.spool.written)))
        etag = stream.etag
        self._tell(m.Opened(pull.fetch.request, stream.total, stream.ranged, etag))
        self.answered.set()

    async def _flow(self, pull: _Pull, stream: RangeStream) -> None:
        request = pull.fetch.request
        offset = stream.start
        transfer, loop = self.transfer, self._loop
        assert transfer is not None
        async for data in stream:
            pull.got += len(data)
            offset += len(data)
            written = False
            for action in transfer.handle(m.Received(request, len(data)), loop.time()):
                if type(action) is m.Write:
                    assert self.spool is not None
                    view = memoryview(data)[action.low : action.high]
                    await self.spool.write(action.offset, view)
                    written = True
                elif type(action) is m.Compare:
                    await self._compare(action, data)
                else:
                    self._perform(action)
            if written:
                self._wrote()
            if request not in self._pulls or self.diskless:
                return
            if offset >= pull.stop:
                await stream.drain(_DRAIN)
                return

    async def _compare(self, action: m.Compare, data: bytes) -> None:
        assert self.spool is not None
        length = action.high - action.low
        kept = self.spool.file.read(action.offset, length)
        given = data[action.low : action.high]
        differs: int | None = None
        if kept != given:
            pairs = enumerate(zip(kept, given, strict=False))
            differs = action.offset + next((i for i, (a, b) in pairs if a != b), 0)
        self._tell(m.Compared(action.request, action.offset, action.offset + length, differs))

    # ------------------------------------------------------------------ hashing and the end

    def _wrote(self) -> None:
        self._changed()
        if not self._hashing and self.spool and self.spool.unhashed() >= _WORTH_HASHING:
            self._hashing = True
            self._spawn(self._hash_along())

    async def _hash_along(self) -> None:
        try:
            while self.spool and self.spool.unhashed() >= _WORTH_HASHING and not self._verifying:
                await self.spool.hash_some()
        except StoreError as error:
            _log.warning("%s: %s", self.artifact.name, error)
        finally:
            self._hashing = False

    async def _verify(self) -> None:
        assert self.spool is not None
        self._verifying = True
        try:
            # The last buffers may still be on their way through the writing thread.
            while self._hashing or self.spool.written.total < self.spool.size:
                await asyncio.sleep(0.001)
            agrees = await self.spool.agrees()
        except StoreError as error:
            _log.warning("%s goes on without the disk: %s", self.artifact.name, error)
            self._without_disk(self.spool.size)
            return
        finally:
            self._verifying = False
        if not agrees:
            _log.warning("%s: the digest does not agree; looking for the liar", self.artifact.name)
        self._tell(m.Digested(agrees))

    def _finish(self) -> None:
        if self.confirmed:
            self._spawn(self._keep())
        self._changed()

    async def _keep(self) -> None:
        """Put the file in the store and tell about it. Readers are served meanwhile."""
        digest, spool = self.artifact.digest, self.spool
        assert spool is not None
        if digest is not None and not isinstance(spool.file, Memory):
            try:
                self.stored = await asyncio.to_thread(
                    self._around.store.commit,
                    spool.file,  # type: ignore[arg-type]
                    digest,
                )
            except StoreError as error:
                _log.warning("%s was not kept: %s", self.artifact.name, error)
        seconds = self._loop.time() - self._begun
        for source_id, (total, _, _) in self._busy.items():
            source = self.sources[source_id]
            if self._bytes[source_id] and total > 0:
                self._report(source, bytes=self._bytes[source_id], seconds=total)
        self._around.observe(
            TransferFinished(
                self.artifact, spool.size, seconds, dict(self._bytes), dict(self._faults)
            )
        )
        self.over.set()
        self._changed()

    def _fail(self, error: TransferError, *, loud: bool = True) -> None:
        if self.failure is not None:
            return
        _log.log(logging.WARNING if loud else logging.DEBUG, "%s", error)
        self.failure = error
        for request in list(self._pulls):
            self._cancel(request)
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._around.connections.leave(self)
        self.answered.set()
        self.over.set()
        self._changed()

    # ------------------------------------------------------------------ telling others

    def _enter(self, busy: list[float]) -> None:
        """Count the time in which a source worked at all: total, begun at, requests."""
        if not busy[2]:
            busy[1] = self._loop.time()
        busy[2] += 1

    def _leave(self, busy: list[float]) -> None:
        busy[2] -= 1
        if not busy[2]:
            busy[0] += self._loop.time() - busy[1]

    def blame(
        self, source_id: str, fault: Fault, detail: str, retry_after: float | None = None
    ) -> None:
        """Tell statistics, plugins and the log about a failure."""
        _log.info("%s: %s: %s %s", self.artifact.name, source_id, fault.value, detail)
        self._faults[f"{source_id}:{fault.value}"] += 1
        if fault is Fault.WRONG_BYTES:
            self.distrusted.add(source_id)
        self._around.observe(SourceFailed(self.artifact, source_id, fault, detail))
        if source := self.sources.get(source_id):
            self._report(source, fault=fault, retry_after=retry_after)

    def _report(self, source: Source, **observation: object) -> None:
        self._around.report(source.id, self.artifact.object_class, **observation)
