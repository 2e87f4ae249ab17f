"""Clients that ask for thousands of small parts, or for the same ones again and again."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.http.conditional import MOST_RANGES
from lib import wheels
from lib.app import App, mirror
from lib.index import Index
from lib.serving import modes
from lib.serving.parts import parts_of
from lib.serving.servers import RecordingServer
from lib.waiting import HANG, until

MB = 1 << 20
BIG = wheels.wheel("big", "1.0", size=12 * MB)
SIZE = len(BIG.data)


@pytest.fixture(scope="module")
def index() -> Index:
    made = Index()
    made.add(BIG)
    return made


@pytest.fixture
def origin(index: Index) -> Iterator[RecordingServer]:
    with RecordingServer(name="origin") as made:
        index.mount_origin(made)
        yield made


@pytest.fixture
def app(tmp_path: Path, origin: RecordingServer) -> Iterator[App]:
    with App(tmp_path, f"{origin.url}/simple") as made:
        yield made


def ranges(*spans: tuple[int, int]) -> dict[str, str]:
    return {"Range": "bytes=" + ",".join(f"{low}-{high - 1}" for low, high in spans)}


@pytest.mark.parametrize("when", ["cold", "stored"])
def test_more_ranges_than_anybody_needs_are_refused_before_anything_is_fetched(
    app: App, index: Index, origin: RecordingServer, when: str
) -> None:
    path = index.path(BIG.name)
    if when == "stored":
        app.ask(path)
        until(lambda: app.parts.downloader.active == 0)
    else:
        app.page("big")
    before = origin.bytes_sent(path)
    apart = [(10 * n, 10 * n + 1) for n in range(MOST_RANGES + 1)]
    told = app.ask(path, ranges(*apart))
    # 400: engines that take layers in parts ask for fewer then.
    assert told.status == 400
    assert b"fewer" in told.body
    assert origin.bytes_sent(path) == before
    fewer = app.ask(path, ranges(*apart[:-1]))
    assert len(parts_of(fewer.headers, fewer.body)) == MOST_RANGES


@pytest.mark.parametrize("when", ["cold", "stored"])
def test_ranges_over_each_other_give_no_byte_twice(
    app: App, index: Index, origin: RecordingServer, when: str
) -> None:
    path = index.path(BIG.name)
    if when == "stored":
        app.ask(path)
        until(lambda: app.parts.downloader.active == 0)
    origin.forget()
    one = app.ask(path, {"Range": "bytes=" + ",".join(["0-"] * 3000)})
    assert (one.status, len(one.body)) == (206, SIZE)
    over = [(n, n + 500_000) for n in range(0, 100_000, 50)]
    told = app.ask(path, ranges(*over))
    assert (told.status, told.body) == (206, BIG.data[:599_950])
    assert origin.bytes_sent(path) <= 1.1 * SIZE


def test_parts_that_lie_far_apart_cost_the_origin_no_more_than_the_file(
    app: App, index: Index, origin: RecordingServer
) -> None:
    """A thousand requests for one byte each would be a burden to whoever answers them."""
    path = index.path(BIG.name)
    apart = [(n, n + 1) for n in range(0, SIZE, SIZE // 1000)][:MOST_RANGES]
    told = app.ask(path, ranges(*reversed(apart)))
    found = parts_of(told.headers, told.body)
    assert b"".join(part.data for part in reversed(found)) == BIG.data[:: SIZE // 1000]
    assert len(origin.requests(path)) <= 20
    assert origin.bytes_sent(path) <= 1.1 * SIZE


def test_client_that_goes_in_the_middle_of_its_parts_ends_what_is_fetched_for_it(
    app: App, index: Index, origin: RecordingServer
) -> None:
    path = index.path(BIG.name)
    app.page("big")
    origin.rate = 1.0 * MB
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{app.port}"]
    lines += ["Range: bytes=0-99,1000000-6000000", "", ""]
    with socket.create_connection(("127.0.0.1", app.port), HANG) as live:
        live.sendall("\r\n".join(lines).encode())
        assert live.recv(20).startswith(b"HTTP/1.1 206")
    until(lambda: all(seen.ended for seen in origin.requests(path)))
    assert origin.bytes_sent(path) < 5 * MB
    # What is fetched for others is not ended with it.
    assert app.ask(path, {"Range": "bytes=0-99,500000-500099"}).status == 206


def test_lie_of_a_mirror_is_in_no_part(
    tmp_path: Path, index: Index, origin: RecordingServer
) -> None:
    path = index.path(BIG.name)
    with RecordingServer(name="liar") as liar:
        liar.fail(modes.corrupt(100), "*.whl")
        base = index.mount_mirror(liar)
        with App(tmp_path, f"{origin.url}/simple", mirrors=[mirror("liar", base)]) as app:
            told = app.ask(path, ranges((50, 150), (MB, 2 * MB)))
    found = [part.data for part in parts_of(told.headers, told.body)]
    assert found == [BIG.data[50:150], BIG.data[MB : 2 * MB]]
