"""One download under way: performs what `Transfer` decides and tells it what happened.

The loop is short because the thinking is elsewhere: an event goes in, actions come out, each
action is one method here or of the range requests.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from headrace.download.accounting import Accounting
from headrace.download.range_requests import SegmentRequests
from headrace.download.spool import TaskStorage
from headrace.errors import IntegrityError, TransferError
from headrace.models import Artifact, Source
from headrace.transfer import messages as m
from headrace.transfer.machine import HOLD_BACK, WHOLE_BELOW, Phase, Spec, Transfer
from headrace.transfer.range_set import RangeSet

if TYPE_CHECKING:
    from headrace.download.context import DownloadContext

__all__ = ["DownloadTask"]

_log = logging.getLogger("headrace.transfer")

#: Seconds in which late sources are asked for, and how often.
_LATE, _LATE_EVERY = 4.0, 0.4
#: Seconds after which a small file, too, goes out before it is whole: clients wait 15 s at most.
_LATE_SMALL = 7.0


class DownloadTask:
    """Drives one `Transfer`. Everything happens on the event loop's thread."""

    def __init__(
        self,
        artifact: Artifact,
        sources: Sequence[Source],
        around: DownloadContext,
        more: Callable[[], Sequence[Source]] | None = None,
    ) -> None:
        """Prepare; `start` begins."""
        self.artifact = artifact
        self.context = around
        self.sources = {source.id: source for source in sources}
        self.accounting = Accounting(artifact, self.sources, around.report, around.observe)
        self.transfer: Transfer | None = None
        self.storage = TaskStorage(
            artifact, around.store, spawn=self._spawn, on_diskless=self._lost_disk
        )
        self.failure: TransferError | None = None
        self.generation = 0
        """Counts the times that wrong bytes went out."""
        self.given = RangeSet()
        """What any reader was given."""
        self.spoilt: list[tuple[int, int]] = []
        """What proved wrong or worthless, in the order in which it was found."""
        self.confirmed = artifact.provisional is None
        self.answered = asyncio.Event()
        """Somebody gave a good answer, or nobody will."""
        self.over = asyncio.Event()
        self.left = asyncio.Event()
        """No reader is left."""
        self._more = more
        self._loop = asyncio.get_running_loop()
        self.requests = SegmentRequests(self)
        self._tasks: set[asyncio.Task[None]] = set()
        self._watchers: set[Callable[[], None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._confirming: asyncio.Task[None] | None = None
        self._begun = self.now()
        self._most = 1 << 30
        self._performers: dict[type, Callable[[Any], object]] = {
            m.Fetch: self.requests.fetch,
            m.Shrink: self.requests.shrink,
            m.Cancel: self.requests.cancel,
            m.Forget: self._forget,
            m.Verify: lambda _: self._spawn(self._verify()),
            m.SourceFault: lambda blame: self.accounting.count_fault(
                blame.source, blame.fault, blame.detail
            ),
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
        whole = size <= max(WHOLE_BELOW, self.artifact.verify_first_below) and not self._is_late()
        return 0 if whole else size - HOLD_BACK

    @property
    def age(self) -> float:
        """Seconds since it was begun."""
        return self.now() - self._begun

    def _is_late(self) -> bool:
        """Whether a small file takes so long that its reader would take us for dead.

        Then it is released as a large one is: without its end until the digest agrees.
        """
        return self.age > _LATE_SMALL

    @property
    def share(self) -> float:
        """How much of the file is here, 0 to 1."""
        return self.storage.share

    @property
    def suspicious(self) -> bool:
        """Whether the digest has not agreed before."""
        return self.transfer is not None and self.transfer.integrity.mismatches > 0

    def watch(self, call: Callable[[], None]) -> None:
        """Call when bytes came or something else changed for readers."""
        self._watchers.add(call)

    def unwatch(self, call: Callable[[], None]) -> None:
        """Stop calling."""
        self._watchers.discard(call)

    def want(self, offsets: tuple[int, ...]) -> None:
        """Tell where readers wait."""
        self.tell(m.ReadersAt(offsets))

    def limit(self, requests: int | None) -> None:
        """Allow so many requests at a time; None: as many as the machine likes."""
        self._most = 1 << 30 if requests is None else requests
        self.tell(m.Allowed(None, self._most))

    def _changed(self) -> None:
        for call in list(self._watchers):
            call()

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Open the partial file where the size is known, then begin."""
        self._begun = self.now()
        one, size = self.artifact, self.artifact.size
        if size is not None:
            await self.storage.prepare(size)
        held = self.storage.written
        spec = Spec(size, one.digest is not None, held, one.etag, one.verify_first_below)
        if not self.confirmed:
            self._confirming = self._spawn(self._confirm())
        self.transfer = Transfer(spec, list(self.sources.values()), self.now())
        if self.storage.diskless:
            self.answered.set()
            return
        if self._more is not None:
            self._spawn(self._ask_for_more(self._more))
        self.tell(m.Allowed(None, self._most))

    def stop(self) -> None:
        """Give up: nobody waits, and not enough is done to go on."""
        self._fail(TransferError("abandoned", f"{self.artifact.name}: all left"), loud=False)

    async def close(self) -> None:
        """Stop; what is held stays on the disk for a later run."""
        tasks = [*self._halt(), *self._tasks]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self.over.set()
        self.answered.set()
        # What nobody could make agree with the digest would only spoil the next run.
        spoilt = isinstance(self.failure, IntegrityError)
        await self.storage.close(discard=spoilt or self.artifact.digest is None)

    def _halt(self) -> list[asyncio.Task[None]]:
        """Stop the machine's hands: no request, no tick. Return what is still ending."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        return self.requests.cancel_all()

    def _fail(self, error: TransferError, *, loud: bool = True) -> None:
        if self.failure is not None:
            return
        _log.log(logging.WARNING if loud else logging.DEBUG, "%s", error)
        self.failure = error
        self._halt()
        self.answered.set()
        self.over.set()
        self._changed()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _ask_for_more(self, more: Callable[[], Sequence[Source]]) -> None:
        until = self.now() + _LATE
        while self.now() < until and not self.over.is_set():
            await asyncio.sleep(_LATE_EVERY)
            late = tuple(s for s in more() if s.id not in self.accounting.corrupt_sources)
            if late and not self.over.is_set():
                self.sources.update({s.id: s for s in late})
                self.tell(m.Joined(late))

    # ------------------------------------------------------------------ the origin's word

    async def _confirm(self) -> None:
        self.confirmed = await self.context.confirmed(self.artifact)
        if not self.confirmed:
            self._spoil(0, self.size or 0)
            what = f"the origin does not confirm {self.artifact.name}"
            self._fail(TransferError("not-confirmed", what, hint="try again; its page follows"))
        elif self.done:
            self._spawn(self._keep())
        self._changed()

    async def wait_confirmed(self) -> None:
        """Return once the origin's word is there; TransferError when it is not to be had."""
        if self._confirming is not None:
            await asyncio.shield(self._confirming)
        if not self.confirmed:
            raise self.failure or TransferError("not-confirmed", "the origin was not asked")

    # ------------------------------------------------------------------ what requests tell

    def now(self) -> float:
        """Return the loop's time."""
        return self._loop.time()

    async def opened(self, event: m.Opened) -> None:
        """Somebody gave a good answer: open the partial file if nobody has told the length yet."""
        if event.total is not None and await self.storage.prepare(event.total):
            self.tell(m.Resumed(self.storage.written))
        self.tell(event)
        self.answered.set()

    def received(self, request: int, length: int) -> Sequence[m.Action]:
        """Return what the machine says about a buffer; the request itself does it."""
        assert self.transfer is not None
        return self.transfer.handle(m.Received(request, length), self.now())

    def counts_on(self, start: int, end: int) -> bool:
        """Say whether the machine takes all of these bytes for received."""
        return self.transfer is not None and self.transfer.segments.held.covers(start, end)

    def wrote(self) -> None:
        """New bytes are in the spool."""
        self._changed()
        self.storage.hash_along()

    def _lost_disk(self) -> None:
        self._halt()
        self.answered.set()
        self._changed()

    # ------------------------------------------------------------------ events and actions

    def tell(self, event: m.Event) -> None:
        """Hand an event to the machine and do what it says."""
        if self.transfer is None or self.storage.diskless or self.failure:
            return
        try:
            for action in self.transfer.handle(event, self.now()):
                self.perform(action)
            due = self.transfer.next_wake(self.now())
        except Exception:  # noqa: BLE001
            # Our own mistake: end at once, so that the client is sent to the origin.
            _log.exception("%s: the transfer broke at %r", self.artifact.name, event)
            self._fail(TransferError("internal", f"{self.artifact.name}: internal error"))
            return
        if due is not None and self._timer is None and not self.storage.diskless:
            self._timer = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.tell(m.Tick())

    def perform(self, action: m.Action) -> None:
        """Do one action. `Write` and `Compare` belong to a buffer: its request does them."""
        self._performers[type(action)](action)

    def _forget(self, action: m.Forget) -> None:
        self._spoil(action.start, action.end)
        self.storage.forget(action.start, action.end)
        self._changed()

    def _spoil(self, start: int, end: int) -> None:
        """Remember worthless bytes; whoever was given some of them must not be given the rest."""
        self.spoilt.append((start, end))
        if any(self.given.within(start, end)):
            self.generation += 1
            self.given = RangeSet()  # what was given bears the old ETag

    def _give_up(self, action: m.Fail) -> None:
        kind = IntegrityError if action.integrity else TransferError
        if action.integrity:
            self._spoil(0, self.size or 0)
        _log.debug("%r", self.transfer)
        message = f"{self.artifact.name}: {action.reason}"
        self._fail(kind("transfer-failed", message, hint="a retry, or the origin, is the way on"))

    # ------------------------------------------------------------------ hashing and the end

    async def _verify(self) -> None:
        agrees = await self.storage.agrees()
        if agrees is not None:
            self.tell(m.Digested(agrees))

    def _finish(self) -> None:
        if self.confirmed:
            self._spawn(self._keep())
        self._changed()

    async def _keep(self) -> None:
        """Put the file in the store and tell about it. Readers are served meanwhile."""
        assert self.storage.spool is not None
        await self.storage.keep()
        self.accounting.finished(self.storage.spool.size, self.age)
        self.over.set()
        self._changed()
