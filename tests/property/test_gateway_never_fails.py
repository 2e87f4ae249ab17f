"""Promise 2 as a law: whatever is asked, and whatever the origin says, there is no 5xx of ours."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib import wheels
from lib.app import App
from lib.index import HTML, JSON, Index
from lib.serving import modes
from lib.serving.servers import RecordingServer, Reply
from lib.waiting import HANG

SIX = wheels.wheel("six", "1.0", size=5_000)


@pytest.fixture(scope="module")
def origin() -> Iterator[RecordingServer]:
    index = Index()
    index.add(SIX)
    with RecordingServer(name="origin") as made:
        index.mount_origin(made)
        made.content["/six-path"] = index.path(SIX.name).encode()
        yield made


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, origin: RecordingServer) -> Iterator[App]:
    with App(tmp_path_factory.mktemp("gateway"), f"{origin.url}/simple") as made:
        made.page("six")
        yield made


def raw(app: App, request: bytes) -> list[int]:
    """Send bytes and return the statuses that came back until the gateway closed."""
    with socket.create_connection(("127.0.0.1", app.port), timeout=HANG) as live:
        live.sendall(request)
        live.shutdown(socket.SHUT_WR)
        told = b""
        while part := live.recv(65536):
            told += part
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", told)]


words = st.sampled_from(
    [b"simple", b"packages", b"files", b"index", b"six", b"status", b"explain", b"metrics",
     b"healthz", b"..", b".", b"", b"%2e%2e", b"%2f", b"%00", b"%5c", b"%", b"%zz", b"%ff",
     b"o1", b"six-1.0-py3-none-any.whl", b"six-1.0-py3-none-any.whl.metadata", b"ab", b"0" * 60]
)  # fmt: skip
free = st.binary(min_size=1, max_size=12).map(lambda b: re.sub(rb"[\x00-\x20\x7f-\xff]", b"a", b))
targets = st.one_of(
    st.lists(st.one_of(words, free), max_size=6).map(lambda parts: b"/" + b"/".join(parts)),
    st.just(b"*"),
    free,
)
values = st.one_of(
    st.sampled_from(
        [b"bytes=0-", b"bytes=-1", b"bytes=5-2", b"bytes=99999999999999999999-", b"bytes=0-0,2-3",
         b"no-cache", b"max-age=0", b"max-age=x", b"*", b'"a"', b'W/"a"', b"gzip", b"gzip;q=0",
         JSON.encode(), HTML.encode(), b"text/html;q=x", b"*/*", b"Basic !!", b"", b"pip/26.3",
         b'pip/26.3 {"implementation":{"name":"CPython"},"python":"3.11.7"}', b"pip/1 {broken"]
    ),
    free,
)  # fmt: skip
names = st.sampled_from(
    [b"Accept", b"Accept-Encoding", b"Range", b"If-Range", b"If-None-Match", b"Cache-Control",
     b"User-Agent", b"Authorization", b"Pragma", b"X-Odd"]
)  # fmt: skip
heads = st.lists(st.tuples(names, values), max_size=5)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    method=st.sampled_from([b"GET", b"GET", b"HEAD", b"POST", b"BREW"]), target=targets, head=heads
)
def test_no_request_makes_a_5xx(
    app: App, method: bytes, target: bytes, head: list[tuple[bytes, bytes]]
) -> None:
    lines = [b"%s %s HTTP/1.1" % (method, target), b"Host: 127.0.0.1:%d" % app.port]
    lines += [b"%s: %s" % pair for pair in head]
    statuses = raw(app, b"\r\n".join([*lines, b"Connection: close", b"", b""]))
    assert len(statuses) == 1, "no answer, or several"
    assert all(status < 500 for status in statuses), statuses


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    body=st.one_of(
        st.binary(max_size=200),
        st.sampled_from(
            [b"", b"[]", b"{}", b'{"files": 1}', b'{"files": [1]}', b'{"files": [{"url": 5}]}',
             b'{"meta": {"api-version": "9.9"}, "files": []}', b"<a href='//[x'>", b"<html>",
             b'{"files": [{"filename": "six-1.0.tar.gz", "url": "\\u0000", "hashes": {}}]}',
             b'{"files":[{"filename":"../x","url":"http://[","hashes":{"sha256":"zz"}}]}']
        ),
    ),
    kind=st.sampled_from([JSON, HTML, "text/html", "", "application/json", "a/b; charset=odd"]),
    status=st.sampled_from([200, 200, 200, 204, 206, 301, 302, 304, 400, 401, 403, 404, 410, 429,
                            500, 502, 503, 504]),
    accept=st.sampled_from([JSON, HTML]),
)  # fmt: skip
def test_no_answer_of_the_origin_makes_a_5xx(  # noqa: PLR0917 - fixtures and drawn values
    app: App, origin: RecordingServer, body: bytes, kind: str, status: int, accept: str
) -> None:
    origin.content["/simple/fuzz/"] = Reply(body, status, kind)
    told = app.ask("/simple/fuzz/", {"Accept": accept, "Cache-Control": "no-cache"})
    # One that has asked for a login is private, and what it says itself is passed on.
    private = any(each.status == 401 for each in origin.seen)
    assert told.status < 500 or (private and told.status == status)
    path = f"/packages/ab/cd/{'0' * 60}/fuzz-1.0.tar.gz"
    assert app.ask(path).status < 500


@pytest.mark.parametrize(
    "mode",
    [modes.GARBAGE, modes.cut(3, reset=True), modes.HTML, modes.status(429, retry_after="1")],
    ids=lambda mode: str(mode.kind),
)
def test_no_fault_of_the_origin_makes_a_5xx(
    tmp_path: Path, origin: RecordingServer, mode: modes.Mode
) -> None:
    path = origin.content["/six-path"]
    assert isinstance(path, bytes)
    with App(tmp_path, f"{origin.url}/simple") as app:
        origin.fail(mode)
        try:
            assert app.page("six").status < 500
            assert app.ask(path.decode()).status < 500
        finally:
            origin.heal()
        app.page("six", Cache_Control="no-cache")
        origin.fail(mode, "/packages/*")
        try:
            assert app.ask(path.decode()).status < 500
            assert app.ask(f"{path.decode()}.metadata").status < 500
        finally:
            origin.heal()
