"""Names resolved in threads of our own, so that a dead name server holds up nobody else.

The event loop resolves in a pool that all connections share (four threads under uvloop). A handful
of mirrors whose names do not resolve would fill it for seconds, and the origin would wait behind
them. So a host that was not met lately is resolved here first; only one that is known to resolve
is handed to the client.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import threading
import time
from collections import deque

from headrace.errors import UpstreamError
from headrace.models import Fault
from headrace.policy.lru import LRUCache
from headrace.upstream.single_flight import SingleFlight

__all__ = ["Resolver"]

#: Seconds for which a host that resolved is not asked again here.
_LIFETIME = 600.0
#: Seconds for which a host that did not resolve is refused at once.
_NEGATIVE_LIFETIME = 5.0
#: Lookups at a time. Threads of an executor would be waited for when the process ends, however long
#: the resolver takes; these are daemons and are not.
_THREADS = 16
#: More hosts than any catalogue holds; a bound, because redirects can name any.
_MOST = 4096


class Resolver:
    """Remembers which hosts resolve."""

    def __init__(self) -> None:
        self._known = LRUCache[str, float](_MOST)
        self._unknown = LRUCache[str, tuple[float, str]](_MOST)
        self._flights = SingleFlight[str, str | None]()
        self._queue: deque[tuple[str, asyncio.Future[str | None]]] = deque()
        self._threads = 0

    async def check(self, host: str, timeout: float) -> None:  # noqa: ASYNC109 - one clock with connecting
        """Return when the host resolves; UpstreamError when it does not, or not in time."""
        now = time.monotonic()
        if _is_literal(host) or (self._known.get(host) or 0.0) > now:
            return
        until, why = self._unknown.get(host) or (0.0, "")
        if until > now:
            raise UpstreamError(Fault.UNREACHABLE, f"{host} has no address: {why}")
        try:
            async with asyncio.timeout(timeout):
                problem = await self._flights.do(host, lambda: self._ask(host))
        except TimeoutError:
            message = f"the name server did not answer for {host} within {timeout:g} s"
            raise UpstreamError(Fault.UNREACHABLE, message) from None
        if problem is not None:
            raise UpstreamError(Fault.UNREACHABLE, f"{host} has no address: {problem}")

    async def _ask(self, host: str) -> str | None:
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._queue.append((host, answer))
        if self._threads < _THREADS:
            self._start()
        return await answer

    def _start(self) -> None:
        self._threads += 1
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._work, args=(loop,), name="names", daemon=True).start()

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        """Resolve what is in the queue, in a thread, until it is empty or the loop is gone."""
        with contextlib.suppress(RuntimeError, IndexError):
            while True:
                host, future = self._queue.popleft()
                loop.call_soon_threadsafe(self._learn, host, future, _resolve(host))
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._ended)

    def _ended(self) -> None:
        self._threads -= 1
        if self._queue:  # it came between the thread's last look and now
            self._start()

    def _learn(self, host: str, future: asyncio.Future[str | None], problem: str | None) -> None:
        if problem is None:
            self._known.put(host, time.monotonic() + _LIFETIME)
        else:
            self._unknown.put(host, (time.monotonic() + _NEGATIVE_LIFETIME, problem))
        if not future.done():
            future.set_result(problem)


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def _resolve(host: str) -> str | None:
    """Return None when the host has an address, else what the resolver said."""
    try:
        socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        return error.strerror or str(error)
    except UnicodeError:
        return "not a host name"
    return None
