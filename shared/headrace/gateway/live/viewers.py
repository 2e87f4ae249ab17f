"""Whoever looks at the live page, and what each is sent: one clock for all of them.

While nobody looks there is no task, no clock, and nothing is made. While somebody does, once a
second, what has changed is made once and sent to all who may see it, as server-sent events (WHATWG
HTML, section 9.2). A browser that does not read is sent less, not more: it has one place to wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from headrace.gateway.exchange import ClientDisconnect, Exchange
from headrace.gateway.live import snapshot
from headrace.gateway.peers import Sight
from headrace.gateway.wiring import Components

__all__ = ["MOST", "Viewers", "encode"]

MOST = 16
"""Who may look at a time: tabs, not users. Of each sight."""
#: Seconds between two pictures, and in how many pictures what changes slowly is looked at again.
_BEAT = 1.0
_SLOW = 5
#: Seconds after which the store is looked at again, where something has come and where not, and
#: after which the tools are asked again.
_STORE, _SAME_STORE, _TOOLS = 3.0, 60.0, 120.0
#: Seconds without anything new after which a line is sent all the same: who has gone is noticed.
_QUIET = 15.0
#: Events that a page begins with, and that are sent at a time.
FIRST = 60


def encode(event: str, table: Any, number: int | None = None) -> bytes:
    """Write one server-sent event; JSON has no line break in it."""
    name = f"id: {number}\n" if number is not None else ""
    return f"{name}event: {event}\ndata: {json.dumps(table, separators=(',', ':'))}\n\n".encode()


@dataclass(eq=False, slots=True)
class _Viewer:
    """One browser's stream."""

    sight: Sight
    seen: int
    """Number of the newest event that it was sent."""
    sent: dict[str, bytes] = field(default_factory=dict)
    """By kind, what it was sent last."""
    stir: asyncio.Event = field(default_factory=asyncio.Event)


