"""Our own connections for HTTP/2, against a server that does what nginx does only now and then."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived, StreamReset
from h2.settings import SettingCodes, Settings

from headrace.errors import UpstreamError
from headrace.models import Fault
from headrace.upstream.client import Client
from headrace.upstream.http2_pool import SHORT, STREAMS
from lib.serving.certificates import authority

#: Longer than any of these tests takes.
HANG = 30.0
BODY = b"a page of the origin's" * 20


class Server:
    """An HTTP/2 server whose answers a test decides on, request by request."""

    def __init__(self, folder: Path, answer: Callable[[Talk, int, str], Awaitable[None]]) -> None:
        self.company = authority(folder)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(folder / "server.pem", folder / "server.key")
        self.tls.set_alpn_protocols(["h2"])
        self.answer = answer
        self.talks: list[Talk] = []
        self.greets_after = 0
        """Requests that come before the server says anything."""
        self.takes = 100
        """Requests at a time, as its settings say."""

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[tuple[Client, str]]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        port = server.sockets[0].getsockname()[1]
        client = Client({"SSL_CERT_FILE": str(self.company.certificate)})
        try:
            yield client, f"https://127.0.0.1:{port}"
        finally:
            await client.aclose()
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = Talk(writer)
        self.talks.append(talk)
        tasks = []
        greeted = False
        while data := await reader.read(65536):
            for event in talk.h2.receive_data(data):
                if isinstance(event, RequestReceived):
                    path = dict(event.headers or [])[b":path"].decode()
                    talk.asked.append(path)
                    tasks.append((event.stream_id or 0, path))
                elif isinstance(event, StreamReset):
                    talk.left.append(event.stream_id or 0)
                assert not isinstance(event, DataReceived)
            if len(talk.asked) >= self.greets_after:
                if not greeted:
                    talk.greet(self.takes)
                    greeted = True
                for number, path in tasks:
                    await self.answer(talk, number, path)
                tasks.clear()
                talk.send()
        writer.close()


class Talk:
    """One connection."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self.writer = writer
        self.asked: list[str] = []
        self.left: list[int] = []
        self.held: list[int] = []

    def greet(self, takes: int) -> None:
        told = {SettingCodes.MAX_CONCURRENT_STREAMS: takes}
        self.h2.local_settings = Settings(client=False, initial_values=told)
        self.h2.initiate_connection()

    def give(self, number: int, body: bytes = BODY, *, whole: bool = True) -> None:
        self.h2.send_headers(number, [(b":status", b"200")])
        self.h2.send_data(number, body, end_stream=whole)

    def send(self) -> None:
        self.writer.write(self.h2.data_to_send())


async def says_yes(talk: Talk, number: int, _: str) -> None:
    talk.h2.send_headers(number, [(b":status", b"200")], end_stream=True)


async def gives(talk: Talk, number: int, _: str) -> None:
    talk.give(number)


def test_requests_do_not_wait_for_the_settings_of_a_far_server(tmp_path: Path) -> None:
    server = Server(tmp_path, gives)
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

    server = Server(tmp_path, answer)

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

    server = Server(tmp_path, answer)

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

    server = Server(tmp_path, answer)

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

    server = Server(tmp_path, answer)

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

    server = Server(tmp_path, answer)
    server.takes = 2

    async def main() -> None:
        async with server.client() as (client, url):
            await client.fetch(f"{url}/first")
            asking = [client.fetch(f"{url}/{n}", timeout=HANG) for n in range(STREAMS)]
            assert {answer.body for answer in await asyncio.gather(*asking)} == {BODY}

    asyncio.run(main())
    assert most == server.takes


def test_questions_without_a_body_find_connections_made(tmp_path: Path) -> None:
    server = Server(tmp_path, says_yes)

    async def main() -> None:
        async with server.client() as (client, url):
            await client.connect(url, short=True)
            asking = [client.fetch(f"{url}/{n}", method="HEAD", timeout=HANG) for n in range(12)]
            assert {answer.status for answer in await asyncio.gather(*asking)} == {200}

    asyncio.run(main())
    assert sorted(len(talk.asked) for talk in server.talks) == [12 // SHORT] * SHORT


def test_a_question_without_a_body_goes_over_any_connection_that_is_made(tmp_path: Path) -> None:
    server = Server(tmp_path, says_yes)

    async def main() -> None:
        async with server.client() as (client, url):
            await client.fetch(f"{url}/page", timeout=HANG)
            answer = await client.fetch(f"{url}/file", method="HEAD", timeout=HANG)
            assert answer.status == 200

    asyncio.run(main())
    assert [talk.asked for talk in server.talks] == [["/page", "/file"]]


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
