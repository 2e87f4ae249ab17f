from __future__ import annotations

import http.client
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping

import pytest

from lib.serving import modes
from lib.serving.ports import black_hole, held_port, refusing
from lib.serving.servers import RecordingServer, Reply
from lib.waiting import HANG, until

BODY = bytes(range(256)) * 400


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer({"/file": BODY, "/a b+c": b"plus"}) as running:
        yield running


def get(
    server: RecordingServer,
    path: str = "/file",
    headers: Mapping[str, str] | None = None,
    method: str = "GET",
) -> tuple[int, Mapping[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=HANG)
    try:
        connection.request(method, path, headers=dict(headers or {}))
        answer = connection.getresponse()
        found = {k.lower(): v for k, v in answer.getheaders()}
        return answer.status, found, answer.read()
    finally:
        connection.close()


def test_file_is_served_and_the_request_is_recorded(server: RecordingServer) -> None:
    status, headers, body = get(server, headers={"X-Test": "yes"})
    assert (status, body) == (200, BODY)
    assert headers["accept-ranges"] == "bytes"
    (seen,) = server.seen
    assert (seen.method, seen.path, seen.status, seen.sent) == ("GET", "/file", 200, len(BODY))
    assert seen.headers["x-test"] == "yes"
    assert seen.range is None


@pytest.mark.parametrize(
    ("header", "first", "end"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, None),
        ("bytes=-7", -7, None),
        ("bytes=5-9999999", 5, None),
    ],
)
def test_range_is_answered_as_rfc_9110_says(
    server: RecordingServer, header: str, first: int, end: int | None
) -> None:
    status, headers, body = get(server, headers={"Range": header})
    part = BODY[first:end]
    assert (status, body) == (206, part)
    start = first % len(BODY)
    assert headers["content-range"] == f"bytes {start}-{start + len(part) - 1}/{len(BODY)}"


def test_range_beyond_the_end_is_416(server: RecordingServer) -> None:
    status, headers, _ = get(server, headers={"Range": f"bytes={len(BODY)}-"})
    assert (status, headers["content-range"]) == (416, f"bytes */{len(BODY)}")


def test_if_range_with_another_etag_gives_the_whole(server: RecordingServer) -> None:
    status, _, body = get(server, headers={"Range": "bytes=5-", "If-Range": '"other"'})
    assert (status, body) == (200, BODY)


def test_head_and_etag_and_304(server: RecordingServer) -> None:
    status, headers, body = get(server, method="HEAD")
    assert (status, headers["content-length"], body) == (200, str(len(BODY)), b"")
    assert get(server, headers={"If-None-Match": headers["etag"]})[0] == 304


def test_paths_are_decoded_once(server: RecordingServer) -> None:
    assert get(server, "/a%20b%2Bc?x=1")[2] == b"plus"
    assert server.seen[0].path == "/a b+c"
    assert server.seen[0].target == "/a%20b%2Bc?x=1"


def test_connection_is_kept_alive(server: RecordingServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=HANG)
    for _ in range(3):
        connection.request("GET", "/file")
        connection.getresponse().read()
    connection.close()
    assert [s.connection for s in server.seen] == [1, 1, 1]


