"""Names to addresses: who is asked, what is remembered, and what holds nobody up."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from headrace.errors import UpstreamError
from headrace.models import Fault
from headrace.upstream import resolver
from headrace.upstream.resolver import Resolver
from lib.waiting import HANG

Answer = Callable[[str], list[str]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return answering(monkeypatch, lambda _: ["4.4.4.4", "4.4.4.4", "fd00::5"])


def answering(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> list[str]:
    asked = []

    def getaddrinfo(host: str, *_: Any, **__: Any) -> Any:
        asked.append(host)
        return [(0, 0, 0, "", (address, 0)) for address in answer(host)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_numbers_and_this_machine_are_asked_of_nobody(asked: list[str]) -> None:
    async def main() -> None:
        names = Resolver()
        assert await names.addresses("10.0.0.1", 1.0) == ("10.0.0.1",)
        assert await names.addresses("fe80::1%lo", 1.0) == ("fe80::1%lo",)
        assert await names.addresses("localhost", 1.0) == ("127.0.0.1", "::1")

    asyncio.run(main())
    assert not asked


def test_an_answer_serves_all_who_ask_for_a_while(
    monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    async def main() -> None:
        names = Resolver()
        every = await asyncio.gather(*(names.addresses("a.example", HANG) for _ in range(9)))
        assert set(every) == {("4.4.4.4", "fd00::5")}
        await names.addresses("a.example", HANG)
        assert asked == ["a.example"]
        monkeypatch.setattr(resolver, "_LIFETIME", 0.0)
        await names.addresses("a.example", HANG)
        assert len(asked) == 2

    asyncio.run(main())


@pytest.mark.parametrize("error", [OSError("no such name"), UnicodeError(), ValueError()])
def test_what_has_no_address_says_so_and_is_remembered(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_: str) -> list[str]:
        raise error

    asked = answering(monkeypatch, fail)

    async def main() -> None:
        names = Resolver()
        for _ in range(2):
            with pytest.raises(UpstreamError, match="has no address") as caught:
                await names.addresses("a.example", HANG)
            assert caught.value.fault is Fault.UNREACHABLE

    asyncio.run(main())
    assert len(asked) == 1


def test_the_last_answer_stands_while_the_name_server_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = threading.Event()
    asked: list[str] = []

    def hang(host: str) -> list[str]:
        if asked.count(host) > 1:
            released.wait(HANG)
        return ["4.4.4.4"]

    asked = answering(monkeypatch, hang)
    monkeypatch.setattr(resolver, "_LIFETIME", 0.0)
    monkeypatch.setattr(resolver, "_STALE_AFTER", 0.01)

    async def main() -> None:
        names = Resolver()
        for _ in range(3):
            assert await names.addresses("a.example", HANG) == ("4.4.4.4",)
        # But not for ever.
        monkeypatch.setattr(resolver, "_STALE", 0.0)
        with pytest.raises(UpstreamError, match="did not answer"):
            await names.addresses("a.example", 0.01)
        released.set()

    asyncio.run(main())
    assert len(asked) == 2
