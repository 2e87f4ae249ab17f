"""A threaded HTTP/1.1 server on loopback that records every request and misbehaves on order.

Content is a mapping of decoded paths to bytes, to replies or to functions; a function that is
mounted on a prefix answers for all below it. Rates are bytes per second. Everything can be changed
while a response is under way.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import Self

from lib.serving.answers import NOT_FOUND, Answering, Gone, Handler, Reply, Seen
from lib.serving.modes import OK, Mode, Rule
from lib.serving.ports import free_port

__all__ = ["NOT_FOUND", "Handler", "Listener", "RecordingServer", "Reply", "Seen"]


class RecordingServer:
    """One upstream of a test. A context manager; `url` has no final slash."""

    def __init__(
        self,
        content: Mapping[str, bytes | Reply | Handler] | None = None,
        *,
        name: str = "server",
        tls: ssl.SSLContext | None = None,
        rate: float | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        known_as: str = "",
    ) -> None:
        """`rate` is the link's, shared by all responses; `port` 0 takes a free one; `known_as` is
        the host's name in URLs, for those who reach it through a proxy that knows it.
        """
        self.known_as = known_as or host
        self.name = name
        self.content: dict[str, bytes | Reply | Handler] = dict(content or {})
        self.mounts: dict[str, Handler] = {}
        self.credential: tuple[str, str] | None = None
        """User and password; without them every request is answered 401."""
        self.etags = True
        self.ranges = True
        self.several = False
        """Answer several ranges with several parts, not with the whole."""
        self.compress = False
        """Gzip text where the client takes it."""
        self.cache_control: str | None = None
        self.delay = 0.0
        """Seconds before each answer."""
        self.rate = rate
        self.closing = threading.Event()
        self._rules: list[Rule] = []
        self._seen: list[Seen] = []
        self._lock = threading.Lock()
        self._link_free = 0.0
        self._sockets: set[socket.socket] = set()
        self._connections = 0
        self._host, self._port, self.tls = host, port, tls
        self._server: Listener | None = None
        self._thread: threading.Thread | None = None

    # -------------------------------------------------------------- life

    def start(self) -> Self:
        """Listen, and answer in threads."""
        self.closing.clear()
        # One that stays free while the server is closed, for it may come back.
        self._server = Listener((self._host, self._port or free_port()), self)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name=f"{self.name}-accept"
        )
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop listening, drop all connections, wait for the threads. The port is kept in mind,
        so that `start` brings the same address back.
        """
        if self._server is None or self._thread is None:
            return
        self.closing.set()
        self._server.shutdown()
        with self._lock:
            for live in self._sockets:
                with contextlib.suppress(OSError):
                    # Past SSLSocket, which would take its state from under the other thread.
                    socket.socket.shutdown(live, socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port

    @property
    def url(self) -> str:
        """Base URL without a final slash."""
        return f"{'https' if self.tls else 'http'}://{self.known_as}:{self._port}"

    # -------------------------------------------------------------- orders

    def fail(
        self,
        mode: Mode,
        match: str = "*",
        *,
        times: int | None = None,
        methods: tuple[str, ...] = ("GET", "HEAD"),
    ) -> None:
        """Misbehave for paths that fit `match`; the newest rule that fits wins."""
        with self._lock:
            self._rules.insert(0, Rule(mode, match, methods, times))

    def heal(self) -> None:
        """Forget all rules."""
        with self._lock:
            self._rules.clear()

    def mode_for(self, method: str, path: str) -> Mode:
        """Give the mode of one request, and count it."""
        with self._lock:
            for rule in self._rules:
                if rule.fits(method, path):
                    if rule.times is not None:
                        rule.times -= 1
                    return rule.mode
        return OK

    # -------------------------------------------------------------- records

    @property
    def seen(self) -> list[Seen]:
        """All requests so far, in the order in which they came."""
        with self._lock:
            return list(self._seen)

    def requests(self, match: str = "*", method: str | None = None) -> list[Seen]:
        """Those whose decoded path fits a shell pattern."""
        rule = Rule(OK, match, (method,) if method else ("GET", "HEAD", "POST", "PUT"))
        return [s for s in self.seen if rule.fits(s.method, s.path)]

    def bytes_sent(self, match: str = "*") -> int:
        """Bytes of bodies that went out for paths that fit."""
        return sum(s.sent for s in self.requests(match))

    def at_once(self, match: str = "*") -> int:
        """The most requests that fit and were under way at the same time."""
        moments = [(s.started, 1) for s in self.requests(match)]
        moments += [(s.ended, -1) for s in self.requests(match) if s.ended is not None]
        found = now = 0
        for _, step in sorted(moments):
            now += step
            found = max(found, now)
        return found

    def forget(self) -> None:
        """Empty the record."""
        with self._lock:
            self._seen.clear()

    # -------------------------------------------------------------- for the handler

    def find(self, path: str, headers: Mapping[str, str]) -> Reply:
        """Say what stands at a path."""
        entry = self.content.get(path)
        if entry is None:
            mounts = sorted((m for m in self.mounts if path.startswith(m)), key=len)
            entry = self.mounts[mounts[-1]] if mounts else NOT_FOUND
        if callable(entry):
            entry = entry(path, headers)
        return Reply(entry) if isinstance(entry, bytes) else entry

    def record(self, seen: Seen) -> None:
        """Keep one request."""
        with self._lock:
            self._seen.append(seen)

    def connected(self, live: socket.socket) -> int:
        """Note a connection; gives its number."""
        with self._lock:
            self._sockets.add(live)
            self._connections += 1
            return self._connections

    def disconnected(self, live: socket.socket) -> None:
        """Forget a connection."""
        with self._lock:
            self._sockets.discard(live)

    @property
    def live(self) -> int:
        """Connections that are open now."""
        with self._lock:
            return len(self._sockets)

    def pace(self, count: int, started: float, sent: int, rate: float) -> None:
        """Wait until `count` more bytes may go out, on this response and on the link."""
        now = time.monotonic()
        until = started + sent / rate if rate else now
        if self.rate:
            with self._lock:
                self._link_free = max(self._link_free, now) + count / self.rate
                until = max(until, self._link_free)
        if until > now and self.closing.wait(until - now):
            raise Gone


class Listener(ThreadingHTTPServer):
    """The listening socket; a thread for each connection."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], owner: RecordingServer) -> None:
        self.owner = owner
        super().__init__(address, Answering)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients hang up all the time."""
