"""Every form of request target of RFC 9112 section 3.2, and heads that two readers could read
differently. What is refused starts nothing: no upstream hears of it.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

import h11
import pytest

from lib.app import App
from lib.index import JSON
from lib.serving.servers import RecordingServer
from lib.waiting import HANG


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, origin: RecordingServer) -> Iterator[App]:
    with App(tmp_path_factory.mktemp("gateway"), f"{origin.url}/simple") as made:
        yield made


def answers(app: App, request: bytes) -> list[tuple[int, dict[bytes, bytes], bytes]]:
    """Send bytes; give all answers, as h11 reads them, until the gateway closes."""
    told, found = b"", []
    with socket.create_connection(("127.0.0.1", app.port), timeout=HANG) as live:
        live.sendall(request)
        while part := live.recv(65536):
            told += part
    while told:
        reader = h11.Connection(h11.CLIENT)
        method = "HEAD" if request.startswith(b"HEAD") else "GET"
        reader.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
        reader.send(h11.EndOfMessage())
        reader.receive_data(told)
        reader.receive_data(b"")
        head, body = reader.next_event(), b""
        assert isinstance(head, h11.Response)
        while isinstance(event := reader.next_event(), h11.Data):
            body += event.data
        assert isinstance(event, h11.EndOfMessage)
        told = reader.trailing_data[0]
        found.append((head.status_code, dict(head.headers), body))
    return found


def one(app: App, line: bytes, *headers: bytes) -> int:
    host = b"Host: 127.0.0.1:%d" % app.port
    lines = [line, *(headers or (host,)), b"Connection: close", b"", b""]
    told = answers(app, b"\r\n".join(each.replace(b"OUR", host[6:]) for each in lines))
    assert len(told) == 1, told
    return told[0][0]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        # Origin form.
        (b"GET /healthz HTTP/1.1", 200),
        (b"GET /healthz?x=y HTTP/1.1", 200),
        (b"HEAD /healthz HTTP/1.1", 200),
        (b"GET /healthz HTTP/1.0", 200),
        (b"GET //healthz HTTP/1.1", 400),
        (b"GET /healthz#six HTTP/1.1", 400),
        (b"GET /%zz/../x HTTP/1.1", 400),
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1", 400),
        # Absolute form.
        (b"GET http://OUR/healthz HTTP/1.1", 200),
        (b"HEAD HTTP://OUR/healthz?x HTTP/1.1", 200),
        (b"GET http://OUR HTTP/1.1", 404),
        (b"GET http://OUR?x HTTP/1.1", 404),
        (b"GET http://OUR/../healthz HTTP/1.1", 400),
        (b"GET http://elsewhere.example/simple/six/ HTTP/1.1", 421),
        (b"GET http://127.0.0.1:1/simple/six/ HTTP/1.1", 421),
        (b"GET http://OUR.elsewhere.example/simple/six/ HTTP/1.1", 421),
        (b"GET https://OUR/simple/six/ HTTP/1.1", 421),
        (b"GET ftp://OUR/simple/six/ HTTP/1.1", 421),
        (b"GET http://user@OUR/simple/six/ HTTP/1.1", 400),
        (b"GET http:///simple/six/ HTTP/1.1", 400),
        (b"POST http://OUR/simple/six/ HTTP/1.1", 405),
        # Authority form.
        (b"CONNECT OUR HTTP/1.1", 405),
        (b"CONNECT elsewhere.example:443 HTTP/1.1", 405),
        (b"GET elsewhere.example:443 HTTP/1.1", 400),
        # Asterisk form.
        (b"OPTIONS * HTTP/1.1", 405),
        (b"GET * HTTP/1.1", 400),
        (b"CONNECT * HTTP/1.1", 405),
        # None of them.
        (b"GET simple/six/ HTTP/1.1", 400),
        (b"GET ?six HTTP/1.1", 400),
        (b"GET /simple/ six HTTP/1.1", 400),
        (b"GET /simple/\xe9/ HTTP/1.1", 400),
        (b"GET  HTTP/1.1", 400),
        (b"GET /healthz HTTP/2.0", 400),
        (b"GET /healthz HTTP/1.2", 400),
        (b"GET /healthz HTTP/x", 400),
        (b"GET /healthz", 400),
        (b"BREW /healthz HTTP/1.1", 400),
        (b"get /healthz HTTP/1.1", 400),
        (b"PRI * HTTP/2.0", 400),
        (b"\x16\x03\x01\x02\x00\x01", 400),
    ],
)
def test_every_form_of_target_has_its_answer(
    app: App, origin: RecordingServer, line: bytes, status: int
) -> None:
    assert one(app, line) == status
    assert origin.seen == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([b"Host: elsewhere.example"], 421),
        ([b"Host: OUR", b"Host: OUR"], 400),
        ([b"Host: OUR", b"Host: elsewhere.example"], 400),
        ([b"X-Host: OUR"], 400),
        ([b"Host:"], 421),
        ([b"Host: OUR, OUR"], 400),
        ([b"Host : OUR"], 400),
        ([b"Host: OUR", b"X-Fold: a", b" b"], 400),
        ([b" Host: OUR"], 400),
        ([b"Host: OUR", b"X: \x00"], 400),
        ([b"Host: OUR", b"X: a\nY: b"], 400),
        ([b"Host: OUR", b"X: a\rY: b"], 400),
        ([b"Host: OUR", b"\xff: a"], 400),
        ([b"Host: OUR", b"Content-Length: 5"], 413),
        ([b"Host: OUR", b"Content-Length: +5"], 400),
        ([b"Host: OUR", b"Content-Length: 5", b"Content-Length: 6"], 400),
        ([b"Host: OUR", b"Content-Length: 99999999999999999999"], 400),
        ([b"Host: OUR", b"Transfer-Encoding: chunked"], 413),
        ([b"Host: OUR", b"Transfer-Encoding: chunked", b"Content-Length: 5"], 400),
        ([b"Host: OUR", b"Content-Length: 5", b"Transfer-Encoding: chunked"], 400),
        ([b"Host: OUR", b"Content-Length: 0"], 200),
        ([b"Host: OUR", b"Upgrade: h2c", b"Connection: upgrade"], 200),
        ([b"Host: OUR", b"Upgrade: websocket", b"Connection: upgrade"], 200),
        ([b"Host: OUR", b"Expect: 100-continue"], 200),
        ([b"Host: OUR", *[b"X-%d: y" % each for each in range(200)]], 431),
        ([b"Host: OUR", *[b"X: " + b"y" * 8000] * 9], 431),
    ],
)
def test_every_odd_head_has_its_answer(
    app: App, origin: RecordingServer, headers: list[bytes], status: int
) -> None:
    assert one(app, b"GET /healthz HTTP/1.1", *headers) == status
    assert origin.seen == []


def test_host_that_is_missing_is_no_host_of_ours_in_http_1_0_either(app: App) -> None:
    assert one(app, b"GET /healthz HTTP/1.0", b"X: y") == 421
    assert one(app, b"GET http://OUR/healthz HTTP/1.0", b"X: y") == 200


def test_authority_of_an_absolute_target_counts_and_the_host_does_not(app: App) -> None:
    # RFC 9112 section 3.2.2; no page can make a browser send this but through a proxy, by its name.
    assert one(app, b"GET http://OUR/healthz HTTP/1.1", b"Host: elsewhere.example") == 200
    assert one(app, b"GET http://elsewhere.example/ HTTP/1.1", b"Host: OUR") == 421


def test_absolute_target_is_served_as_its_path(app: App, origin: RecordingServer) -> None:
    told = app.ask(f"http://127.0.0.1:{app.port}/simple/six/", {"Accept": JSON})
    assert told.json()["name"] == "six"
    assert [seen.target for seen in origin.requests("/simple/*")] == ["/simple/six/"]
    origin.forget()


def test_what_follows_a_body_is_no_request(app: App, origin: RecordingServer) -> None:
    host = b"Host: 127.0.0.1:%d\r\n" % app.port
    hidden = b"GET /simple/hidden/ HTTP/1.1\r\n" + host + b"\r\n"
    for framing in (b"Content-Length: %d" % len(hidden), b"Transfer-Encoding: chunked"):
        body = (
            hidden if framing.startswith(b"C") else b"%x\r\n%s\r\n0\r\n\r\n" % (len(hidden), hidden)
        )
        head = b"GET /healthz HTTP/1.1\r\n" + host + framing + b"\r\n\r\n"
        assert [status for status, *_ in answers(app, head + body + hidden)] == [413]
        head = head.replace(b"GET", b"POST", 1)
        assert [status for status, *_ in answers(app, head + body + hidden)] == [405]
    assert origin.seen == []


def test_requests_that_are_sent_ahead_are_answered_in_their_order(app: App) -> None:
    host = b"Host: 127.0.0.1:%d\r\n" % app.port
    lines = [b"GET /healthz HTTP/1.1", b"GET /%2e%2e HTTP/1.1", b"POST / HTTP/1.1"]
    ahead = b"".join(b"%s\r\n%s\r\n" % (line, host) for line in lines)
    last = b"GET /nothing HTTP/1.1\r\n%sConnection: close\r\n\r\n" % host
    assert [status for status, *_ in answers(app, ahead + last)] == [200, 400, 405, 404]
    told = answers(app, ahead + b"no request\r\n\r\n")
    assert [status for status, *_ in told] == [200, 400, 405]
