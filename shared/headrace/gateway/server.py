"""Serve the gateway's application on sockets that are open already, until told to stop.

uvicorn with httptools, and uvloop where it can be had. What is changed of it, and why: signals end
it with exit code 0 (a supervisor counts anything else as a crash); it wakes once a second instead
of ten times, and while nobody is connected not at all (an idle gateway should cost nothing), and
then it ends without a wait; it tells when it answers and that it lives; its clients' connections
have bounds (`connection`).
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import functools
import importlib.util
import logging
import math
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Generator, Sequence
from email.utils import formatdate
from typing import Any

import uvicorn

from headrace.gateway.connection import MOST, ClientConnections, most_connections
from headrace.gateway.intercepting.taken import TakeableConnection
from headrace.gateway.outliving.kernel_counts import Counts
from headrace.gateway.outliving.lending import Borrowed, ConnectionRecord, Lending
from headrace.gateway.outliving.resuming import Remains, find_out
from headrace.gateway.serving.leaving import Leaving
from headrace.system import open_files
from headrace.system.service.bridges import Bridges
from headrace.system.service.link import HolderLink
from headrace.values import dataclass

__all__ = ["ExitReason", "LifespanListener", "serve"]

_log = logging.getLogger("headrace.gateway")

#: Seconds that an idle connection of a client stays open. Longer than any installer pauses between
#: two requests, so that it does not lose the race between its request and our close.
KEEP_ALIVE = 120
#: Seconds between two looks at the clock while somebody is connected.
TICK = 1.0
#: Connections at most where other machines reach it.
_MOST_OTHERS = 16384
#: Seconds between two signs of life to a holder of before.
_SIGN = 5.0


class ExitReason(enum.Enum):
    """Why it ended."""

    TOLD = "told"
    IDLE = "idle"
    FAILED = "failed"
    """It never answered."""


@dataclass(frozen=True, slots=True)
class LifespanListener:
    """Who is told about the life of the server. The functions must return at once."""

    ready: Callable[[], None] = lambda: None
    alive: Callable[[], None] = lambda: None
    """Called at least every `every` seconds while the event loop turns."""
    stopping: Callable[[], None] = lambda: None
    every: float = math.inf


def serve(
    factory: Callable[[], Any],
    sockets: Sequence[socket.socket],
    *,
    grace: float = 15.0,
    idle_exit: float | None = None,
    watcher: LifespanListener | None = None,
    link: HolderLink | None = None,
    bridges: Bridges | None = None,
    tls: ssl.SSLContext | None = None,
    leaving: Leaving | None = None,
) -> ExitReason:
    """Serve the ASGI application that `factory` gives, and return why it ended.

    SIGTERM and SIGINT close the sockets and let running responses finish for `grace` seconds; a
    second one ends at once. `idle_exit`: end after so many seconds without a request. `link` leads
    to the holder, which is told beside the `watcher`. With `bridges` nobody is heard but whom they
    let in. `leaving`: others reach it, over TLS with `tls`, and the first signal has it serve on
    for a while, so that whoever sends clients here can notice.
    """
    others = leaving is not None
    lending = Lending(link) if link is not None and link.number > 1 else None
    most = most_connections(open_files.raise_limit(), _MOST_OTHERS if others else MOST)
    connections = ClientConnections(most, lending=lending, by_address=others)
    protocol: Any = functools.partial(TakeableConnection, registry=connections, bridges=bridges)
    config = uvicorn.Config(
        factory,
        factory=True,
        http=protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, round(grace)),
        backlog=1024,
        ssl_context_factory=None if tls is None else lambda _, __: tls,
    )
    server = _Server(config, connections, idle_exit, watcher or LifespanListener(), link)
    server.leaving = leaving
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            runner.run(server.serve(sockets=list(sockets)))
        except SystemExit:
            return ExitReason.FAILED
    if server.end is ExitReason.IDLE and link is not None:
        link.idle()
    return server.end


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32" or importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop  # noqa: PLC0415 - not on every platform

    return uvloop.new_event_loop


class _Server(uvicorn.Server):
    """uvicorn's server, with the differences that this module's docstring names."""

    def __init__(
        self,
        config: uvicorn.Config,
        connections: ClientConnections,
        idle_exit: float | None,
        watcher: LifespanListener,
        link: HolderLink | None,
    ) -> None:
        super().__init__(config)
        self._link = link
        self._adopting: set[asyncio.Task[Any]] = set()
        self._connections = connections
        self.end = ExitReason.FAILED
        self._idle_exit = idle_exit
        self._watcher = watcher
        self._stirred = asyncio.Event()
        self.leaving: Leaving | None = None
        connections.first_came = self._wake
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self.end = ExitReason.TOLD
        self._watcher.ready()
        if self._connections.lending is not None and self.started:
            self._connections.lending.listen(self._adopt)
        if self._link is not None:
            self._link.ready()

    def _adopt(self, borrowed: Borrowed, sock: socket.socket, counts: Counts) -> None:
        """Take over the connection of a client that a worker before has left, if that can be."""
        found, sent = find_out(borrowed, counts)
        if found is Remains.LOST:
            assert self._connections.lending is not None
            self._connections.lending.refuse(borrowed.number, sock)
            return
        if found is Remains.WAITS:
            borrowed = Borrowed(borrowed.number, ConnectionRecord(counts.read, counts.written))
        made: Any = self.config.http_protocol_class
        protocol = functools.partial(
            made,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            borrowed=borrowed,
            sent=sent,
        )
        assert self._loop is not None
        task = self._loop.create_task(self._loop.connect_accepted_socket(protocol, sock))
        self._adopting.add(task)
        task.add_done_callback(self._adopted)

    def _adopted(self, task: asyncio.Task[Any]) -> None:
        self._adopting.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("a connection of before is lost: %r", error)

    def _wake(self) -> None:
        """Somebody is connected, after nobody was."""
        date = formatdate(usegmt=True).encode()
        self.server_state.default_headers = [(b"date", date), *self.config.encoded_headers]
        self._stirred.set()

    def _pause(self, now: float, told: float, since: float) -> float | None:
        """Return the seconds until something has to be done; None: until somebody comes."""
        # A holder of before hears signs of life all the time.
        if len(self._connections) or self.server_state.tasks or self._tells_holder:
            return TICK
        due = told + self._watcher.every
        if self._idle_exit is not None:
            due = min(due, since + self._idle_exit)
        return None if due == math.inf else max(0.0, due - now)

    @property
    def _tells_holder(self) -> bool:
        return self._link is not None and self._connections.lending is None

    async def main_loop(self) -> None:
        seen, since, told = 0, time.monotonic(), time.monotonic()
        # uvicorn counts tenths of a second, and renews the date at each tenth of them.
        while not await self.on_tick(0):
            self._stirred.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause(time.monotonic(), told, since)):
                    await self._stirred.wait()
            self._connections.sweep()
            now = time.monotonic()
            if now - told >= min(self._watcher.every, _SIGN):
                told = now
                self._watcher.alive()
                if self._tells_holder and self._link is not None:
                    self._link.alive()
            state = self.server_state
            if state.total_requests != seen or state.tasks or self._connections.passing:
                seen, since = state.total_requests, now
            elif self._idle_exit is not None and now - since >= self._idle_exit:
                self.end = ExitReason.IDLE
                return

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._watcher.stopping()
        # Their answers would go on for as long as somebody looks.
        if (live := self.lifespan.state.get("live")) is not None:
            live.end()
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
            return
        # uvicorn gives connections a tenth of a second also where there are none, and a command
        # that had this gateway for itself waits for its end.
        for server in self.servers:
            server.close()
        for sock in sockets or []:
            sock.close()
        if not self.force_exit:
            await self.lifespan.shutdown()

    def _leave(self) -> None:
        self.should_exit = True
        self._stirred.set()

    def handle_exit(self, sig: int, frame: Any) -> None:  # noqa: ARG002 - uvicorn's signature
        if self.leaving is not None and not self.leaving.begun and self._loop is not None:
            self.leaving.begun = True
            delay, loop = self.leaving.delay, self._loop
            loop.call_soon_threadsafe(loop.call_later, delay, self._leave)
            return
        self.force_exit = self.should_exit
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stirred.set)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        numbers = [signal.SIGINT, signal.SIGTERM]
        if sys.platform == "win32":
            numbers.append(signal.SIGBREAK)
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
