"""Other users of the machine cannot exhaust the gateway by connections, heads or slow reading."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from headrace.gateway import connection
from headrace.gateway.connection import ClientConnections, most_connections
from headrace.system import open_files
from lib import wheels
from lib.app import App
from lib.capabilities import lacks
from lib.gateway import Gateway
from lib.hostile.users import ALICE, MALLORY, needs_two_users
from lib.index import Index
from lib.serving import modes
from lib.serving.servers import RecordingServer
from lib.waiting import HANG, until

resource: Any = pytest.importorskip("resource", reason=lacks("system", "POSIX's own limits"))

MB = 1 << 20
SIX = wheels.wheel("six", "1.0", size=300_000)
BIG = wheels.wheel("big", "1.0", size=12 * MB)


@pytest.fixture(scope="module")
def index() -> Index:
    made = Index()
    made.add(SIX)
    made.add(BIG)
    return made


@pytest.fixture(scope="module")
def origin(index: Index) -> Iterator[RecordingServer]:
    with RecordingServer(name="origin") as made:
        index.mount_origin(made)
        yield made


@pytest.fixture
def app(tmp_path: Path, origin: RecordingServer) -> Iterator[App]:
    with App(tmp_path, f"{origin.url}/simple") as made:
        yield made


class Clock:
    """Seconds, as a test wants them."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=HANG)


def rest(live: socket.socket) -> bytes:
    """Read until the gateway closes; a reset counts as that."""
    told = b""
    with contextlib.suppress(ConnectionError):
        while part := live.recv(65536):
            told += part
    return told


def pushed(live: socket.socket, piece: bytes, times: int) -> int:
    """Send a piece over and over; give how many bytes went before the gateway had enough."""
    sent = 0
    with contextlib.suppress(ConnectionError):
        for _ in range(times):
            live.sendall(piece)
            sent += len(piece)
    return sent


# ------------------------------------------------------------------ heads


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"GET / HTTP/1.1\r\n", b"x: y\r\n" * 2000),
        (b"GET / HTTP/1.1\r\nx: ", b"y" * 16_000),
        (b"GET /", b"y" * 16_000),
        (b"", b"\r\n" * 8000),
        (b"GET / HTTP/1.1\r\n", b"y" * 16_000),
    ],
    ids=["small headers", "one header", "target", "empty lines", "a name"],
)
def test_head_is_refused_while_it_arrives(app: App, start: bytes, piece: bytes) -> None:
    registry = app.connections
    with connect(app.port) as live:
        live.sendall(start)
        sent = pushed(live, piece, 2000)
        told = rest(live)
        assert told.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 ")) or not told
        # What the sockets themselves hold on both sides is some megabytes.
        assert sent < 2000 * len(piece)
        assert registry.head_bytes <= connection.HEAD + connection._SLICE
    until(lambda: registry.head_bytes == 0)
    assert app.ask("/healthz").status == 200


def test_head_a_little_too_long_is_told_so(app: App) -> None:
    host = b"Host: 127.0.0.1:%d\r\n" % app.port
    with connect(app.port) as live:
        live.sendall(b"GET / HTTP/1.1\r\n" + host + b"X: " + b"y" * 70_000 + b"\r\n\r\n")
        assert rest(live).startswith(b"HTTP/1.1 431 ")
    with connect(app.port) as live:
        live.sendall(b"GET /healthz HTTP/1.1\r\n" + host)
        for number in range(60):
            live.sendall(b"X-%d: %s\r\n" % (number, b"y" * 900))
        live.sendall(b"Connection: close\r\n\r\n")
        assert rest(live).startswith(b"HTTP/1.1 200 ")


