"""An upstream that says without end that it will answer soon is left, before it costs anything.

What is counted is what it could send, the buffers of both systems included; no clock decides.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from headrace.errors import UpstreamError
from headrace.models import Fault
from headrace.upstream.client import Client
from headrace.upstream.http2.connection import WINDOW
from lib.serving.certificates import authority
from lib.waiting import HANG

#: Bytes that wait in the buffers of a connection on loopback, and more.
BUFFERS = 8 << 20
SETTINGS = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
PING = bytes((0, 0, 8, 6, 0, 0, 0, 0, 0)) + b"\0" * 8
EMPTY_DATA = bytes((0, 0, 0, 0, 0, 0, 0, 0, 1))
PADDING = bytes((0, 0, 2, 0, 8, 0, 0, 0, 1)) + b"\1\0"
HEAD = bytes((0, 0, 1, 1, 4, 0, 0, 0, 1)) + b"\x88"
DATA = bytes((0, 0x40, 0, 0, 0, 0, 0, 0, 1)) + bytes(1 << 14)
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"

Sends = Callable[[asyncio.StreamReader], AsyncIterator[bytes]]


async def _interim(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    await reader.readuntil(b"\r\n\r\n")
    while True:
        yield INTERIM * 100


async def _in_small_pieces(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    await reader.readuntil(b"\r\n\r\n")
    while True:
        for byte in INTERIM:
            yield bytes((byte,))
            await asyncio.sleep(0)


async def _pings(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    await reader.read(100)
    yield SETTINGS
    while True:
        yield PING * 100


async def _nothing_in_the_body(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    await reader.read(100)
    yield SETTINGS + HEAD
    while True:
        yield EMPTY_DATA * 100


async def _padding(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    await reader.read(100)
    yield SETTINGS + HEAD
    while True:
        yield PADDING * 100


async def _data(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    await reader.read(100)
    yield SETTINGS + HEAD
    while True:
        yield DATA


async def _crumbs(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    await reader.readuntil(b"\r\n\r\n")
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    while True:
        yield b"1\r\na\r\n" * 100


class Flood:
    """Listens, and counts what it could send."""

    def __init__(self, sends: Sends, tls: ssl.SSLContext | None = None) -> None:
        self.sent = 0
        self.ended = asyncio.Event()
        self._sends = sends
        self._tls = tls

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        async with server:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            async for piece in self._sends(reader):
                writer.write(piece)
                await writer.drain()
                self.sent += len(piece)
                if self.sent > 16 * BUFFERS:
                    break
        self.ended.set()
        writer.close()


def fault_of(flood: Flood, url: str, env: dict[str, str]) -> UpstreamError:
    async def main() -> UpstreamError:
        async with flood.running() as address:
            client = Client({name: text.format(address) for name, text in env.items()})
            try:
                with pytest.raises(UpstreamError) as caught:
                    await client.fetch(url.format(address), timeout=HANG)
                return caught.value
            finally:
                await client.aclose()

    return asyncio.run(main())


@pytest.mark.parametrize("sends", [_interim, _in_small_pieces])
@pytest.mark.parametrize("proxy", ["", "http://{}"])
def test_interim_answers_without_end(sends: Sends, proxy: str) -> None:
    flood = Flood(sends)
    url = "http://origin.example/" if proxy else "http://{}/"
    error = fault_of(flood, url, {"HTTP_PROXY": proxy})
    assert error.fault is Fault.PROTOCOL
    assert flood.sent < BUFFERS


@pytest.mark.parametrize("sends", [_interim, _pings, _nothing_in_the_body, _padding])
def test_frames_without_end(tmp_path: Path, sends: Sends) -> None:
    company = authority(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    if sends is not _interim:
        tls.set_alpn_protocols(["h2"])
    flood = Flood(sends, tls)
    error = fault_of(flood, "https://{}/", {"SSL_CERT_FILE": str(company.certificate)})
    assert error.fault is Fault.PROTOCOL
    assert flood.sent < BUFFERS


def test_what_nobody_waits_for_any_more(tmp_path: Path) -> None:
    """A body that a server goes on with when its reader has left, and said so."""
    company = authority(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    tls.set_alpn_protocols(["h2"])
    flood = Flood(_data, tls)

    async def main() -> None:
        async with flood.running() as address:
            client = Client({"SSL_CERT_FILE": str(company.certificate)})
            async with client.open_document(f"https://{address}/", timeout=HANG) as document:
                await anext(aiter(document))
            await flood.ended.wait()
            await client.aclose()

    asyncio.run(main())
    assert flood.sent < 3 * WINDOW + BUFFERS


def test_a_body_in_crumbs() -> None:
    flood = Flood(_crumbs)
    error = fault_of(flood, "http://{}/", {})
    assert error.fault is Fault.PROTOCOL
    assert flood.sent < BUFFERS


def test_a_few_interim_answers_are_no_fault() -> None:
    async def sends(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        await reader.readuntil(b"\r\n\r\n")
        yield INTERIM * 20
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    async def main() -> bytes:
        async with Flood(sends).running() as address:
            client = Client({})
            try:
                return (await client.fetch(f"http://{address}/", timeout=HANG)).body
            finally:
                await client.aclose()

    assert asyncio.run(main()) == b"ok"
