"""Connections to addresses that were looked at: which are tried, and in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import httpcore
import pytest

from headrace.errors import UpstreamError
from headrace.models import Fault
from headrace.policy.destinations import EVERYWHERE, AddressSpace
from headrace.upstream.pinned import PinnedBackend
from headrace.upstream.resolver import Resolver

ONE, TWO, SIX = "4.4.4.4", "4.4.8.8", "2606:4700::1"


class Stream:
    def __init__(self, address: str) -> None:
        self.address = address
        self.closed = False

    async def aclose(self) -> None:
        self.closed = True


class Inner:
    """Connects, or does not, as told for each address."""

    def __init__(self, **told: Callable[[], Awaitable[None]]) -> None:
        self.asked: list[str] = []
        self.made: list[Stream] = []
        self.cancelled: list[str] = []
        self._told = {name.replace("_", "."): each for name, each in told.items()}

    async def connect_tcp(self, address: str, _: int, *__: Any, **___: Any) -> Stream:
        self.asked.append(address)
        try:
            if address in self._told:
                await self._told[address]()
        except asyncio.CancelledError:
            self.cancelled.append(address)
            raise
        self.made.append(Stream(address))
        return self.made[-1]


class Names(Resolver):
    def __init__(self, addresses: Sequence[str]) -> None:
        super().__init__()
        self._addresses = tuple(addresses)

    async def addresses(self, host: str, timeout: float | None) -> tuple[str, ...]:  # noqa: ARG002, ASYNC109
        return self._addresses


def connect(
    inner: Inner,
    addresses: Sequence[str],
    allowed: frozenset[AddressSpace] = EVERYWHERE,
) -> Stream:
    async def main() -> Stream:
        backend = PinnedBackend(
            Names(addresses), cast("httpcore.AsyncNetworkBackend", inner), allowed
        )
        return cast("Stream", await backend.connect_tcp("name.example", 1, 9.0))

    return asyncio.run(main())


async def refuse() -> None:
    raise httpcore.ConnectError("refused")


async def hang() -> None:
    await asyncio.Event().wait()


def test_families_take_turns() -> None:
    inner = Inner(**dict.fromkeys(("4_4_4_4", "4_4_8_8", SIX, "2606:4700::2"), refuse))
    with pytest.raises(httpcore.ConnectError):
        connect(inner, [SIX, "2606:4700::2", ONE, TWO])
    assert inner.asked == [SIX, ONE, "2606:4700::2", TWO]


def test_the_next_address_is_tried_when_one_fails_and_when_one_is_slow() -> None:
    inner = Inner(**{"4_4_4_4": refuse})
    assert connect(inner, [ONE, TWO]).address == TWO
    inner = Inner(**{"4_4_4_4": hang})
    assert connect(inner, [ONE, TWO]).address == TWO
    assert inner.cancelled == [ONE]


def test_one_that_comes_too_late_is_closed() -> None:
    both: asyncio.Event = asyncio.Event()

    async def together() -> None:
        if len(inner.asked) == 2:
            both.set()
        await both.wait()

    inner = Inner(**{"4_4_4_4": together, "4_4_8_8": together})
    won = connect(inner, [ONE, TWO])
    assert not won.closed
    assert all(each.closed for each in inner.made if each is not won)


def test_only_the_allowed_are_tried_and_none_is_a_refusal() -> None:
    public = frozenset({AddressSpace.PUBLIC})
    inner = Inner(**{"4_4_4_4": refuse})
    with pytest.raises(httpcore.ConnectError):
        connect(inner, ["127.0.0.1", ONE, "10.0.0.1"], public)
    assert inner.asked == [ONE]
    inner = Inner()
    with pytest.raises(UpstreamError, match=r"127\.0\.0\.1, this machine") as caught:
        connect(inner, ["127.0.0.1", "10.0.0.1"], public)
    assert caught.value.fault is Fault.LED_ASTRAY
    assert not inner.asked


def test_of_a_long_list_few_are_tried() -> None:
    inner = Inner(**{f"4_4_4_{number}": refuse for number in range(100)})
    with pytest.raises(httpcore.ConnectError):
        connect(inner, [f"4.4.4.{number}" for number in range(100)])
    assert len(inner.asked) == 8
