"""Names resolved in threads of our own, so that a dead name server holds up nobody else.

The event loop resolves in a pool that all connections share (four threads under uvloop). A handful
of mirrors whose names do not resolve would fill it for seconds, and the origin would wait behind
them. So every host is resolved here, and what is connected to is an address (`pinned.py`).
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

#: Seconds for which an answer is not asked for again: the system does not tell its own lifetime.
_LIFETIME = 20.0
#: Seconds for which an answer is used all the same while the name server does not answer, and how
#: long that is waited for (RFC 8767 section 5).
_STALE = 600.0
_STALE_AFTER = 1.0
#: Seconds for which a host that did not resolve is refused at once.
_NEGATIVE_LIFETIME = 5.0
#: Lookups at a time. Threads of an executor would be waited for when the process ends, however long
#: the resolver takes; these are daemons and are not.
_THREADS = 16
#: More hosts than any catalogue holds; a bound, because redirects can name any.
_MOST = 4096

#: What a look-up brings: addresses, or why there are none.
_Answer = tuple[tuple[str, ...], str]
#: Looked up nowhere (RFC 6761 section 6.3).
_LOCALHOST = ("127.0.0.1", "::1")


class Resolver:
    """Hosts to addresses, remembered for a moment."""

    def __init__(self) -> None:
        self._known = LRUCache[str, tuple[float, _Answer]](_MOST)
        self._flights = SingleFlight[str, _Answer]()
        self._queue: deque[tuple[str, asyncio.Future[_Answer]]] = deque()
        self._threads = 0

    async def addresses(
        self,
        host: str,
        timeout: float | None,  # noqa: ASYNC109 - one clock with connecting
    ) -> tuple[str, ...]:
        """Return a host's addresses, best first; UpstreamError when it has none, or not in time."""
        if _is_address(host):
            return (host,)
        if host == "localhost":
            return _LOCALHOST
        known = self._known.get(host)
        age = time.monotonic() - known[0] if known else _STALE
        lifetime = _LIFETIME if known and known[1][0] else _NEGATIVE_LIFETIME
        if known is not None and age < lifetime:
            return _found(host, known[1])
        stale = known[1] if known and known[1][0] and age < _STALE else None
        try:
            async with asyncio.timeout(_STALE_AFTER if stale else timeout):
                return _found(host, await self._flights.do(host, lambda: self._ask(host)))
        except TimeoutError:
            if stale is not None:
                return _found(host, stale)
            message = f"the name server did not answer for {host} within {timeout:g} s"
            raise UpstreamError(Fault.UNREACHABLE, message) from None

    async def _ask(self, host: str) -> _Answer:
        answer: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
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

    def _learn(self, host: str, future: asyncio.Future[_Answer], answer: _Answer) -> None:
        self._known.put(host, (time.monotonic(), answer))
        if not future.done():
            future.set_result(answer)


def _found(host: str, answer: _Answer) -> tuple[str, ...]:
    addresses, problem = answer
    if not addresses:
        raise UpstreamError(Fault.UNREACHABLE, f"{host} has no address: {problem}")
    return addresses


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _resolve(host: str) -> _Answer:
    """Ask the system's resolver, in a thread."""
    try:
        told = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        return (), error.strerror or str(error)
    except ValueError:  # UnicodeError too
        return (), "not a host name"
    found = tuple(dict.fromkeys(str(place[0]) for *_, place in told))
    return found, "" if found else "the resolver gave none"
