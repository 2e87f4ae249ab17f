"""What is passed on to an origin within TLS that was ended here: to that origin alone, once, framed
as it was meant, and for as long as somebody reads it. Raw sockets, the real gateway, odd origins.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lib.hostile.led import Led, Place, head_of
from lib.waiting import HANG

#: One connection: what is read of it, and what is answered.
Conversation = Callable[[socket.socket], None]


class OddOrigin:
    """Stands at the origin's own port, and talks as a test wants it to."""

    def __init__(self, listening: socket.socket, tls: ssl.SSLContext) -> None:
        self.talks: list[Conversation] = []
        """For each connection that comes."""
        self.heads: list[bytes] = []
        self._open: list[ssl.SSLSocket] = []
        self._listening, self._tls = listening, tls
        self.port = int(listening.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(
                    target=self._talk, args=(self._listening.accept()[0],), daemon=True
                ).start()

    def _talk(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), self._tls.wrap_socket(sock, server_side=True) as tls:
            self._open.append(tls)
            self.talks.pop(0)(tls)

    def close(self) -> None:
        """End every connection, so that no later test is asked on one."""
        self._listening.shutdown(socket.SHUT_RDWR)
        for tls in self._open:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(tls, socket.SHUT_RDWR)

    def read(self, sock: socket.socket) -> bytes:
        """Read the head of a request."""
        self.heads.append(head_of(sock))
        return self.heads[-1]


@pytest.fixture
def odd(led: Led, place: Place) -> Iterator[OddOrigin]:
    """In the origin's place while a test runs."""
    pages = led.world.pages
    port = pages.port
    pages.close()
    with socket.create_server(("127.0.0.1", port)) as listening:
        made = OddOrigin(listening, place.company.server)
        yield made
        made.close()
    pages.start()


@contextlib.contextmanager
def within(led: Led, port: int) -> Iterator[ssl.SSLSocket]:
    """Connect to the origin as a led command does."""
    context = ssl.create_default_context(cadata=led.certificate)
    with led.connect(f"127.0.0.1:{port}") as sock:
        assert head_of(sock).startswith(b"HTTP/1.1 200 ")
        with context.wrap_socket(sock, server_hostname="127.0.0.1") as tls:
            yield tls


def asked(method: str, port: int, target: str, *lines: str) -> bytes:
    """Write a request without a body."""
    head = [f"{method} {target} HTTP/1.1", f"Host: 127.0.0.1:{port}", *lines, "", ""]
    return "\r\n".join(head).encode()


def all_of(sock: socket.socket) -> bytes:
    """Read to the end, however it comes."""
    got = b""
    with contextlib.suppress(OSError):
        while data := sock.recv(65536):
            got += data
    return got


def first_of(sock: socket.socket) -> bytes:
    """Read the first bytes of an answer; none where the connection ends."""
    with contextlib.suppress(OSError):
        return sock.recv(65536)
    return b""


SHORT = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("method", "times"), [("GET", 2), ("POST", 1), ("PATCH", 1), ("DELETE", 1)]
)
def test_what_changes_something_is_not_asked_again_when_a_kept_connection_is_cut(
    led: Led, odd: OddOrigin, method: str, times: int
) -> None:
    """Without a body, too: the origin has done it, and its answer was lost."""

    def cut(sock: socket.socket) -> None:
        odd.read(sock)
        sock.sendall(SHORT)
        odd.read(sock)

    def well(sock: socket.socket) -> None:
        odd.read(sock)
        sock.sendall(SHORT)

    odd.talks = [cut, well]
    with within(led, odd.port) as tls:
        tls.sendall(asked("GET", odd.port, "/first"))
        assert head_of(tls).startswith(b"HTTP/1.1 200 ")
        assert tls.recv(2) == b"ok"
        tls.sendall(asked(method, odd.port, "/second"))
        got = first_of(tls)
    assert sum(b"/second" in head for head in odd.heads) == times
    assert got.startswith(b"HTTP/1.1 200 ") == (method == "GET")


@pytest.mark.parametrize(
    "target", ["@127.0.0.2:{0}", "x@127.0.0.2:{0}", "127.0.0.2:{0}", ".other.example:{0}"]
)
def test_a_connect_within_tls_leads_nowhere(
    led: Led, odd: OddOrigin, place: Place, target: str
) -> None:
    """What follows the origin's name would be read as a part of it."""
    with socket.create_server(("127.0.0.2", 0)) as listening:
        other = OddOrigin(listening, place.company.server)
        odd.talks = [lambda sock: sock.sendall(SHORT)]
        with within(led, odd.port) as tls:
            tls.sendall(asked("CONNECT", odd.port, target.format(other.port)))
            got = first_of(tls)
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert got.startswith(b"HTTP/1.1 400 ")
    assert len(odd.talks) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 5\r\n\r\n',
        b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n",
    ],
)
def test_an_answer_without_a_body_leaves_the_connection_as_it_was(
    led: Led, odd: OddOrigin, answer: bytes
) -> None:
    """Of a 304 a length is the page's own (RFC 9110 section 8.6)."""

    def talk_twice(sock: socket.socket) -> None:
        odd.read(sock)
        sock.sendall(answer)
        odd.read(sock)
        sock.sendall(SHORT)

    odd.talks = [talk_twice, talk_twice]
    with within(led, odd.port) as tls:
        tls.sendall(asked("GET", odd.port, "/one", 'If-None-Match: "x"'))
        assert head_of(tls)[9:12] in {b"304", b"204"}
        tls.sendall(asked("GET", odd.port, "/two"))
        assert head_of(tls).startswith(b"HTTP/1.1 200 ")
        assert tls.recv(2) == b"ok"