def test_unfinished_heads_together_are_bounded(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ALL_HEADS", 200_000)
    with contextlib.ExitStack() as stack:
        lives = [stack.enter_context(connect(app.port)) for _ in range(8)]
        for live in lives:
            with contextlib.suppress(ConnectionError):
                live.sendall(b"GET / HTTP/1.1\r\nx: " + b"y" * 50_000)
        assert rest(lives[0]) == b""  # the oldest went
        assert app.connections.head_bytes <= 200_000
        assert app.ask("/healthz").status == 200


def test_body_is_not_read(app: App) -> None:
    host = b"Host: 127.0.0.1:%d\r\n" % app.port
    for framing in (b"Content-Length: 99999999\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"):
        for method, status in ((b"POST", b"405"), (b"GET", b"413")):
            with connect(app.port) as live:
                live.sendall(method + b" /simple/six/ HTTP/1.1\r\n" + host + framing)
                assert rest(live).startswith(b"HTTP/1.1 " + status)
            with connect(app.port) as live:
                live.sendall(method + b" /simple/six/ HTTP/1.1\r\n" + host + framing)
                assert pushed(live, b"1\r\nx\r\n" * 10_000, 1000) < 50 * MB


def test_requests_that_are_sent_ahead_are_few(app: App) -> None:
    one = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % app.port
    with connect(app.port) as live:
        live.sendall(one * 400)
        told = rest(live).count(b"HTTP/1.1 200 ")
    assert 1 <= told <= connection.PIPELINED + 2


def half_closed(app: App, request: bytes) -> bytes:
    with connect(app.port) as live:
        live.sendall(request)
        live.shutdown(socket.SHUT_WR)
        return rest(live)


def test_client_that_ends_its_own_side_gets_its_answer(app: App, origin: RecordingServer) -> None:
    host = b"Host: 127.0.0.1:%d\r\n\r\n" % app.port
    held = threading.Event()
    origin.fail(modes.held(held), "/simple/six/")
    threading.Timer(0.5, held.set).start()
    try:
        told = half_closed(app, b"GET /simple/six/ HTTP/1.1\r\n" + host)
        assert told.startswith(b"HTTP/1.1 200 ")
        assert b"six" in told
    finally:
        origin.heal()
    for _ in range(20):
        assert half_closed(app, b"GET /healthz HTTP/1.1\r\n" + host).startswith(b"HTTP/1.1 200 ")
        both = b"GET /healthz HTTP/1.1\r\n" + host + b"GET /x HTTP/1.1\r\n" + host
        assert half_closed(app, both).count(b"HTTP/1.1 ") == 2
        assert half_closed(app, b"OPTIONS * HTTP.1\r\n" + host).startswith(b"HTTP/1.1 400 ")
        assert half_closed(app, b"GET / HT") == b""


def test_client_that_has_gone_is_not_waited_for_long(
    app: App, origin: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HALF_CLOSED", 0.2)
    held = threading.Event()
    origin.forget()
    origin.fail(modes.held(held), "/simple/six/")
    try:
        with connect(app.port) as live:
            live.sendall(b"GET /simple/six/ HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % app.port)
            until(lambda: origin.requests("/simple/six/"))
            assert len(app.connections) == 1
        until(lambda: len(app.connections) == 0)
    finally:
        held.set()
        origin.heal()


# ------------------------------------------------------------------ time, and the number


class Odd:
    """What the registry knows of a connection."""

    def __init__(self, registry: ClientConnections) -> None:
        self.registry = registry
        self.head_bytes = 0
        self.head_since: float | None = registry.clock()
        self.ended = ""

    def drop(self) -> None:
        self.ended = "dropped"
        self.registry.went(self)  # type: ignore[arg-type]

    def is_late(self) -> None:
        self.ended = "late"
        self.registry.went(self)  # type: ignore[arg-type]


def registry(most: int = 3) -> tuple[ClientConnections, Clock, Any]:
    clock = Clock()
    made = ClientConnections(most, clock=clock)

    def come() -> Any:
        clock.now += 0.001
        each: Any = Odd(made)
        made.came(each)
        return each

    return made, clock, come


def test_the_longest_idle_goes_first_and_never_one_at_work() -> None:
    made, clock, come = registry()
    first, second, third = come(), come(), come()
    made.works(first)
    clock.now += 1
    made.works(second)
    made.waits(second)
    come()
    assert [each.ended for each in (first, second, third)] == ["", "", "dropped"]
    come()
    assert [each.ended for each in (first, second)] == ["", "dropped"]
    assert len(made) == 3


def test_where_all_work_one_that_does_not_read_goes_and_else_the_newcomer() -> None:
    made, clock, come = registry()
    busy = [come(), come(), come()]
    for each in busy:
        made.works(each)
    assert come().ended == "dropped"
    made.stalls(busy[1], 1000)
    assert come().ended == "dropped"
    clock.now += connection.STALLED_IN_NEED + 1
    assert come().ended == ""
    assert [each.ended for each in busy] == ["", "dropped", ""]
    assert made.unread_bytes == 0


def test_where_one_user_has_more_than_a_share_it_is_that_user_s_that_go() -> None:
    made, _, come = registry(6)
    theirs = [come() for _ in range(4)]
    ours = [come() for _ in range(2)]
    for each in theirs:
        made.works(each)
        made._is_of(each, MALLORY)
    for each in ours:
        made._is_of(each, ALICE)
    new = come()
    assert [each.ended for each in (*theirs, *ours, new)] == ["", "", "", "dropped", "", "", ""]
    # Of whom it is not known yet, the newest goes.
    made.works(new)
    for each in ours:
        made.works(each)
    newer = come()
    assert [each.ended for each in (*theirs, *ours)] == ["", "", "dropped", "dropped", "", ""]
    made.works(newer)
    # Shares that are equal: nobody's work is another's to end.
    assert come().ended == "dropped"


ASKS = """
import os, socket, sys, time
uid, port, times = map(int, sys.argv[1:4])
head = b"".join(line.encode() + b"\\r\\n" for line in sys.argv[4:])
# Nothing may have to be imported any more: this user may not read the interpreter's folder.
os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
lives = []
for _ in range(times):
    live = socket.socket()
    live.connect(("127.0.0.1", port))
    live.sendall(head)
    lives.append(live)
    time.sleep(0.005)
print("asked", flush=True)
time.sleep(600)
"""


@needs_two_users
@pytest.mark.parametrize("asks", [(), ("GET /simple/six/ HTTP/1.1", "Host: 127.0.0.1:{}", "")])
def test_another_user_s_connections_keep_nobody_out_whatever_they_do(
    app: App, origin: RecordingServer, asks: Sequence[str]
) -> None:
    app.connections.most = 24
    held = threading.Event()
    origin.fail(modes.held(held), "/simple/six/")
    words = [str(MALLORY), str(app.port), "60", *(line.format(app.port) for line in asks)]
    argv = [sys.executable, "-I", "-S", "-c", ASKS, *words]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd="/") as mallory:
        try:
            assert mallory.stdout is not None
            assert mallory.stdout.readline() == b"asked\n"
            mine = connect(app.port)  # idle between two requests, as an installer's
            until(lambda: not app.connections._guests)
            for _ in range(40):
                assert app.ask("/simple/big/").status == 200
            mine.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % app.port)
            assert mine.recv(65536).startswith(b"HTTP/1.1 200 ")
            mine.close()
            until(lambda: len(app.connections) <= 24)
        finally:
            mallory.kill()
            held.set()
            origin.heal()


def test_a_head_has_its_time_and_an_idle_connection_another() -> None:
    made, clock, come = registry()
    silent, slow, idle = come(), come(), come()
    idle.head_since = None
    clock.now += connection.HEAD_WITHIN - 1
    made.sweep()
    assert [each.ended for each in (silent, slow, idle)] == ["", "", ""]
    clock.now += 2
    made.sweep()
    assert [each.ended for each in (silent, slow, idle)] == ["late", "late", ""]


def test_a_client_that_reads_nothing_is_let_go_in_the_end() -> None:
    made, clock, come = registry()
    slow, stuck = come(), come()
    made.works(slow)
    made.works(stuck)
    made.stalls(slow, 5)
    made.stalls(stuck, 7)
    clock.now += connection.STALLED - 1
    made.reads(slow)
    made.stalls(slow, 5)
    made.sweep()
    assert stuck.ended == ""
    clock.now += 2
    made.sweep()
    assert (slow.ended, stuck.ended, made.unread_bytes) == ("", "dropped", 5)


def test_what_waits_for_those_who_do_not_read_is_bounded() -> None:
    made, clock, come = registry(100)
    size = connection.ALL_UNREAD // 4
    stuck = [come() for _ in range(6)]
    for each in stuck:
        made.works(each)
        made.stalls(each, size)
        clock.now += connection.UNREAD_IN_NEED
    assert [each.ended for each in stuck] == ["dropped"] * 2 + [""] * 4
    assert made.unread_bytes <= connection.ALL_UNREAD


def test_connections_stay_below_the_files_that_the_process_may_have() -> None:
    assert most_connections(256) == 64
    assert most_connections(0) == 16
    assert most_connections(1024) == 448
    assert most_connections(1 << 20) == connection.MOST


def test_file_limit_is_raised_to_what_the_system_allows() -> None:
    program = (
        "import resource; from headrace.system.open_files import raise_limit;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (200, min(3000,"
        " resource.getrlimit(resource.RLIMIT_NOFILE)[1])));"
        "print(raise_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    raised, soft, hard = map(int, told.stdout.split())
    assert raised == soft == hard


def test_system_that_refuses_what_it_promises_gets_less(monkeypatch: pytest.MonkeyPatch) -> None:
    # As macOS does: no limit is told, and more than OPEN_MAX is refused.
    limits = [256, resource.RLIM_INFINITY]

    def set_limit(_: int, pair: tuple[int, int]) -> None:
        if pair[0] > open_files._OPEN_MAX:
            raise ValueError("current limit exceeds maximum limit")
        limits[0] = pair[0]

    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", set_limit)
    assert open_files.raise_limit() == open_files._OPEN_MAX


# ------------------------------------------------------------------ the whole of it


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    return 0


class Flood:
    """Connections that say nothing or half of something, and a head without an end."""

    def __init__(self, port: int, connections: int) -> None:
        self.sent = 0
        self.stop = threading.Event()
        self._port = port
        self._lives: list[socket.socket] = []
        for number in range(connections):
            live = connect(port)
            with contextlib.suppress(ConnectionError):
                live.sendall((b"", b"GET /simple/ HTTP/1.1\r\nHost: 127", b"GET")[number % 3])
            self._lives.append(live)
        self._thread = threading.Thread(target=self._push)

    def _push(self) -> None:
        piece = b"x-small: y\r\n" * 5000
        while not self.stop.is_set():
            with contextlib.suppress(OSError), connect(self._port) as live:
                live.sendall(b"GET / HTTP/1.1\r\n")
                while not self.stop.is_set():
                    live.sendall(piece)
                    self.sent += len(piece)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join()
        for live in self._lives:
            live.close()


def _install(gateway: Gateway, target: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pip", "install", "--isolated", "--no-cache-dir", "--no-deps"]
    argv += ["-q", "-i", gateway.index, "--target", str(target), "big"]
    env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(target)}
    return subprocess.run(argv, capture_output=True, text=True, env=env, check=False)


@pytest.mark.parametrize(
    ("connections", "head"),
    [
        pytest.param(200, 20 * MB, id="a slice"),
        pytest.param(1000, 100 * MB, id="the whole", marks=pytest.mark.nightly),
    ],
)
def test_install_goes_on_beside_idle_and_half_open_connections_and_an_endless_head(
    tmp_path: Path, origin: RecordingServer, connections: int, head: int
) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip(lacks("system", "reads /proc"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    try:
        with Gateway(tmp_path / "gateway", origins=[f"{origin.url}/simple"]) as gateway:
            assert gateway.process is not None
            pid, peak = gateway.process.pid, 0
            with Flood(gateway.port, connections) as flood:
                done = _install(gateway, tmp_path / "target")
                assert done.returncode == 0, done.stderr + gateway.told()

                def enough() -> bool:
                    nonlocal peak
                    peak = max(peak, _resident(pid))
                    return flood.sent >= head

                until(enough)
                assert gateway.get("/healthz")[0] == 200
            # Shown with -s.
            print(f"resident at most {peak / MB:.0f} MB, {flood.sent / MB:.0f} MB of heads sent")  # noqa: T201
            assert peak < 150 * MB
            assert (tmp_path / "target" / "big-1.0.dist-info").exists()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_clients_that_read_nothing_cost_little_and_keep_nobody_out(
    tmp_path: Path, origin: RecordingServer, index: Index
) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip(lacks("system", "reads /proc"))
    with Gateway(tmp_path / "gateway", origins=[f"{origin.url}/simple"]) as gateway:
        assert gateway.process is not None
        path = index.path(BIG.name)
        gateway.get("/simple/big/")
        assert len(gateway.get(path)[2]) == len(BIG.data)
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\n\r\n".encode()
        before = _resident(gateway.process.pid)
        with contextlib.ExitStack() as stack:
            lives = [stack.enter_context(connect(gateway.port)) for _ in range(120)]
            for live in lives:
                live.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                live.sendall(head)
                assert live.recv(12) == b"HTTP/1.1 200"
            assert len(gateway.get(path)[2]) == len(BIG.data)
            assert _resident(gateway.process.pid) - before < 120 * (MB // 2)
