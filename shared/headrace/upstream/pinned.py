"""Connections to addresses that were looked at: the network below the HTTP client.

A name that is resolved once to be checked and once more to be connected to may say two things. So
it is resolved here, once, what lies outside of the allowed spaces is left out, and the connection
is made to the very address that was found good. Host, SNI and the certificate stay the name's.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any

from headrace.errors import UpstreamError
from headrace.models import Fault
from headrace.policy.destinations import AddressSpace, space_of
from headrace.upstream.resolver import Resolver

if TYPE_CHECKING:
    from httpcore import AsyncNetworkBackend, AsyncNetworkStream

__all__ = ["PinnedBackend", "meaning"]

#: Seconds after which the next address is tried beside the one before (RFC 8305 section 5).
_STAGGER = 0.25
#: Addresses of a name that are tried; some services list dozens.
_MOST = 8

_MEANINGS = {
    AddressSpace.PUBLIC: "a public address",
    AddressSpace.FAKE: "an address that stands for a name, where the upstream's own has none such",
    AddressSpace.PRIVATE: "an address of a private network",
    AddressSpace.LOOPBACK: "this machine",
    AddressSpace.LINK_LOCAL: "a link-local address, or a cloud's own for its machines",
    AddressSpace.SPECIAL: "no address of a host",
}


def meaning(space: AddressSpace) -> str:
    """Say what an address is, for people."""
    return _MEANINGS[space]


class PinnedBackend:
    """Implements `httpcore.AsyncNetworkBackend` for what the client needs of it."""

    def __init__(
        self, resolver: Resolver, inner: AsyncNetworkBackend, allowed: frozenset[AddressSpace]
    ) -> None:
        """`inner` connects to addresses; those outside of the spaces of `allowed` it is not given.

        A pool of connections belongs to one backend, so that none that was made for a request
        that may lead further serves one that may not.
        """
        self._resolver = resolver
        self._inner = inner
        self._allowed = allowed

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's word
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        """Connect to the first good address; UpstreamError when there is none.

        What `inner` raises goes through. `timeout` in seconds bounds all of it.
        """
        loop = asyncio.get_running_loop()
        until = None if timeout is None else loop.time() + timeout
        found = await self._resolver.addresses(host, timeout)
        good = [each for each in found if space_of(each) in self._allowed][:_MOST]
        if not good:
            raise _refused(host, found[0])

        def attempt(address: str) -> Callable[[], Awaitable[AsyncNetworkStream]]:
            def connect() -> Awaitable[AsyncNetworkStream]:
                left = None if until is None else max(0.0, until - loop.time())
                return self._inner.connect_tcp(
                    address, port, left, local_address=local_address, socket_options=socket_options
                )

            return connect

        return await _first([attempt(each) for each in _alternating(good)])

    async def connect_unix_socket(self, *_: Any, **__: Any) -> AsyncNetworkStream:
        """Nothing here is asked that way."""
        raise NotImplementedError

    async def sleep(self, seconds: float) -> None:
        """Wait, between retries."""
        await asyncio.sleep(seconds)


def _refused(host: str, address: str) -> UpstreamError:
    said = "" if host == address else f"{address}, "
    return UpstreamError(Fault.LED_ASTRAY, f"{host} is {said}{meaning(space_of(address))}")


def _alternating(addresses: Sequence[str]) -> list[str]:
    """Order addresses so that families take turns, the resolver's first one leading (RFC 8305)."""
    version = {each: ipaddress.ip_address(each).version for each in addresses}
    leading = version[addresses[0]]
    one = [each for each in addresses if version[each] == leading]
    other = [each for each in addresses if version[each] != leading]
    pairs = zip_longest(one, other)
    return [each for each in chain.from_iterable(pairs) if each is not None]


async def _first(
    attempts: Sequence[Callable[[], Awaitable[AsyncNetworkStream]]],
) -> AsyncNetworkStream:
    """Begin one after the other, the next one as soon as one fails or takes long; the first that
    succeeds wins, and the first error counts when none does.
    """
    if len(attempts) == 1:
        return await attempts[0]()
    waiting = list(reversed(attempts))
    running: list[asyncio.Task[AsyncNetworkStream]] = []
    winner: asyncio.Task[AsyncNetworkStream] | None = None
    try:
        while winner is None:
            if waiting:
                running.append(asyncio.ensure_future(_awaited(waiting.pop())))
            pending = [task for task in running if not task.done()]
            if pending:
                patience = _STAGGER if waiting else None
                await asyncio.wait(pending, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            ended = [task for task in running if task.done()]
            winner = next((task for task in ended if task.exception() is None), None)
            if len(ended) == len(running) and winner is None and not waiting:
                break
    finally:
        await _end([task for task in running if task is not winner])
    return (winner or running[0]).result()


async def _awaited(attempt: Callable[[], Awaitable[AsyncNetworkStream]]) -> AsyncNetworkStream:
    return await attempt()


async def _end(tasks: Sequence[asyncio.Task[AsyncNetworkStream]]) -> None:
    """Give up attempts; one that has succeeded meanwhile is closed."""
    for task in tasks:
        task.cancel()
    for late in await asyncio.gather(*tasks, return_exceptions=True):
        if not isinstance(late, BaseException):
            await late.aclose()
