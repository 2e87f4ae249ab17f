"""Our own connections for HTTP/2, against a server that does what nginx does only now and then."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest
from h2.errors import ErrorCodes

from headrace.errors import UpstreamError
from headrace.models import Fault
from headrace.upstream.client import Client
from headrace.upstream.http1.streams import SocketStream
from headrace.upstream.http2_pool import SHORT, STREAMS
from lib.serving.certificates import authority
from lib.serving.http2 import BODY, Http2Server, Talk, gives

#: Longer than any of these tests takes.
HANG = 30.0


async def says_yes(talk: Talk, number: int, _: str) -> None:
    talk.h2.send_headers(number, [(b":status", b"200")], end_stream=True)


def test_requests_do_not_wait_for_the_settings_of_a_far_server(tmp_path: Path) -> None:
    server = Http2Server(tmp_path, gives)
    server.greets_after = STREAMS

    async def main() -> None:
        async with server.client() as (client, url):
            asking = [client.fetch(f"{url}/{n}", timeout=HANG) for n in range(STREAMS)]
            assert [answer.body for answer in await asyncio.gather(*asking)] == [BODY] * STREAMS

    asyncio.run(main())
    assert [len(talk.asked) for talk in server.talks] == [STREAMS]


def test_who_leaves_his_request_costs_the_others_nothing(tmp_path: Path) -> None:
    async def answer(talk: Talk, number: int, path: str) -> None:
        if path != "/never":
            talk.give(number, whole=path != "/begun")

    server = Http2Server(tmp_path, answer)

    async def main() -> None:
        async with server.client() as (client, url):
            never = asyncio.ensure_future(client.fetch(f"{url}/never", timeout=HANG))
            async with client.open_document(f"{url}/begun") as begun:
                assert await anext(aiter(begun)) == BODY
            never.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await never
            assert (await client.fetch(f"{url}/page")).body == BODY

    asyncio.run(main())
    (talk,) = server.talks
    assert sorted(talk.asked) == ["/begun", "/never", "/page"]
    assert len(talk.left) == 2


def test_one_answer_that_stands_still_ends_no_other(tmp_path: Path) -> None:
    async def answer(talk: Talk, number: int, path: str) -> None:
        if path != "/never":
            talk.give(number)

    server = Http2Server(tmp_path, answer)

    async def main() -> None:
        async with server.client() as (client, url):
            with pytest.raises(UpstreamError) as caught:
                await client.fetch(f"{url}/never", timeout=0.1)
            assert caught.value.fault is Fault.SILENT
            assert (await client.fetch(f"{url}/page", timeout=HANG)).body == BODY

    asyncio.run(main())
    assert [talk.asked for talk in server.talks] == [["/never", "/page"]]


@pytest.mark.parametrize("whole", [True, False])
def test_what_a_server_has_not_begun_with_is_asked_once_more(
    tmp_path: Path, *, whole: bool
) -> None:
    """By refusing a request, and by closing the connection before it."""

    async def answer(talk: Talk, number: int, path: str) -> None:
        if path == "/page" and server.talks == [talk] and talk.asked.count(path) == 1:
            if whole:
                talk.h2.close_connection(last_stream_id=number - 2)
            else:
                talk.h2.reset_stream(number, ErrorCodes.REFUSED_STREAM)
        else:
            talk.give(number)

    server = Http2Server(tmp_path, answer)

    async def main() -> None:
        async with server.client() as (client, url):
            await client.fetch(f"{url}/before")
            assert (await client.fetch(f"{url}/page", timeout=HANG)).body == BODY

    asyncio.run(main())
    asked = [["/before", "/page"], ["/page"]] if whole else [["/before", "/page", "/page"]]
    assert [talk.asked for talk in server.talks] == asked


def test_a_stream_that_is_cut_is_a_cut_and_leaves_the_connection(tmp_path: Path) -> None:
    async def answer(talk: Talk, number: int, path: str) -> None:
        talk.give(number, whole=path != "/cut")
        if path == "/cut":
            talk.h2.reset_stream(number, ErrorCodes.INTERNAL_ERROR)

    server = Http2Server(tmp_path, answer)

    async def main() -> None:
        async with server.client() as (client, url):
            with pytest.raises(UpstreamError) as caught:
                await client.fetch(f"{url}/cut", timeout=HANG)
            assert caught.value.fault is Fault.CUT
            assert (await client.fetch(f"{url}/page")).body == BODY

    asyncio.run(main())
    assert len(server.talks) == 1


def test_more_than_a_server_takes_at_a_time_waits_for_its_turn(tmp_path: Path) -> None:
    most = 0

    async def answer(talk: Talk, number: int, path: str) -> None:
        nonlocal most
        talk.held.append(number)
        most = max(most, len(talk.held))
        if path == "/first":
            later(talk)
        else:
            asyncio.get_running_loop().call_later(0.01, later, talk)

    def later(talk: Talk) -> None:
        talk.give(talk.held.pop())
        talk.send()

    server = Http2Server(tmp_path, answer)
    server.takes = 2

    async def main() -> None:
        async with server.client() as (client, url):
            await client.fetch(f"{url}/first")
            asking = [client.fetch(f"{url}/{n}", timeout=HANG) for n in range(STREAMS)]
            assert {answer.body for answer in await asyncio.gather(*asking)} == {BODY}

    asyncio.run(main())
    assert most == server.takes


def test_questions_without_a_body_find_connections_made(tmp_path: Path) -> None:
    server = Http2Server(tmp_path, says_yes)

    async def main() -> None:
        async with server.client() as (client, url):
            await client.connect(url, short=True)
            asking = [client.fetch(f"{url}/{n}", method="HEAD", timeout=HANG) for n in range(12)]
            assert {answer.status for answer in await asyncio.gather(*asking)} == {200}

    asyncio.run(main())
    assert sorted(len(talk.asked) for talk in server.talks) == [12 // SHORT] * SHORT


def test_a_question_without_a_body_goes_over_any_connection_that_is_made(tmp_path: Path) -> None:
    server = Http2Server(tmp_path, says_yes)

    async def main() -> None:
        async with server.client() as (client, url):
            await client.fetch(f"{url}/page", timeout=HANG)
            answer = await client.fetch(f"{url}/file", method="HEAD", timeout=HANG)
            assert answer.status == 200

    asyncio.run(main())
    assert [talk.asked for talk in server.talks] == [["/page", "/file"]]


def test_of_a_burst_of_questions_the_later_ones_have_connections_of_their_own(
    tmp_path: Path,
) -> None:
    server = Http2Server(tmp_path, says_yes)

    async def main() -> None:
        async with server.client() as (client, url):
            await client.fetch(f"{url}/page", timeout=HANG)
            for burst in (1, 2):
                asking = [
                    client.fetch(f"{url}/{burst}-{n}", method="HEAD", timeout=HANG)
                    for n in range(12)
                ]
                assert {answer.status for answer in await asyncio.gather(*asking)} == {200}
                async with asyncio.timeout(HANG):
                    while len(server.talks) < 1 + SHORT:  # noqa: ASYNC110 - nobody sets an event
                        await asyncio.sleep(0.01)
                await asyncio.sleep(0.1)  # each handshake has ended at both sides

    asyncio.run(main())
    first, *own = server.talks
    assert len(first.asked) == 13
    assert [len(talk.asked) for talk in own] == [12 // SHORT] * SHORT


def test_questions_of_one_moment_go_out_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Http2Server(tmp_path, says_yes)
    sent: list[int] = []
    put, write = SocketStream.put, SocketStream.write

    def counted(stream: SocketStream, few: bytes) -> None:
        sent.append(len(few))
        put(stream, few)

    async def also_counted(stream: SocketStream, few: bytes, patience: float) -> None:
        sent.append(len(few))
        await write(stream, few, patience)

    async def main() -> None:
        async with server.client() as (client, url):
            await client.connect(url, short=True)
            monkeypatch.setattr(SocketStream, "put", counted)
            monkeypatch.setattr(SocketStream, "write", also_counted)
            asking = [client.fetch(f"{url}/{n}", method="HEAD", timeout=HANG) for n in range(60)]
            assert {answer.status for answer in await asyncio.gather(*asking)} == {200}

    asyncio.run(main())
    # A segment of TCP each, of which a new connection may have ten under way.
    assert len(sent) == SHORT
    assert sum(len(talk.asked) for talk in server.talks) == 60


def test_one_who_speaks_http_1_alone_is_asked_over_the_connection_that_was_made(
    tmp_path: Path,
) -> None:
    company = authority(tmp_path)
    company.server.set_alpn_protocols(["http/1.1"])
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=company.server)
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        client = Client({"SSL_CERT_FILE": str(company.certificate)})
        try:
            for _ in range(3):
                assert (await client.fetch(url)).body == b"ok"
        finally:
            await client.aclose()
            server.close()

    asyncio.run(main())
    assert connections == 1
