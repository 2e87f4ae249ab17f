"""How connections for HTTP/2 end, and what that costs those who wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from hyperframe.frame import GoAwayFrame

from headrace.upstream.http2 import pulse
from lib.serving.http2 import BODY, Http2Server, Talk, gives
from lib.waiting import HANG

#: More than a connection lets come before somebody takes it is half of.
LONG = 12 << 20


def no_more(talk: Talk, last: int) -> None:
    """Say that no request behind the last one is taken; h2 would say nothing more afterwards."""
    talk.send()
    talk.writer.write(GoAwayFrame(0, last_stream_id=last).serialize())


@contextlib.contextmanager
def is_deaf(talk: Talk) -> Iterator[None]:
    """Let nothing come to a server over one connection, nor anything from it, meanwhile."""
    transport = cast("asyncio.Transport", talk.writer.transport)
    transport.pause_reading()
    yield
    transport.abort()


@pytest.mark.parametrize("at_once", [True, False])
def test_a_server_that_takes_no_more_requests_finishes_those_that_it_has(
    tmp_path: Path, *, at_once: bool
) -> None:
    """As nginx does with each thousandth one: it says so before it answers that."""

    async def answer(talk: Talk, number: int, path: str) -> None:
        if path == "/long":
            talk.give(number, whole=False)
            talk.held.append(number)
        elif path == "/last":
            no_more(talk, number)
            if not at_once:
                await asyncio.sleep(0.05)
            talk.give(number)
            talk.h2.send_data(talk.held.pop(), BODY, end_stream=True)
        else:
            talk.give(number)

    server = Http2Server(tmp_path, answer)

    async def main() -> None:
        async with server.client() as (client, url):
            async with client.open_document(f"{url}/long", timeout=HANG) as long:
                came = aiter(long)
                assert await anext(came) == BODY
                assert (await client.fetch(f"{url}/last", timeout=HANG)).body == BODY
                assert b"".join([piece async for piece in came]) == BODY
            assert (await client.fetch(f"{url}/next", timeout=HANG)).body == BODY

    asyncio.run(main())
    assert [talk.asked for talk in server.talks] == [["/long", "/last"], ["/next"]]


def test_who_waits_for_a_turn_goes_elsewhere_where_none_will_come(tmp_path: Path) -> None:
    async def answer(talk: Talk, number: int, path: str) -> None:
        if path == "/held":
            talk.held.append(number)
            no_more(talk, number)
        else:
            talk.give(number)

    server = Http2Server(tmp_path, answer)
    server.takes = 1

    async def main() -> None:
        async with server.client() as (client, url):
            await client.fetch(f"{url}/before", timeout=HANG)
            held = asyncio.ensure_future(client.fetch(f"{url}/held", timeout=HANG))
            await asyncio.sleep(0)
            assert (await client.fetch(f"{url}/next", timeout=HANG)).body == BODY
            held.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await held

    asyncio.run(main())
    assert [talk.asked for talk in server.talks] == [["/before", "/held"], ["/next"]]


def test_an_answer_that_came_whole_counts_whatever_became_of_its_connection(
    tmp_path: Path,
) -> None:
    async def answer(talk: Talk, number: int, _: str) -> None:
        talk.h2.send_headers(number, [(b":status", b"200")])
        most = talk.h2.max_outbound_frame_size
        for start in range(0, LONG, most):
            end = min(LONG, start + most)
            talk.h2.send_data(number, bytes(end - start), end_stream=end == LONG)
        talk.send()
        talk.writer.close()
        gone.set()

    gone = asyncio.Event()
    server = Http2Server(tmp_path, answer)

    async def main() -> int:
        async with (
            server.client() as (client, url),
            client.open_document(f"{url}/", timeout=HANG) as document,
        ):
            await gone.wait()
            # Everything is read, and the end seen, before anybody takes the first byte.
            await server.talks[0].writer.wait_closed()
            await asyncio.sleep(0.05)
            return sum([len(piece) async for piece in document])

    assert asyncio.run(main()) == LONG


def test_a_connection_that_leads_nowhere_any_more_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No packet says that it is so: a router forgot it, or this machine slept."""
    monkeypatch.setattr(pulse, "STILL", 0.05)
    server = Http2Server(tmp_path, gives)

    async def main() -> None:
        async with server.client() as (client, url):
            await client.fetch(f"{url}/before", timeout=HANG)
            with is_deaf(server.talks[0]):
                assert (await client.fetch(f"{url}/next", timeout=HANG)).body == BODY
                assert (await client.fetch(f"{url}/after", timeout=HANG)).body == BODY

    asyncio.run(main())
    assert [talk.asked for talk in server.talks] == [["/before"], ["/next", "/after"]]


def test_it_is_left_too_where_nobody_waits_long_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "STILL", 0.05)

    async def answer(talk: Talk, number: int, path: str) -> None:
        if path != "/next":
            talk.give(number)

    server = Http2Server(tmp_path, answer)

    async def main() -> None:
        async with server.client() as (client, url):
            await client.fetch(f"{url}/before", timeout=HANG)
            with is_deaf(server.talks[0]):
                while len(server.talks) == 1:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.02):
                            await client.fetch(f"{url}/next")
                assert (await client.fetch(f"{url}/after", timeout=HANG)).body == BODY

    asyncio.run(main())
    assert server.talks[0].asked == ["/before"]


def test_a_server_that_takes_its_time_is_asked_for_a_sign_and_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "STILL", 0.05)

    async def answer(talk: Talk, number: int, path: str) -> None:
        if path == "/slow":
            asyncio.get_running_loop().call_later(0.5, later, talk, number)
        else:
            talk.give(number)

    def later(talk: Talk, number: int) -> None:
        talk.give(number)
        talk.send()

    server = Http2Server(tmp_path, answer)

    async def main() -> None:
        async with server.client() as (client, url):
            assert (await client.fetch(f"{url}/slow", timeout=HANG)).body == BODY
            assert (await client.fetch(f"{url}/next", timeout=HANG)).body == BODY

    asyncio.run(main())
    assert [talk.asked for talk in server.talks] == [["/slow", "/next"]]
