"""Hands events to one `Transfer` when they happen, and its actions to who performs them.

The loop is short because the thinking is elsewhere: an event goes in, actions come out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from headrace.transfer import messages as m
from headrace.transfer.machine import Transfer

__all__ = ["TransferDriver"]

_log = logging.getLogger("headrace.transfer")


class TransferDriver:
    """Everything happens on the event loop's thread."""

    def __init__(
        self, name: str, perform: Callable[[m.Action], None], on_error: Callable[[], None]
    ) -> None:
        """`name` is for the log; `on_error` is called when the machine itself breaks."""
        self.transfer: Transfer | None = None
        self.perform = perform
        """Does one action. `Write` and `Compare` belong to a buffer: its request does them."""
        self._name = name
        self._on_error = on_error
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False

    def now(self) -> float:
        """Return the loop's time."""
        return self._loop.time()

    def start(self, transfer: Transfer) -> None:
        """Drive this one; the first event begins it."""
        self.transfer = transfer

    def stop(self) -> None:
        """Take no more events; no more ticks."""
        self._stopped = True
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def tell(self, event: m.Event) -> None:
        """Hand an event to the machine and do what it says."""
        if self.transfer is None or self._stopped:
            return
        try:
            for action in self.transfer.handle(event, self.now()):
                self.perform(action)
            due = self.transfer.next_wake(self.now())
        except Exception:  # noqa: BLE001
            # Our own mistake: end at once, so that the client is sent to the origin.
            _log.exception("%s: the transfer broke at %r", self._name, event)
            self._on_error()
            return
        if due is not None and self._timer is None and not self._stopped:
            self._timer = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.tell(m.Tick())

    def received(self, request: int, length: int) -> Sequence[m.Action]:
        """Return what the machine says about a buffer; the request that has it does that."""
        assert self.transfer is not None
        return self.transfer.handle(m.Received(request, length), self.now())

    def counts_on(self, start: int, end: int) -> bool:
        """Say whether the machine takes all of these bytes for received."""
        return self.transfer is not None and self.transfer.segments.held.covers(start, end)