class Viewers:
    """All who look, and what they are shown. For one event loop."""

    def __init__(
        self,
        parts: Components,
        ask_tools: Callable[[], list[dict[str, Any]]],
        *,
        beat: float = _BEAT,
    ) -> None:
        """`ask_tools` takes seconds, and is called in a thread."""
        self._parts = parts
        self._ask_tools = ask_tools
        self._beat = beat
        self._viewers: set[_Viewer] = set()
        self._clock: asyncio.Task[None] | None = None
        self._made: dict[tuple[str, Sight], bytes] = {}
        self._store: dict[str, Any] | None = None
        self._stored = -1
        """Number of the newest event when the store was looked at."""
        self._tools: list[dict[str, Any]] | None = None
        self._asked: dict[str, float] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._ends = False

    def __len__(self) -> int:
        """Count them."""
        return len(self._viewers)

    def number(self, sight: Sight) -> int:
        """Count those who see so much: others of the machine take each other's places alone."""
        return sum(each.sight is sight for each in self._viewers)

    def end(self) -> None:
        """Let all streams end: the gateway does. May be called from its event loop alone."""
        self._ends = True
        for each in self._viewers:
            each.stir.set()

    async def aclose(self) -> None:
        """End what was begun."""
        self.end()
        for task in (*self._asking, *filter(None, [self._clock])):
            task.cancel()

    def known(self, sight: Sight) -> dict[str, Any]:
        """Return what can be told at once."""
        told = {
            "state": snapshot.state(self._parts, sight, self._tools),
            "now": snapshot.now(self._parts, sight),
        }
        store = self._store if sight is Sight.ALL else None
        return {**told, "store": store} if store is not None else told

    # ------------------------------------------------------------------ one of them

    async def show(
        self,
        exchange: Exchange,
        sight: Sight,
        seen: int | None,
        lasts: Callable[[], bool] | None = None,
    ) -> None:
        """Send one browser what there is, and whatever comes, until it goes.

        `seen` is the newest event that it has; None: it begins. `lasts` says whether it may look
        still; None: it may as long as it does.
        """
        history = self._parts.activity.history
        begins = seen is None or not 0 <= seen <= history.newest
        viewer = _Viewer(sight, max(0, history.newest - FIRST) if begins or seen is None else seen)
        self._viewers.add(viewer)
        try:
            self._make()
            if self._clock is None or self._clock.done():
                self._clock = asyncio.create_task(self._beats())
            headers = {"content-type": "text/event-stream", "cache-control": "no-store"}
            await exchange.begin(200, headers)
            # A browser that comes back names the last event; a worker before counted others.
            await exchange.more(b"retry: 2000\n\n" + encode("begin", {"anew": begins}))
            async with exchange.watched() as gone:
                while not gone.done() and not self._ends and (lasts is None or lasts()):
                    viewer.stir.clear()
                    if data := self._news(viewer):
                        await exchange.more(data)
                    await self._wait(viewer, gone, exchange)
                if gone.done():
                    raise ClientDisconnect
            await exchange.end()
        finally:
            self._viewers.discard(viewer)
            if not self._viewers and self._clock is not None:
                self._clock.cancel()
                self._clock = None
                self._made.clear()

    async def _wait(self, viewer: _Viewer, gone: asyncio.Future[None], exchange: Exchange) -> None:
        stirred = asyncio.ensure_future(viewer.stir.wait())
        try:
            either: set[asyncio.Future[Any]] = {stirred, gone}
            done, _ = await asyncio.wait(
                either, timeout=_QUIET, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            stirred.cancel()
        if not done:
            await exchange.more(b":\n\n")

    def _news(self, viewer: _Viewer) -> bytes:
        found = []
        for kind in ("state", "store", "now"):
            made = self._made.get((kind, viewer.sight))
            if made is not None and made != viewer.sent.get(kind):
                viewer.sent[kind] = made
                found.append(made)
        history = self._parts.activity.history
        if history.newest > viewer.seen:
            new = history.after(viewer.seen, FIRST)
            viewer.seen = history.newest
            told = snapshot.events(new, viewer.sight)
            found.append(encode("events", told, viewer.seen) if told else b"")
        return b"".join(found)

    # ------------------------------------------------------------------ the clock of all

    async def _beats(self) -> None:
        count = 0
        while True:
            await asyncio.sleep(self._beat)
            count += 1
            self._make(slow=not count % _SLOW)

    def _make(self, *, slow: bool = True) -> None:
        """Make what is shown of what there is now, and wake who is to be shown something new."""
        changed = self._parts.activity.history.newest != self._stored
        self._ask("store", _STORE if changed else _SAME_STORE, self._look_at_store)
        self._ask("tools", _TOOLS, self._look_at_tools)
        for sight in {each.sight for each in self._viewers}:
            self._put("now", sight, encode("now", snapshot.now(self._parts, sight)))
            if slow or ("state", sight) not in self._made:
                told = snapshot.state(self._parts, sight, self._tools)
                self._put("state", sight, encode("state", told))
            if self._store is not None and sight is Sight.ALL:
                self._put("store", sight, encode("store", self._store))
        newest = self._parts.activity.history.newest
        for viewer in self._viewers:
            if viewer.seen < newest or any(
                self._made.get((kind, viewer.sight)) != viewer.sent.get(kind)
                for kind in ("state", "now", "store")
            ):
                viewer.stir.set()

    def _put(self, kind: str, sight: Sight, made: bytes) -> None:
        self._made[kind, sight] = made

    def _ask(self, what: str, lives: float, look: Callable[[], Any]) -> None:
        """Have something looked at in a thread, unless that was done lately."""
        now = time.monotonic()
        if now - self._asked.get(what, -lives) < lives:
            return
        self._asked[what] = now
        task = asyncio.create_task(asyncio.to_thread(look))
        self._asking.add(task)
        task.add_done_callback(self._looked)

    def _looked(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        if not task.cancelled() and task.exception() is None and self._viewers:
            self._make()

    def _look_at_store(self) -> None:
        self._stored = self._parts.activity.history.newest
        self._store = snapshot.store(self._parts)

    def _look_at_tools(self) -> None:
        with contextlib.suppress(Exception):
            self._tools = self._ask_tools()

    def look_again(self) -> None:
        """Somebody has changed the store."""
        self._asked.pop("store", None)
        if self._viewers:
            self._make()
