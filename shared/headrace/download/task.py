"""One download under way: performs what `Transfer` decides and tells it what happened.

`driver` leads events in and actions out; an action is done here or by the range requests, whose
bytes go to the `storage`. What readers see of it all is in `delivery`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from headrace.download.accounting import Accounting
from headrace.download.delivery import Delivery
from headrace.download.driver import TransferDriver
from headrace.download.range_requests import SegmentRequests
from headrace.download.spool import TaskStorage
from headrace.download.trickle import EarlyParts
from headrace.errors import IntegrityError, TransferError
from headrace.models import Artifact, Source
from headrace.transfer import messages as m
from headrace.transfer.machine import Phase, Spec, Transfer

if TYPE_CHECKING:
    from headrace.download.context import DownloadContext

__all__ = ["DownloadTask"]

_log = logging.getLogger("headrace.transfer")

#: Seconds in which late sources are asked for, and how often.
_LATE, _LATE_EVERY = 4.0, 0.4
_UNLIMITED = 1 << 30


class DownloadTask:
    """Drives one `Transfer`. Everything happens on the event loop's thread."""

    def __init__(
        self,
        artifact: Artifact,
        sources: Sequence[Source],
        context: DownloadContext,
        *,
        corrupt_sources: Iterable[str] = (),
        generation: int = 0,
    ) -> None:
        """Prepare; `start` begins.

        `corrupt_sources` and `generation` are what earlier tasks for the same file found out.
        """
        self.artifact = artifact
        self.context = context
        self.sources = {source.id: source for source in sources}
        self.accounting = Accounting(
            artifact, self.sources, context.report, context.observe, corrupt_sources
        )
        self.delivery = Delivery(generation)
        broke = TransferError("internal", f"{artifact.name}: internal error")
        self.driver = TransferDriver(artifact.name, self._perform, lambda: self._fail(broke))
        self.storage = TaskStorage(
            artifact, context.store, spawn=self._spawn, on_diskless=self._lost_disk
        )
        self.requests = SegmentRequests(self)
        self.parts = EarlyParts(self)
        """What may go out before the digest agrees."""
        self.failure: TransferError | None = None
        self.confirmed = artifact.provisional is None
        self.answered = asyncio.Event()
        """Somebody gave a good answer, or nobody will."""
        self.over = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._confirming: asyncio.Task[None] | None = None
        self._begun = self.driver.now()
        self._most = _UNLIMITED
        self._asks = True

    @property
    def transfer(self) -> Transfer | None:
        """The state machine, once this has started."""
        return self.driver.transfer

    @property
    def size(self) -> int | None:
        """The file's length, once it is sure enough to be told to a client."""
        return self.transfer.size if self.transfer else self.artifact.size

    @property
    def age(self) -> float:
        """Seconds since it was begun."""
        return self.driver.now() - self._begun

    # ------------------------------------------------------------------ life

    async def start(
        self,
        *,
        more: Callable[[], Sequence[Source]] | None = None,
        requests: int | None = None,
        patience: float = 0.0,
    ) -> None:
        """Open the partial file where the size is known, then begin.

        `more` is asked for sources that were found late. `requests` as for `limit`, `patience` as
        `Spec.patience`.
        """
        self._begun = self.driver.now()
        one, size = self.artifact, self.artifact.size
        if size is not None:
            await self.storage.prepare(size)
        held = self.storage.written
        spec = Spec(size, one.digest is not None, held, one.etag, one.verify_first_below, patience)
        if not self.confirmed:
            self._confirming = self._spawn(self._confirm())
        self.driver.start(Transfer(spec, list(self.sources.values()), self.driver.now()))
        if self.storage.diskless:
            self.answered.set()
            return
        if more is not None:
            self._spawn(self._ask_for_more(more))
        self.limit(requests)

    def limit(self, requests: int | None) -> None:
        """Allow so many requests at a time; None: as many as the machine likes."""
        self._most = _UNLIMITED if requests is None else requests
        self.ask(self._asks)

    def ask(self, anybody: bool) -> None:  # noqa: FBT001 - a verb and its object
        """Go on, or ask nobody until told otherwise; what was asked before still comes."""
        self._asks = anybody
        self.driver.tell(m.Allowed(None, self._most if anybody else 0))

    def stop(self) -> None:
        """Give up: nobody reads it. What is on the disk stays for a later task."""
        self._fail(TransferError("abandoned", f"{self.artifact.name}: all left"), loud=False)

    async def close(self) -> None:
        """Stop; what is held stays on the disk for a later task."""
        await self.parts.aclose()
        tasks = [*self._halt(), *self._tasks]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self.over.set()
        self.answered.set()
        # What nobody could make agree with the digest would only spoil the next task.
        spoilt = isinstance(self.failure, IntegrityError)
        await self.storage.close(discard=spoilt or self.artifact.digest is None)

    def _halt(self) -> list[asyncio.Task[None]]:
        """Stop the machine's hands: no request, no tick. Return what is still ending."""
        self.driver.stop()
        return self.requests.cancel_all()

    def _fail(self, error: TransferError, *, loud: bool = True) -> None:
        if self.failure is not None:
            return
        _log.log(logging.WARNING if loud else logging.DEBUG, "%s", error)
        self.failure = error
        self._halt()
        self.answered.set()
        self.over.set()
        self.delivery.changed()

    def _lost_disk(self) -> None:
        self._halt()
        self.answered.set()
        self.delivery.changed()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _ask_for_more(self, more: Callable[[], Sequence[Source]]) -> None:
        until = self.driver.now() + _LATE
        while self.driver.now() < until and not self.over.is_set():
            await asyncio.sleep(_LATE_EVERY)
            late = tuple(s for s in more() if s.id not in self.accounting.corrupt_sources)
            if late and not self.over.is_set():
                self.sources.update({s.id: s for s in late})
                self.driver.tell(m.Joined(late))

    # ------------------------------------------------------------------ the origin's word

    async def _confirm(self) -> None:
        self.confirmed = await self.context.confirmed(self.artifact)
        if not self.confirmed:
            self.delivery.spoil(0, self.size or 0)
            what = f"the origin does not confirm {self.artifact.name}"
            self._fail(TransferError("not-confirmed", what, hint="try again; its page follows"))
        elif self.transfer is not None and self.transfer.phase is Phase.DONE:
            self._spawn(self._keep())
        self.delivery.changed()

    async def wait_confirmed(self) -> None:
        """Return once the origin's word is there; TransferError when it is not to be had."""
        if self._confirming is not None:
            await asyncio.shield(self._confirming)
        if not self.confirmed:
            raise self.failure or TransferError("not-confirmed", "the origin was not asked")

    # ------------------------------------------------------------------ what requests tell

    async def opened(self, event: m.Opened) -> None:
        """Somebody gave a good answer: open the partial file if nobody has told the length yet."""
        if event.total is not None and await self.storage.prepare(event.total):
            self.driver.tell(m.Resumed(self.storage.written))
        self.driver.tell(event)
        self.answered.set()

    def wrote(self) -> None:
        """New bytes are in the spool."""
        self.delivery.changed()
        self.storage.hash_along()

    # ------------------------------------------------------------------ actions

    def _perform(self, action: m.Action) -> None:
        match action:
            case m.Fetch() | m.Shrink() | m.Cancel():
                self.requests.perform(action)
            case m.Forget(start, end):
                self.delivery.spoil(start, end)
                self.storage.forget(start, end)
                self.delivery.changed()
            case m.Resize():
                self.storage.begin_anew()
                self.delivery.changed()
            case m.SourceFault(source, fault, detail):
                self.accounting.count_fault(source, fault, detail)
            case m.Verify():
                self._spawn(self._verify())
            case m.Finish():
                if self.confirmed:
                    self._spawn(self._keep())
                self.delivery.changed()
            case m.Fail():
                self._give_up(action)
            case m.Write() | m.Compare():
                raise AssertionError(action)  # its request does it

    def _give_up(self, action: m.Fail) -> None:
        kind = IntegrityError if action.integrity else TransferError
        if action.integrity:
            self.delivery.spoil(0, self.size or 0)
        _log.debug("%r", self.transfer)
        message = f"{self.artifact.name}: {action.reason}"
        self._fail(kind("transfer-failed", message, hint="a retry, or the origin, is the way on"))

    async def _verify(self) -> None:
        agrees = await self.storage.agrees()
        if agrees is not None:
            self.driver.tell(m.Digested(agrees))

    async def _keep(self) -> None:
        """Put the file in the store and tell about it. Readers are served meanwhile."""
        assert self.storage.spool is not None
        await self.storage.keep()
        self.accounting.finished(self.storage.spool.size, self.age)
        self.over.set()
        self.delivery.changed()
