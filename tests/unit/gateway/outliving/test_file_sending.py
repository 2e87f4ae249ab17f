"""Bodies that go out from the file that they lie in, to clients that read as they like."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.errors import StoreError
from headrace.system.storage.file_part import CAN_BE_SENT, FilePart
from headrace.system.storage.partial import Partial
from lib import wheels
from lib.app import App
from lib.capabilities import lacks
from lib.index import Index
from lib.serving.servers import RecordingServer
from lib.waiting import HANG, until

pytestmark = pytest.mark.skipif(
    not CAN_BE_SENT, reason=lacks("system", "only Linux sends from a file to any socket")
)

MB = 1 << 20
BIG = wheels.wheel("big", "1.0", size=24 * MB)
CONTENT, SIZE = BIG.data, len(BIG.data)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    index = Index()
    index.add(BIG)
    with RecordingServer(name="origin") as origin:
        index.mount_origin(origin)
        with App(tmp_path, f"{origin.url}/simple") as made:
            yield made


@pytest.fixture
def partial(tmp_path: Path) -> Iterator[Partial]:
    made = Partial.open(tmp_path / "file", "key", MB, make_room=lambda _: None, shared=True)
    assert made is not None
    made.write(0, os.urandom(MB))
    yield made
    made.discard()


def asked(app: App, times: int = 1) -> socket.socket:
    """Ask for the file, by a client of which little can be on its way."""
    live = socket.socket()
    live.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
    live.settimeout(HANG)
    live.connect(("127.0.0.1", app.port))
    path = app.page("big").json()["files"][0]["url"]
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{app.port}\r\n\r\n"
    live.sendall(head.encode() * times)
    return live


def sending(app: App) -> bool:
    """Whether a client is being waited for while a part of a file goes out."""
    return any(each.sending is not None for each in list(app.connections._open))


def body(live: socket.socket) -> bytes:
    """Read one answer."""
    told = b""
    while b"\r\n\r\n" not in told:
        told += live.recv(1)
    left = SIZE
    parts = []
    while left:
        parts.append(live.recv(min(MB, left)))
        assert parts[-1]
        left -= len(parts[-1])
    return b"".join(parts)


def kept(root: Path) -> list[Path]:
    """Find the file, once it is whole and has its name."""
    files = (root / "cache" / "store").rglob("*")
    return [each for each in files if not each.suffix and each.is_file()]


def descriptors() -> int:
    """Count those that this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_client_that_reads_late_gets_every_byte_and_the_next_answer_behind_it(app: App) -> None:
    with asked(app, times=2) as live:
        until(lambda: sending(app))
        assert body(live) == CONTENT
        assert body(live) == CONTENT
    assert not sending(app)


def test_client_that_has_gone_leaves_nothing_open(app: App) -> None:
    with asked(app):
        until(lambda: sending(app))
        before = descriptors()
    until(lambda: not app.connections)
    assert not sending(app)
    until(lambda: descriptors() < before)


def test_client_that_is_let_go_hears_of_it_at_once(app: App) -> None:
    with asked(app) as live:
        until(lambda: sending(app))
        (held,) = list(app.connections._open)
        held.loop.call_soon_threadsafe(held.drop)
        until(lambda: held.sending is None)
        with pytest.raises((ConnectionError, AssertionError)):
            body(live)


def test_file_that_loses_bytes_cuts_its_client_and_nobody_takes_that_for_the_whole(
    app: App, tmp_path: Path
) -> None:
    with asked(app) as live:
        until(lambda: sending(app))
        until(lambda: kept(tmp_path))
        os.truncate(kept(tmp_path)[0], MB)
        with pytest.raises((ConnectionError, AssertionError)):
            body(live)


def test_part_that_cannot_be_sent_leaves_no_hole(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    send, failed = FilePart.send, list[int]()

    def fails_once(part: FilePart, descriptor: int) -> int:
        if part._start > 8 * MB and not failed:
            failed.append(part._start)
            raise StoreError("store-io", "no such bytes")
        return send(part, descriptor)

    monkeypatch.setattr(FilePart, "send", fails_once)
    with asked(app) as live, pytest.raises((ConnectionError, AssertionError)):
        body(live)
    assert failed


def test_part_of_a_file_is_sent_as_far_as_a_socket_takes_it(partial: Partial) -> None:
    part = FilePart(partial, 1000, MB)
    here, there = socket.socketpair()
    with here, there:
        here.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while part.send(here.fileno()):
                pass
        came = MB - 1000 - len(part)
        assert 0 < came < MB - 1000
        whole = partial.read(1000, MB)
        assert bytes(part) == whole[came:]
        there.settimeout(HANG)
        got = b""
        while len(got) < came:
            got += there.recv(MB)
        assert got == whole[:came]


def test_part_of_a_file_that_is_shorter_or_closed_is_no_empty_part(partial: Partial) -> None:
    part = FilePart(partial, 0, MB)
    here, there = socket.socketpair()
    with here, there:
        os.truncate(partial.path, 0)
        with pytest.raises(StoreError, match="shorter than it was"):
            part.send(here.fileno())
        partial.close()
        with pytest.raises(StoreError, match="closed"):
            part.send(here.fileno())