def test_of_two_frames_of_an_answer_the_client_gets_the_one_that_counts(
    led: Led, odd: OddOrigin
) -> None:
    """Chunks beat a length, which whoever passes it on takes away (RFC 9112 section 6.3)."""
    both = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"

    def chunks(sock: socket.socket) -> None:
        odd.read(sock)
        sock.sendall(both + b"5\r\nhello\r\n0\r\nX-Trailer: t\r\n\r\n")

    odd.talks = [chunks]
    with within(led, odd.port) as tls:
        tls.sendall(asked("GET", odd.port, "/both", "Connection: close"))
        head, _, body = all_of(tls).partition(b"\r\n\r\n")
    assert b"content-length" not in head.lower()
    assert body == b"5\r\nhello\r\n0\r\n\r\n"


def test_nobody_goes_on_reading_an_origin_for_a_client_that_has_gone(
    led: Led, odd: OddOrigin
) -> None:
    ended = threading.Event()

    def endless(sock: socket.socket) -> None:
        odd.read(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(OSError):
            while True:
                sock.sendall(b"2000\r\n" + bytes(0x2000) + b"\r\n")
        ended.set()

    odd.talks = [endless]
    with within(led, odd.port) as tls:
        tls.sendall(asked("GET", odd.port, "/endless"))
        assert head_of(tls).startswith(b"HTTP/1.1 200 ")
    assert ended.wait(HANG)


@pytest.mark.parametrize("client_goes", [True, False])
def test_an_answer_that_does_not_come_to_its_end_is_no_mistake_in_the_log(
    led: Led, odd: OddOrigin, *, client_goes: bool
) -> None:
    """Whoever looks for what is wrong would find it there: a client has what it came for and goes,
    or the origin is cut.
    """
    gone = threading.Event()

    def short(sock: socket.socket) -> None:
        odd.read(sock)
        sock.sendall(SHORT)

    def long(sock: socket.socket) -> None:
        odd.read(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 90000000\r\n\r\n" + bytes(100_000))
        if client_goes:
            gone.wait(HANG)
            with contextlib.suppress(OSError):
                sock.sendall(bytes(40_000_000))

    odd.talks = [long]
    before = len(led.gateway.log.read_bytes())
    with within(led, odd.port) as tls:
        tls.sendall(asked("GET", odd.port, "/long"))
        assert head_of(tls).startswith(b"HTTP/1.1 200 ")
        if not client_goes:
            all_of(tls)
    gone.set()
    with within(led, odd.port) as tls:  # what was of the last one is over when this is answered
        odd.talks = [short]
        tls.sendall(asked("GET", odd.port, "/next"))
        assert head_of(tls).startswith(b"HTTP/1.1 200 ")
    assert b"ERROR" not in led.gateway.log.read_bytes()[before:]


@pytest.mark.parametrize("body", [b"", b"body"])
def test_a_connection_that_has_seen_a_login_is_not_used_again(
    led: Led, odd: OddOrigin, body: bytes
) -> None:
    """Some know by the connection who somebody is: with a body, and of the next login, too."""
    came: list[list[bytes]] = []

    def tells_all(sock: socket.socket) -> None:
        mine: list[bytes] = []
        came.append(mine)
        with contextlib.suppress(AssertionError, OSError):
            while True:
                mine.append(odd.read(sock))
                left = len(body) if b"POST" in mine[-1] else 0
                while left:
                    left -= len(sock.recv(left))
                sock.sendall(SHORT)

    odd.talks = [tells_all] * 5
    method = "POST" if body else "GET"
    sized = [f"Content-Length: {len(body)}"] if body else []
    with within(led, odd.port) as tls:
        for login in ("Authorization: Basic bWU6YQ==", "Cookie: b", "X: c", "Cookie: d"):
            tls.sendall(asked(method, odd.port, "/x", login, *sized) + body)
            assert head_of(tls).startswith(b"HTTP/1.1 200 ")
            assert tls.recv(2) == b"ok"
    assert [len(mine) for mine in came] == [1, 1, 1, 1]


def test_who_was_refused_a_tunnel_and_goes_on_sending_is_not_kept_in_memory(place: Place) -> None:
    """Another user of the machine needs no token to be refused."""
    process = place.gateway.process
    assert process is not None
    peak = Path(f"/proc/{process.pid}/status")

    def greatest() -> int:
        line = next(each for each in peak.read_text().splitlines() if each.startswith("VmHWM"))
        return int(line.split()[1]) << 10

    before, sent, block = greatest(), 0, bytes(1 << 20)
    with socket.create_connection(("127.0.0.1", place.gateway.port), timeout=HANG) as sock:
        sock.sendall(b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n")
        assert head_of(sock).startswith(b"HTTP/1.1 407 ")
        with contextlib.suppress(OSError):
            while sent < 256 << 20:
                sent += sock.send(block)
    assert greatest() - before < 32 << 20, sent
