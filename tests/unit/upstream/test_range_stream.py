"""Few wake-ups, and never a stall: the kernel gathers bytes while they flow fast."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import pytest

from headrace.upstream.client import Client
from lib.capabilities import lacks
from lib.serving import modes
from lib.serving.servers import RecordingServer
from lib.waiting import HANG

DATA = os.urandom(1 << 20)
T = TypeVar("T")


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer({"/f.whl": DATA}) as running:
        yield running


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    """Each loop that the gateway may run on: they hand out sockets of different kinds."""
    if request.param == "asyncio":
        return asyncio.new_event_loop
    found: Callable[[], asyncio.AbstractEventLoop] = pytest.importorskip(
        "uvloop", reason=lacks("system", "uvloop is for CPython on POSIX systems")
    ).new_event_loop
    return found


def use(loop: Callable[[], asyncio.AbstractEventLoop], work: Callable[[Client], Awaitable[T]]) -> T:
    async def main() -> T:
        client = Client({})
        try:
            return await work(client)
        finally:
            await client.aclose()

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main())


def test_gathering_never_stalls_whatever_the_rate(
    server: RecordingServer, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """The mark is raised while bytes flow fast; when they slow down the rest must still come."""
    paces = [50_000_000.0, 3_000_000.0, 400_000.0]

    async def pull(client: Client, rate: float) -> tuple[bytes, int]:
        server.heal()
        server.fail(modes.slow(rate))
        wakes = 0
        end = len(DATA) if rate > 1e6 else 400_000
        async with client.open_range(f"{server.url}/f.whl", 0, end, gap_timeout=HANG) as stream:
            parts = []
            async for part in stream:
                parts.append(part)
                wakes += 1
        return b"".join(parts), wakes

    async def work(client: Client) -> None:
        for rate in paces:
            body, _ = await pull(client, rate)
            assert body == DATA[: len(body)]
            assert len(body) >= 400_000

    use(loop, work)


@pytest.mark.skipif(not hasattr(socket, "SO_RCVLOWAT"), reason=lacks("system", "SO_RCVLOWAT"))
def test_a_mark_that_was_raised_is_lowered_when_bytes_stop(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """A fast burst raises the mark; then come 1000 bytes, and nothing for a long while."""
    total, burst = 4 << 20, 40 * 50_000
    hold = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
            for _ in range(40):
                connection.sendall(bytes(50_000))
                time.sleep(0.005)
            time.sleep(0.02)
            connection.sendall(bytes(1000))
            hold.wait(HANG)

    async def work(client: Client) -> set[int]:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/f.whl"
        marks = set()
        async with client.open_range(url, gap_timeout=HANG / 2) as stream:
            async for _ in stream:
                assert stream._gatherer is not None
                marks.add(stream._gatherer._mark)
                if stream.received == burst + 1000:
                    return marks
        raise AssertionError

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        marks = use(loop, work)
    finally:
        hold.set()
        thread.join()
        listener.close()
    assert marks == {1, 32 << 10}


@pytest.mark.skipif(not hasattr(socket, "SO_RCVLOWAT"), reason=lacks("system", "SO_RCVLOWAT"))
def test_fast_bytes_take_fewer_wake_ups_with_the_mark(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    packet, packets = bytes(4096), 1024

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.recv(65536)
            length = len(packet) * packets
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length)
            for _ in range(packets):
                connection.sendall(packet)
                time.sleep(0.0005)

    async def count(client: Client, port: int) -> int:
        count = 0
        async with client.open_range(f"http://127.0.0.1:{port}/f.whl") as stream:
            async for _ in stream:
                count += 1
                left = len(packet) * packets - stream.received
                if left <= 128 << 10 and stream._gatherer is not None:
                    assert stream._gatherer._mark == 1, "the end is waited for without a mark"
        return count

    def wakes() -> int:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=serve, args=(listener,))
            thread.start()
            try:
                return use(loop, lambda client: count(client, listener.getsockname()[1]))
            finally:
                thread.join()

    # Where the system is busy several packets come at a time with or without the mark.
    assert wakes() < packets // 2
