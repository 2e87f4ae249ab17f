"""Who asks for the same at a time shares one answer. Events tell the order, never a clock."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from headrace.upstream.single_flight import SingleFlight


class Question:
    """Counts how often it is asked; answered when the test says so."""

    def __init__(self) -> None:
        self.asked = 0
        self.answered = 0
        self.may_end = asyncio.Event()
        self.error: Exception | None = None

    async def ask(self) -> str:
        self.asked += 1
        await self.may_end.wait()
        self.answered += 1
        if self.error:
            raise self.error
        return f"answer {self.asked}"


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


def together(
    count: int, flights: SingleFlight[str, str], work: Callable[[], Coroutine[Any, Any, str]]
) -> list[asyncio.Task[str]]:
    return [asyncio.ensure_future(flights.do("key", work)) for _ in range(count)]


def test_all_who_ask_for_one_key_at_a_time_share_one_answer() -> None:
    async def main() -> None:
        flights, question = SingleFlight[str, str](), Question()
        callers = together(10, flights, question.ask)
        await settle()
        callers += together(1, flights, question.ask)
        question.may_end.set()
        assert await asyncio.gather(*callers) == ["answer 1"] * 11
        assert await flights.do("key", question.ask) == "answer 2", "what has ended is asked anew"

    asyncio.run(main())


def test_other_keys_are_other_questions() -> None:
    async def main() -> None:
        flights, question = SingleFlight[str, str](), Question()
        question.may_end.set()
        await asyncio.gather(flights.do("a", question.ask), flights.do("b", question.ask))
        assert question.asked == 2

    asyncio.run(main())


def test_who_leaves_takes_nothing_from_the_others() -> None:
    async def main() -> None:
        flights, question = SingleFlight[str, str](), Question()
        first, second = together(2, flights, question.ask)
        await settle()
        first.cancel()
        await settle()
        assert first.cancelled()
        question.may_end.set()
        assert await second == "answer 1"
        assert question.asked == 1

    asyncio.run(main())


def test_what_everybody_left_goes_on_for_the_next_one() -> None:
    async def main() -> None:
        flights, question = SingleFlight[str, str](), Question()
        [only] = together(1, flights, question.ask)
        await settle()
        only.cancel()
        await settle()
        [late] = together(1, flights, question.ask)
        question.may_end.set()
        assert await late == "answer 1"
        assert question.asked == 1

    asyncio.run(main())


def test_an_error_is_everybodys_and_is_not_kept() -> None:
    async def main() -> None:
        flights, question = SingleFlight[str, str](), Question()
        question.error = LookupError("gone")
        callers = together(3, flights, question.ask)
        question.may_end.set()
        outcomes = await asyncio.gather(*callers, return_exceptions=True)
        assert outcomes == [question.error] * 3
        question.error = None
        assert await flights.do("key", question.ask) == "answer 2"

    asyncio.run(main())


def test_an_error_that_nobody_waits_for_is_not_complained_of() -> None:
    complaints: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, each: complaints.append(each))
        flights, question = SingleFlight[str, str](), Question()
        question.error = LookupError("gone")
        [only] = together(1, flights, question.ask)
        await settle()
        only.cancel()
        question.may_end.set()
        await settle()
        assert question.answered == 1
        gc.collect()

    asyncio.run(main())
    gc.collect()
    assert not complaints


def test_the_end_stops_what_is_under_way() -> None:
    async def main() -> None:
        flights, question = SingleFlight[str, str](), Question()
        [caller] = together(1, flights, question.ask)
        await settle()
        await flights.aclose()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert question.answered == 0
        await flights.aclose()

    asyncio.run(main())
