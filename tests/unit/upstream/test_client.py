"""The HTTP client against real servers: ranges, redirects, faults in our words."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from email.utils import formatdate
from types import SimpleNamespace
from typing import TypeVar

import pytest

from headrace.errors import UpstreamError
from headrace.models import Fault
from headrace.upstream import responses
from headrace.upstream.client import Client, RangeStream, UpstreamResponse
from lib.serving import modes, ports
from lib.serving.servers import RecordingServer, Reply
from lib.waiting import HANG

DATA = os.urandom(1 << 20)
T = TypeVar("T")


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer({"/f.whl": DATA, "/page": b"<html>page</html>"}) as running:
        yield running


def use(work: Callable[[Client], Awaitable[T]]) -> T:
    async def main() -> T:
        client = Client({})
        try:
            return await work(client)
        finally:
            await client.aclose()

    return asyncio.run(main())


def read(url: str, start: int = 0, end: int | None = None, **more: float) -> tuple[bytes, str]:
    async def work(client: Client) -> tuple[bytes, str]:
        async with client.open_range(url, start, end, **more) as stream:  # type: ignore[arg-type]
            return b"".join([part async for part in stream]), repr(stream)

    return use(work)


def fault_of(call: Callable[[], object]) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        call()
    return caught.value


def test_a_range_is_what_was_asked_and_nothing_else(server: RecordingServer) -> None:
    async def work(client: Client) -> None:
        async with client.open_range(f"{server.url}/f.whl", 1000, 5000) as stream:
            assert (stream.status, stream.start, stream.end) == (206, 1000, 5000)
            assert stream.ranged
            assert stream.total == len(DATA)
            assert stream.version() is not None
            assert stream.rtt > 0
            assert b"".join([part async for part in stream]) == DATA[1000:5000]

    use(work)
    [seen] = server.seen
    assert seen.headers["range"] == "bytes=1000-4999"
    assert seen.headers["accept-encoding"] == "identity"
    assert seen.headers["user-agent"].startswith("headrace/")
    assert "cookie" not in seen.headers
    assert "authorization" not in seen.headers


def test_the_whole_file_is_asked_without_a_range(server: RecordingServer) -> None:
    assert read(f"{server.url}/f.whl")[0] == DATA
    assert "range" not in server.seen[0].headers


def test_an_open_range_goes_to_the_end(server: RecordingServer) -> None:
    assert read(f"{server.url}/f.whl", 1_000_000)[0] == DATA[1_000_000:]
    assert server.seen[0].headers["range"] == "bytes=1000000-"


def test_a_server_without_ranges_says_so_by_its_stream(server: RecordingServer) -> None:
    server.ranges = False

    async def work(client: Client) -> None:
        async with client.open_range(f"{server.url}/f.whl", 5, 10) as stream:
            assert not stream.ranged
            assert (stream.start, stream.end, stream.total) == (0, len(DATA), len(DATA))

    use(work)


def test_one_connection_serves_many_ranges_when_the_reader_stops_at_the_last_byte(
    server: RecordingServer,
) -> None:
    async def work(client: Client) -> list[bool]:
        fresh = []
        for start in range(0, 1 << 20, 1 << 18):
            async with client.open_range(f"{server.url}/f.whl", start, start + (1 << 18)) as stream:
                fresh.append(stream.fresh)
                async for _ in stream:
                    if stream.received == 1 << 18:
                        break  # as a scheduler does: the iterator is not run to its end
        return fresh

    assert use(work) == [True, False, False, False]


def test_a_drained_rest_keeps_the_connection_and_a_long_one_is_dropped(
    server: RecordingServer,
) -> None:
    async def work(client: Client) -> list[bool]:
        fresh = []
        for limit in (1 << 20, 1 << 20, 1, 1):
            async with client.open_range(f"{server.url}/f.whl", 0, 1 << 20) as stream:
                fresh.append(stream.fresh)
                await anext(stream)
                drained = await stream.drain(limit)
                assert drained is (limit > 1)
        return fresh

    assert use(work) == [True, False, False, True]


def test_a_kept_connection_that_the_server_closed_is_no_fault(server: RecordingServer) -> None:
    async def work(client: Client) -> bytes:
        url = f"{server.url}/f.whl"
        async with client.open_range(url, 0, 10) as stream:
            assert [part async for part in stream] == [DATA[:10]]
        await asyncio.to_thread(server.close)
        await asyncio.to_thread(server.start)
        return (await client.fetch(url)).body

    assert use(work) == DATA


def test_a_request_that_crosses_the_servers_close_is_asked_again() -> None:
    """The server closes a kept connection just when the next request arrives on it."""
    listener = socket.create_server(("127.0.0.1", 0))
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    asked = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    asked.append(connection.recv(65536))
                    connection.sendall(answer)
                    asked.append(connection.recv(65536))

    async def work(client: Client) -> list[bytes]:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        return [(await client.fetch(url)).body for _ in range(3)]

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert use(work) == [b"ok"] * 3
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
    assert len([request for request in asked if request]) == 5


@pytest.mark.parametrize(
    ("mode", "fault"),
    [
        (modes.status(404), Fault.MISSING),
        (modes.status(410), Fault.MISSING),
        (modes.status(401), Fault.FORBIDDEN),
        (modes.status(403), Fault.FORBIDDEN),
        (modes.status(451), Fault.FORBIDDEN),
        (modes.status(429, retry_after="7"), Fault.RATE_LIMITED),
        (modes.status(503, retry_after="7"), Fault.RATE_LIMITED),
        (modes.status(503), Fault.SERVER_ERROR),
        (modes.status(500), Fault.SERVER_ERROR),
        (modes.status(204), Fault.NOT_THE_FILE),
        (modes.status(418), Fault.PROTOCOL),
        (modes.HTML, Fault.NOT_THE_FILE),
        (modes.GZIP, Fault.NOT_THE_FILE),
        (modes.cut(100), Fault.CUT),
        (modes.cut(100, reset=True), Fault.CUT),
        (modes.TRUNCATE, Fault.CUT),
        (modes.SILENT, Fault.SILENT),
        (modes.stall(100), Fault.STALLED),
        (modes.GARBAGE, Fault.PROTOCOL),
    ],
    ids=lambda value: str(getattr(value, "value", getattr(value, "kind", value))),
)
def test_each_misbehaviour_has_its_word(
    server: RecordingServer, mode: modes.Mode, fault: Fault
) -> None:
    server.fail(mode)
    url = f"{server.url}/f.whl"
    # Only who is to be found out by waiting is waited for.
    first = 0.5 if fault is Fault.SILENT else HANG
    gap = 0.5 if fault is Fault.STALLED else HANG
    error = fault_of(lambda: read(url, 10, 500_000, first_byte_timeout=first, gap_timeout=gap))
    assert error.fault is fault
    if mode.retry_after:
        assert error.retry_after == 7.0


NOW = 1_800_000_000.0
DAY = 86_400.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        (" 7 ", 7.0),
        (f"{DAY:.0f}", DAY),
        ("86401", DAY),
        ("9" * 400, DAY),
        ("-7", None),
        ("1.5", None),
        ("soon", None),
        (formatdate(NOW + 60, usegmt=True), 60.0),
        (formatdate(NOW - 60, usegmt=True), 0.0),
        (formatdate(NOW + 365 * DAY, usegmt=True), DAY),
        ("Fri, 31 Dec 9999 23:59:59 GMT", DAY),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
    ],
)
def test_a_pause_that_a_server_names_is_believed_for_a_day_at_most(
    text: str | None, seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responses, "time", SimpleNamespace(time=lambda: NOW))
    headers = {} if text is None else {"retry-after": text}
    for status in (429, 503):
        error = responses.judge_status(status, headers, "https://mirror.example/a")
        assert error is not None
        assert error.retry_after == seconds
        named = status == 429 or seconds is not None
        assert error.fault is (Fault.RATE_LIMITED if named else Fault.SERVER_ERROR)


def test_a_page_may_be_cut_or_silent_too(server: RecordingServer) -> None:
    server.fail(modes.cut(5), "/page")
    assert fault_of(lambda: use(lambda c: c.fetch(f"{server.url}/page"))).fault is Fault.CUT
    server.heal()
    server.fail(modes.SILENT, "/page")
    error = fault_of(lambda: use(lambda c: c.fetch(f"{server.url}/page", deadline=0.3)))
    assert error.fault is Fault.SILENT


def test_nobody_there_is_told_apart() -> None:
    with ports.refusing() as url:
        assert fault_of(lambda: read(f"{url}/f.whl")).fault is Fault.REFUSED
    with ports.black_hole() as url:
        error = fault_of(lambda: read(f"{url}/f.whl", connect_timeout=0.3))
        assert error.fault is Fault.SILENT
    error = fault_of(lambda: read("http://no-such-host.invalid/f.whl"))
    assert error.fault is Fault.UNREACHABLE
    assert "no-such-host.invalid" in str(error)


def raw_server(answer: bytes) -> contextlib.AbstractContextManager[str]:
    """Give the URL of a server that sends these bytes to whoever asks anything."""

    @contextlib.contextmanager
    def running() -> Iterator[str]:
        listener = socket.create_server(("127.0.0.1", 0))

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/f.whl"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join()

    return running()


PARTIAL = "HTTP/1.1 206 Partial Content\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    ("head", "fault"),
    [
        (f"{PARTIAL}Content-Length: 10\r\n", Fault.NOT_THE_FILE),
        (f"{PARTIAL}Content-Range: bytes 0-9/100\r\nContent-Length: 10\r\n", Fault.NOT_THE_FILE),
        (f"{PARTIAL}Content-Range: bytes 20-30/100\r\nContent-Length: 11\r\n", Fault.NOT_THE_FILE),
        (f"{PARTIAL}Content-Range: bytes 20-29/25\r\nContent-Length: 10\r\n", Fault.NOT_THE_FILE),
        (f"{PARTIAL}Content-Range: bytes 20-29/100\r\nContent-Length: 9\r\n", Fault.NOT_THE_FILE),
        (f"{PARTIAL}Content-Range: bytes 29-20/100\r\n", Fault.NOT_THE_FILE),
        (f"{PARTIAL}Content-Range: bytes nonsense\r\n", Fault.NOT_THE_FILE),
        (f"{PARTIAL}Content-Type: multipart/byteranges; boundary=x\r\n", Fault.NOT_THE_FILE),
        ("HTTP/1.1 416 No\r\nContent-Range: bytes */5\r\n", Fault.NOT_THE_FILE),
        ("HTTP/1.1 302 Found\r\n", Fault.PROTOCOL),
        ("HTTP/1.1 302 Found\r\nLocation: ftp://x/y\r\n", Fault.PROTOCOL),
        ("HTTP/1.1 302 Found\r\nLocation: http://[bad/y\r\n", Fault.PROTOCOL),
        ("SSH-2.0-OpenSSH\r\n", Fault.PROTOCOL),
        ("", Fault.CUT),
    ],
)
def test_headers_that_cannot_be_the_range_are_refused(head: str, fault: Fault) -> None:
    answer = f"{head}\r\n0123456789".encode() if head else b""
    with raw_server(answer) as url:
        assert fault_of(lambda: read(url, 20, 30)).fault is fault


def test_a_shorter_range_than_asked_is_taken_for_what_it_is() -> None:
    head = f"{PARTIAL}Content-Range: bytes 20-24/100\r\nContent-Length: 5\r\n\r\nabcde"
    with raw_server(head.encode()) as url:
        body, shown = read(url, 20, 30)
    assert body == b"abcde"
    assert "20+5/25" in shown


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    with raw_server(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc") as url:
        assert read(url)[0] == b"abc"


def test_chunked_bodies_are_read() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    with raw_server(chunked) as url:
        assert read(url)[0] == b"abc"


def test_compressed_files_that_are_called_compressed_are_taken(server: RecordingServer) -> None:
    packed = gzip.compress(b"sdist")
    server.content["/a.tar.gz"] = Reply(packed, headers={"Content-Encoding": "gzip"})
    assert read(f"{server.url}/a.tar.gz")[0] == packed


def test_documents_are_decoded_and_bounded(server: RecordingServer) -> None:
    server.content["/big"] = Reply(b"x" * 100_000, content_type="text/html")
    server.compress = True

    async def work(client: Client) -> UpstreamResponse:
        return await client.fetch(f"{server.url}/big", limit=100_000)

    answer = use(work)
    assert answer.body == b"x" * 100_000
    assert "content-encoding" not in answer.headers
    assert "content-length" not in answer.headers
    error = fault_of(lambda: use(lambda c: c.fetch(f"{server.url}/big", limit=99_999)))
    assert error.fault is Fault.NOT_THE_FILE


def test_a_documents_status_is_an_answer(server: RecordingServer) -> None:
    answer = use(lambda c: c.fetch(f"{server.url}/nothing"))
    assert answer.status == 404
    error = answer.error()
    assert error is not None
    assert error.fault is Fault.MISSING
    assert use(lambda c: c.fetch(f"{server.url}/page", method="HEAD")).body == b""


def test_headers_of_the_caller_win(server: RecordingServer) -> None:
    use(lambda c: c.fetch(f"{server.url}/page", headers={"User-Agent": "pip/26.3", "Accept": "a"}))
    assert server.seen[0].headers["user-agent"] == "pip/26.3"
    assert server.seen[0].headers["accept"] == "a"


# ------------------------------------------------------------------ redirects


def test_redirects_lose_the_credential_at_the_border(server: RecordingServer) -> None:
    with RecordingServer({"/f.whl": DATA}) as other:
        server.fail(modes.redirect(other.url), "/f.whl")
        answer = use(
            lambda c: c.fetch(
                f"{server.url}/f.whl",
                headers={"Authorization": "Basic eDp5", "Cookie": "a=b", "X-Kept": "1"},
            )
        )
    assert answer.body == DATA
    assert answer.url == f"{other.url}/f.whl"
    assert server.seen[0].headers["authorization"] == "Basic eDp5"
    assert "authorization" not in other.seen[0].headers
    assert "cookie" not in other.seen[0].headers
    assert other.seen[0].headers["x-kept"] == "1"


def test_redirects_at_home_keep_the_credential(server: RecordingServer) -> None:
    server.content["/old"] = Reply(b"", status=301, headers={"Location": "f.whl"})
    headers = {"authorization": "Basic eDp5"}
    answer = use(lambda c: c.fetch(f"{server.url}/old", headers=headers))
    assert answer.body == DATA
    assert [s.headers.get("authorization") for s in server.seen] == ["Basic eDp5"] * 2


def test_a_range_survives_its_redirect(server: RecordingServer) -> None:
    server.content["/old"] = Reply(b"", status=302, headers={"Location": "/f.whl"})
    assert read(f"{server.url}/old", 10, 20)[0] == DATA[10:20]


def test_endless_redirects_end(server: RecordingServer) -> None:
    server.content["/loop"] = Reply(b"", status=302, headers={"Location": "/loop"})
    assert fault_of(lambda: read(f"{server.url}/loop")).fault is Fault.PROTOCOL
    assert len(server.seen) == 6


def test_cookies_are_never_kept(server: RecordingServer) -> None:
    server.content["/page"] = Reply(b"x", headers={"Set-Cookie": "track=me"})

    async def work(client: Client) -> None:
        for _ in range(2):
            await client.fetch(f"{server.url}/page")

    use(work)
    assert ["cookie" in seen.headers for seen in server.seen] == [False, False]


# ------------------------------------------------------------------ cost of being there


def test_the_library_is_not_imported_before_it_is_needed() -> None:
    code = (
        "import sys; from headrace.upstream.client import Client; Client({});"
        "print([m for m in ('httpx', 'httpcore', 'anyio', 'h2', 'certifi') if m in sys.modules])"
    )
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    )
    assert out.stdout.strip() == "[]"


def test_a_stream_shows_where_it_is(server: RecordingServer) -> None:
    async def work(client: Client) -> str:
        url = f"{server.url}/f.whl?token=secret"
        server.content["/f.whl?token=secret"] = DATA
        stream: RangeStream
        async with client.open_range(url, 0, 10) as stream:
            return repr(stream)

    assert "secret" not in use(work)


# ------------------------------------------------------------------ how far somebody is


def test_lowest_round_trip_of_a_host_is_known_once_it_has_answered(server: RecordingServer) -> None:
    async def work(client: Client) -> list[float | None]:
        url = f"{server.url}/page"
        found = [client.round_trip(url)]
        for delay in (0.3, 0.0, 0.3):
            server.delay = delay
            await client.fetch(url)
            found.append(client.round_trip(url))
        return [*found, client.round_trip("http://127.0.0.1:1/page")]

    before, slow, quick, last, other = use(work)
    assert before is None
    assert slow is not None
    assert slow >= 0.3
    assert quick is not None
    assert quick == last
    assert quick < slow
    assert other is None


def test_whoever_waits_for_the_first_sign_of_a_host_waits_no_longer(
    server: RecordingServer,
) -> None:
    release = threading.Event()
    server.fail(modes.held(release))

    async def work(client: Client) -> list[bool]:
        url = f"{server.url}/page"
        waiting = [asyncio.ensure_future(client.greeted(url, HANG)) for _ in "ab"]
        asked = asyncio.ensure_future(client.fetch(url))
        await asyncio.sleep(0)
        early = [task.done() for task in waiting]
        release.set()
        await asyncio.gather(asked, *waiting)
        await client.greeted(url, HANG)
        await client.greeted("http://127.0.0.1:1/nobody", 0.0)
        return early

    assert use(work) == [False, False]
