"""What is only passed on goes over the connections that bytes have; a login has its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import pytest

from headrace.upstream.client import Client
from lib.serving.servers import RecordingServer

FILE = "/own/file.bin"
CONTENT = bytes(range(256)) * 4096
AGENT = (b"User-Agent", b"tool/1")


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer(name="origin", content={FILE: CONTENT}) as made:
        yield made


def ask(server: RecordingServer, *asked: Sequence[tuple[bytes, bytes]] | None) -> list[bytes]:
    """Pass on requests with these headers, one after the other; None: fetch it ourselves."""

    async def run() -> list[bytes]:
        client, got = Client({}), []
        try:
            for headers in asked:
                url = server.url + FILE
                if headers is None:
                    async with client.open_range(url) as stream:
                        got.append(b"".join([bytes(part) async for part in stream]))
                    continue
                async with client.relay("GET", url, headers, None) as answer:
                    assert (b"content-length", str(len(CONTENT)).encode()) in {
                        (name.lower(), value) for name, value in answer.raw_headers
                    }
                    got.append(b"".join([part async for part in answer.response.aiter_raw()]))
        finally:
            await client.aclose()
        return got

    return asyncio.run(run())


def test_what_is_passed_on_shares_the_connections_of_bytes(server: RecordingServer) -> None:
    assert ask(server, [AGENT], None, [AGENT]) == [CONTENT] * 3
    assert [seen.connection for seen in server.requests(FILE)] == [1, 1, 1]


@pytest.mark.parametrize("name", [b"Authorization", b"cookie"])
def test_a_connection_on_which_a_login_was_shown_is_nobody_elses(
    server: RecordingServer, name: bytes
) -> None:
    assert ask(server, [AGENT, (name, b"me")], None, [AGENT]) == [CONTENT] * 3
    first, *others = [seen.connection for seen in server.requests(FILE)]
    assert first not in others


def test_the_host_is_named_once_and_as_its_client_did(server: RecordingServer) -> None:
    ask(server, [AGENT, (b"host", b"localhost:1")], [AGENT])
    told = [seen.headers["host"] for seen in server.requests(FILE)]
    assert told == ["localhost:1", server.url.removeprefix("http://")]
