"""The connections for bytes: what is kept, what is given up, and what lies in memory meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import h11
import httpcore
import pytest

from headrace.errors import UpstreamError
from headrace.models import Fault
from headrace.upstream.client import Client
from headrace.upstream.http1 import streams
from headrace.upstream.http1.streams import PIECE
from lib.capabilities import lacks
from lib.waiting import HANG

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Work = Callable[[str, Client], Awaitable[Any]]
#: More than lies in the buffers of a connection on loopback and of its reader.
LONG = 24 << 20


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    """Each loop that the gateway may run on."""
    if request.param == "asyncio":
        return asyncio.new_event_loop
    found: Callable[[], asyncio.AbstractEventLoop] = pytest.importorskip(
        "uvloop", reason=lacks("system", "uvloop is for CPython on POSIX systems")
    ).new_event_loop
    return found


class Server:
    """Answers each request on each connection as told, and counts both."""

    def __init__(self, *answers: bytes) -> None:
        """The last answer again and again."""
        self.answers = list(answers)
        self.connections: list[int] = []
        """Requests on each."""
        self.left = asyncio.Event()
        """A client has gone."""
        self.sent = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        serving: list[asyncio.Task[None]] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            serving.append(task)
            with contextlib.suppress(OSError):
                await self.serve(reader, writer)
            self.left.set()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/f.whl"
        if serving:
            await asyncio.wait(serving)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.connections)
        self.connections.append(0)
        with contextlib.suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                self.connections[number] += 1
                await self.answer(writer)

    async def answer(self, writer: asyncio.StreamWriter) -> None:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        for start in range(0, len(answer), 1 << 16):
            writer.write(answer[start : start + (1 << 16)])
            await writer.drain()
            self.sent += 1 << 16


def use(
    loop: Callable[[], asyncio.AbstractEventLoop],
    server: Callable[[], Server],
    work: Callable[[str, Client, Server], Awaitable[None]],
) -> Server:
    async def main() -> Server:
        client, running = Client({}), server()
        try:
            async with running.running() as url:
                async with asyncio.timeout(HANG):
                    await work(url, client, running)
                await client.aclose()
        finally:
            await client.aclose()
        return running

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main())


async def thrice(url: str, client: Client, _: Server) -> None:
    for _turn in range(3):
        async with client.open_range(url) as stream:
            assert b"".join([piece async for piece in stream]) == b"0123456789"


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKED += b"a\r\n0123456789\r\n0\r\n\r\n"
TEN = b"Content-Length: 10\r\n\r\n0123456789"


@pytest.mark.parametrize(
    ("answer", "connections"),
    [
        (b"HTTP/1.1 200 OK\r\n" + TEN, [3]),
        (b"HTTP/1.1 200 OK\r\nConnection: Keep-Alive, x\r\n" + TEN, [3]),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n" + TEN, [3]),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n" + TEN, [3]),
        (CHUNKED, [3]),
        (b"HTTP/1.1 200 OK\r\nConnection: x\r\nConnection: Close\r\n" + TEN, [1, 1, 1]),
        (b"HTTP/1.0 200 OK\r\n" + TEN, [1, 1, 1]),
        # What nobody asked for would be taken for the next answer.
        (b"HTTP/1.1 200 OK\r\n" + TEN + b"HTTP/1.1 200 OK\r\n" + TEN, [1, 1, 1]),
        (CHUNKED + b"HTTP/1.1 200 OK\r\n", [1, 1, 1]),
    ],
)
def test_a_connection_is_kept_where_an_answer_ends_as_it_should(
    loop: Callable[[], asyncio.AbstractEventLoop], answer: bytes, connections: list[int]
) -> None:
    assert use(loop, lambda: Server(answer), thrice).connections == connections


@pytest.mark.parametrize(
    ("answer", "connections"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", [3]),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", [3]),
        (b"HTTP/1.1 200 OK\r\n" + TEN, [1, 1, 1]),
    ],
)
def test_a_head_alone_keeps_its_connection_where_no_body_follows(
    loop: Callable[[], asyncio.AbstractEventLoop], answer: bytes, connections: list[int]
) -> None:
    async def work(url: str, client: Client, _: Server) -> None:
        for _turn in range(3):
            found = await client.fetch(url, method="HEAD")
            assert (found.headers["content-length"], found.body) == ("10", b"")

    assert use(loop, lambda: Server(answer), work).connections == connections


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 11\r\n\r\n0123456789",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n0123456789",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x10\r\n\r\n0123456789",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * (128 << 10) + b"\r\n" + TEN,
    ],
)
def test_a_head_in_which_two_readers_see_two_things_is_refused(
    loop: Callable[[], asyncio.AbstractEventLoop], answer: bytes
) -> None:
    async def work(url: str, client: Client, _: Server) -> None:
        with pytest.raises(UpstreamError) as caught:
            async with client.open_range(url):
                pass
        assert caught.value.fault is Fault.PROTOCOL

    use(loop, lambda: Server(answer), work)


def test_who_does_not_read_stops_the_sender_and_gives_up_in_one_step(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LONG + bytes(LONG)

    async def work(url: str, client: Client, server: Server) -> None:
        async with client.open_range(url) as stream:
            await anext(stream)
            before = -1
            while before < server.sent:  # until it stands
                before = server.sent
                await asyncio.sleep(0.2)
            assert before < LONG
        await server.left.wait()
        assert server.sent < LONG

    use(loop, lambda: Server(answer), work)


def test_what_is_lent_is_used_again_and_what_is_given_is_not(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    data = os.urandom(8 << 20)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data

    async def work(url: str, client: Client, _: Server) -> None:
        async with client.open_range(url) as stream:
            given = [piece async for piece in stream]
        assert {type(piece) for piece in given} == {bytes}
        assert b"".join(given) == data
        assert max(map(len, given)) <= PIECE
        lent, buffers = bytearray(), set[int]()
        async with client.open_range(url) as stream:
            stream.lent = True
            async for piece in stream:
                lent += piece
                if isinstance(piece, memoryview):
                    buffers.add(id(piece.obj))
        assert lent == data
        assert len(buffers) <= 2

    use(loop, lambda: Server(answer), work)


def test_a_server_that_does_not_speak_tls_is_left_in_time(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    class Silent(Server):
        async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:  # noqa: ARG002
            while await reader.read(1 << 16):
                pass

    async def work(url: str, client: Client, server: Server) -> None:
        with pytest.raises(UpstreamError) as caught:
            async with client.open_range(url.replace("http:", "https:"), connect_timeout=0.3):
                pass
        assert caught.value.fault is Fault.SILENT
        await server.left.wait()

    use(loop, lambda: Silent(b""), work)


def test_of_idle_connections_the_youngest_is_asked_and_the_oldest_go() -> None:
    async def main() -> tuple[list[int], int]:
        server, client = Server(b"HTTP/1.1 200 OK\r\n" + TEN), Client({}, connections=2)
        async with server.running() as url:
            async with contextlib.AsyncExitStack() as stack:
                for _ in range(4):
                    stream = await stack.enter_async_context(client.open_range(url))
                    assert [piece async for piece in stream] == [b"0123456789"]
            await server.left.wait()
            await thrice(url, client, server)
            [pool] = client._transports._direct.values()
            kept = len(pool._idle)
            await client.aclose()
        return server.connections, kept

    connections, kept = asyncio.run(asyncio.wait_for(main(), HANG))
    assert (sorted(connections), kept) == ([1, 1, 1, 4], 2)


def test_an_idle_connection_holds_no_buffer() -> None:
    async def main() -> list[Any]:
        server, client = Server(b"HTTP/1.1 200 OK\r\n" + TEN), Client({})
        async with server.running() as url:
            await thrice(url, client, server)
            [pool] = client._transports._direct.values()
            [idle] = pool._idle
            assert idle._stream is not None
            incoming = idle._stream._incoming
            held = [incoming._buffer, incoming._lent, *streams._buffers._free]
            await client.aclose()
        return held

    assert asyncio.run(asyncio.wait_for(main(), HANG)) == [None, None]


def test_what_is_lent_stays_as_it_is_whatever_other_connections_bring(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    data = os.urandom(8 << 20)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data
    buffers = set[mmap.mmap]()

    async def follow(url: str, client: Client) -> None:
        offset = 0
        async with client.open_range(url) as stream:
            stream.lent = True
            async for piece in stream:
                await asyncio.sleep(0.001)  # meanwhile the others read
                assert piece == data[offset : offset + len(piece)]
                offset += len(piece)
                if isinstance(piece, memoryview) and isinstance(piece.obj, mmap.mmap):
                    buffers.add(piece.obj)
        assert offset == len(data)

    async def work(url: str, client: Client, _: Server) -> None:
        await asyncio.gather(*(follow(url, client) for _ in range(40)))
        assert sorted({len(buffer) for buffer in buffers}) == [streams._SMALL_PIECE, PIECE]
        assert sum(len(buffer) == PIECE for buffer in buffers) <= streams._LARGE
        assert not streams._buffers._free

    use(loop, lambda: Server(answer), work)


def test_of_what_comes_with_a_head_little_goes_through_the_parser_and_none_is_lost(
    loop: Callable[[], asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(1 << 20)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data
    parsed: list[int] = []
    receive = h11.Connection.receive_data

    def counted(self: h11.Connection, content: bytes) -> None:
        parsed.append(len(content))
        receive(self, content)

    monkeypatch.setattr(h11.Connection, "receive_data", counted)

    async def work(url: str, client: Client, _: Server) -> None:
        for _turn in range(3):
            lent = bytearray()
            async with client.open_range(url) as stream:
                stream.lent = True
                async for piece in stream:
                    lent += piece
            assert lent == data

    server = use(loop, lambda: Server(answer), work)
    assert server.connections == [3]
    assert max(parsed) <= 8 << 10


def test_each_wait_has_its_own_patience_and_a_connection_at_rest_has_no_clock(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def main() -> None:
        told, left = asyncio.Event(), asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for _ in range(2):
                await told.wait()
                told.clear()
                writer.write(b"x")
            with contextlib.suppress(OSError):
                await reader.read()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            left.set()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            stream = await streams.SocketBackend().connect_tcp("127.0.0.1", port)
            incoming = stream._incoming
            told.set()
            assert bytes(await stream.borrow(HANG)) == b"x"
            # The clock of the wait before is late for this one.
            with pytest.raises(httpcore.ReadTimeout):
                await stream.borrow(0.01)
            asking = asyncio.ensure_future(stream.borrow(None))
            told.set()
            assert bytes(await asking) == b"x"
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(stream.borrow(HANG), 0.01)
            assert incoming._timer is not None
            stream.rest()
            assert incoming._timer is None
            await stream.aclose()
            await left.wait()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())
