"""An HTTP/2 server whose answers a test decides on, frame by frame."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamReset
from h2.settings import SettingCodes, Settings

from headrace.upstream.client import Client
from lib.serving.certificates import authority

__all__ = ["BODY", "Http2Server", "Talk", "gives"]

BODY = b"a page of the origin's" * 20


class Http2Server:
    """Its answers are those of `answer`, request by request."""

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


async def gives(talk: Talk, number: int, _: str) -> None:
    """Answer with `BODY`, whatever is asked."""
    talk.give(number)