def test_cut_and_truncated_answers_end_early(server: RecordingServer) -> None:
    for mode, got in ((modes.cut(1000), 1000), (modes.TRUNCATE, len(BODY) // 2)):
        server.heal()
        server.fail(mode)
        with pytest.raises(http.client.IncompleteRead) as caught:
            get(server)
        assert len(caught.value.partial) == got


def test_cut_with_reset_is_a_reset(server: RecordingServer) -> None:
    server.fail(modes.cut(0, reset=True))
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        get(server)


def test_cut_at_a_byte_of_the_file_knows_ranges(server: RecordingServer) -> None:
    server.fail(modes.cut(1000, of_file=True))
    assert get(server, headers={"Range": "bytes=0-499"})[2] == BODY[:500]
    with pytest.raises(http.client.IncompleteRead):
        get(server, headers={"Range": "bytes=900-1100"})


def test_stall_and_silence_wait_until_the_client_leaves(server: RecordingServer) -> None:
    for mode in (modes.stall(500), modes.SILENT):
        server.heal()
        server.fail(mode)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=0.3)
        connection.request("GET", "/file")
        with pytest.raises(TimeoutError):
            connection.getresponse().read()
        until(lambda: server.seen[0].sent == 500)
        connection.close()
    until(lambda: not server.live)
    assert [s.sent for s in server.seen] == [500, 0]


def test_wrong_contents(server: RecordingServer) -> None:
    server.fail(modes.corrupt(-1))
    body = get(server)[2]
    assert len(body) == len(BODY)
    assert [i for i, (a, b) in enumerate(zip(body, BODY, strict=True)) if a != b] == [len(BODY) - 1]
    server.fail(modes.swapped(b"other"))
    assert get(server)[2] == b"other"
    server.fail(modes.wrong_length(9))
    assert len(get(server)[2]) == len(BODY) + 9
    server.fail(modes.HTML)
    status, headers, body = get(server, headers={"Range": "bytes=0-9"})
    assert (status, headers["content-type"][:9]) == (200, "text/html")
    assert b"sign in" in body
    server.fail(modes.GZIP)
    assert get(server)[1]["content-encoding"] == "gzip"


def test_status_norange_redirect_garbage(server: RecordingServer) -> None:
    server.fail(modes.status(429, retry_after="7"))
    status, headers, _ = get(server)
    assert (status, headers["retry-after"]) == (429, "7")
    server.fail(modes.NO_RANGES)
    status, headers, body = get(server, headers={"Range": "bytes=0-9"})
    assert (status, body, "accept-ranges" in headers) == (200, BODY, False)
    server.fail(modes.redirect("http://elsewhere.invalid"))
    assert get(server)[1]["location"] == "http://elsewhere.invalid/file"
    server.fail(modes.GARBAGE)
    with pytest.raises(http.client.BadStatusLine):
        get(server)


def test_heads_that_do_not_say_what_the_body_is(server: RecordingServer) -> None:
    asked = {"Range": "bytes=10-19"}
    server.fail(modes.wrong_range(5))
    _, headers, body = get(server, headers=asked)
    assert (headers["content-range"], body) == (f"bytes 15-24/{len(BODY)}", BODY[10:20])
    server.fail(modes.other_total(7))
    assert get(server, headers=asked)[1]["content-range"] == f"bytes 10-19/{len(BODY) + 7}"
    server.fail(modes.NO_RANGE_TOLD)
    status, headers, body = get(server, headers=asked)
    assert (status, "content-range" in headers, body) == (206, False, BODY[10:20])
    server.fail(modes.MULTIPART)
    status, headers, body = get(server, headers=asked)
    assert (status, headers["content-type"][:20]) == (206, "multipart/byteranges")
    assert f"Content-Range: bytes 10-19/{len(BODY)}\r\n\r\n".encode() + BODY[10:20] in body
    server.fail(modes.NEW_TAGS)
    assert get(server)[1]["etag"] != get(server)[1]["etag"]
    server.fail(modes.FALSE_GZIP)
    status, headers, body = get(server)
    assert (headers["content-encoding"], body) == ("gzip", BODY)


def test_body_and_its_length_may_differ(server: RecordingServer) -> None:
    server.fail(modes.NO_LENGTH)
    _, headers, body = get(server)
    assert "content-length" not in headers
    assert body == BODY[: len(BODY) // 2]
    server.fail(modes.more(100))
    with socket.create_connection(("127.0.0.1", server.port), timeout=HANG) as raw:
        raw.sendall(b"GET /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head, _, body = b"".join(iter(lambda: raw.recv(65536), b"")).partition(b"\r\n\r\n")
    assert f"Content-Length: {len(BODY)}".encode() in head.splitlines()
    assert len(body) == len(BODY) + 100


def test_cut_before_the_end_of_a_response_and_connection_without_an_answer(
    server: RecordingServer,
) -> None:
    server.fail(modes.cut(-1))
    with pytest.raises(http.client.IncompleteRead) as caught:
        get(server, headers={"Range": "bytes=100-199"})
    assert caught.value.partial == BODY[100:199]
    server.fail(modes.HANG_UP)
    with pytest.raises(http.client.RemoteDisconnected):
        get(server)
    server.fail(modes.HANG_UP_RESET)
    with pytest.raises(ConnectionResetError):
        get(server)


def test_drip_is_a_byte_at_a_time(server: RecordingServer) -> None:
    server.fail(modes.slow(20))
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=HANG)
    connection.request("GET", "/file")
    assert connection.getresponse().read(3) == BODY[:3]
    connection.close()
    assert server.seen[0].sent < 1000


def test_rule_is_for_its_paths_and_times_only(server: RecordingServer) -> None:
    server.fail(modes.status(500), "/fi*", times=1)
    assert get(server, "/a%20b%2Bc")[0] == 200
    assert [get(server)[0] for _ in range(2)] == [500, 200]


def test_basic_auth(server: RecordingServer) -> None:
    server.credential = ("user", "pass")
    assert get(server)[0] == 401
    assert get(server, headers={"Authorization": "Basic dXNlcjpwYXNz"})[0] == 200


def test_rates_hold_for_a_response_and_for_the_link(server: RecordingServer) -> None:
    server.fail(modes.slow(len(BODY) / 0.3))
    started = time.monotonic()
    get(server)
    assert time.monotonic() - started >= 0.25
    server.heal()
    server.rate = len(BODY) / 0.2
    started = time.monotonic()
    threads = [threading.Thread(target=get, args=(server,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started >= 0.35


@pytest.mark.parametrize("at", [0, 500])
def test_what_is_held_goes_on_when_the_test_says_so(server: RecordingServer, at: int) -> None:
    released = threading.Event()
    server.fail(modes.held(released, at=at))
    told: list[bytes] = []
    thread = threading.Thread(target=lambda: told.append(get(server)[2]))
    thread.start()
    until(lambda: server.bytes_sent() == at and server.seen)
    assert told == []
    released.set()
    thread.join()
    assert told == [BODY]


def test_requests_that_are_under_way_at_the_same_time_are_counted(server: RecordingServer) -> None:
    get(server)
    get(server)
    assert server.at_once() == 1
    released = threading.Event()
    server.fail(modes.held(released))
    threads = [threading.Thread(target=get, args=(server,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: len(server.seen) == 5)
    released.set()
    for thread in threads:
        thread.join()
    assert server.at_once() == 3


def test_functions_see_path_and_headers() -> None:
    def echo(path: str, headers: Mapping[str, str]) -> Reply:
        return Reply(f"{path} {headers['accept']}".encode(), 200, "text/plain")

    with RecordingServer() as server:
        server.mounts["/deep/"] = echo
        server.compress = True
        assert get(server, "/deep/down", {"Accept": "a"})[2] == b"/deep/down a"
        zipped = get(server, "/deep/down", {"Accept": "a", "Accept-Encoding": "gzip"})
        assert zipped[1]["content-encoding"] == "gzip"
        assert get(server, "/other")[0] == 404


def test_closed_server_refuses_and_comes_back_on_its_port(server: RecordingServer) -> None:
    server.close()
    with pytest.raises(ConnectionRefusedError):
        get(server)
    server.start()
    assert get(server)[0] == 200


def test_refusing_port_refuses_and_black_hole_never_connects() -> None:
    with refusing() as url, pytest.raises(urllib.error.URLError, match="refused"):
        urllib.request.urlopen(url, timeout=HANG)
    with black_hole() as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(TimeoutError):
            socket.create_connection(("127.0.0.1", port), timeout=0.3)


def test_port_that_is_held_is_nobody_elses_and_servers_come_and_go_there() -> None:
    with held_port() as port:
        for _ in range(2):
            with pytest.raises(OSError, match="in use"), socket.socket() as other:
                other.bind(("127.0.0.1", port))
            with RecordingServer({"/file": BODY}, port=port) as running:
                assert get(running)[0] == 200
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
