"""Names resolved in threads of our own, so that a dead name server holds up nobody else.

The event loop resolves in a pool that all connections share (four threads under uvloop). A handful
of mirrors whose names do not resolve would fill it for seconds, and the origin would wait behind
them. So a host that was not met lately is resolved here first; only one that is known to resolve
is handed to the client.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from headrace.errors import UpstreamError
from headrace.models import Fault

__all__ = ["Names"]

#: Seconds for which a host that resolved is not asked again here.
_LIFETIME = 600.0
#: Seconds for which a host that did not resolve is refused at once.
_NEGATIVE_LIFETIME = 5.0
#: More hosts than any catalogue holds; a bound, because redirects can name any.
_MOST = 4096


class Names:
    """Remembers which hosts resolve."""

    def __init__(self) -> None:
        self._known: dict[str, float] = {}
        self._unknown: dict[str, tuple[float, str]] = {}
        self._pending: dict[str, asyncio.Future[str | None]] = {}
        self._pool: ThreadPoolExecutor | None = None

    async def check(self, host: str, timeout: float) -> None:  # noqa: ASYNC109 - one clock with connecting
        """Return when the host resolves; UpstreamError when it does not, or not in time."""
        now = time.monotonic()
        if _is_literal(host) or self._known.get(host, 0.0) > now:
            return
        until, why = self._unknown.get(host, (0.0, ""))
        if until > now:
            raise UpstreamError(Fault.UNREACHABLE, f"{host} has no address: {why}")
        if host not in self._pending:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(16, thread_name_prefix="names")
            loop = asyncio.get_running_loop()
            future = loop.run_in_executor(self._pool, _resolve, host)
            self._pending[host] = future
            future.add_done_callback(lambda done: self._learn(host, done))
        try:
            problem = await asyncio.wait_for(asyncio.shield(self._pending[host]), timeout)
        except TimeoutError:
            message = f"the name server did not answer for {host} within {timeout:.0f} s"
            raise UpstreamError(Fault.UNREACHABLE, message) from None
        if problem is not None:
            raise UpstreamError(Fault.UNREACHABLE, f"{host} has no address: {problem}")

    def _learn(self, host: str, done: asyncio.Future[str | None]) -> None:
        self._pending.pop(host, None)
        if done.cancelled() or done.exception() is not None:
            return
        for table in (self._known, self._unknown):
            if len(table) >= _MOST:
                table.clear()
        problem = done.result()
        if problem is None:
            self._known[host] = time.monotonic() + _LIFETIME
        else:
            self._unknown[host] = (time.monotonic() + _NEGATIVE_LIFETIME, problem)

    def close(self) -> None:
        """Let the threads go; one that hangs in a resolver ends by itself."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


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
