"""An outgoing HTTP proxy, as companies have: absolute-form requests and CONNECT, all recorded.

It alone knows the names below ``.test``: all of them are this machine.
"""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from lib.waiting import HANG


def _resolved(host: str | None) -> str:
    return "127.0.0.1" if (host or "").endswith(".test") else host or ""


_HOP = {"connection", "proxy-connection", "proxy-authorization", "keep-alive", "transfer-encoding"}


@dataclass(frozen=True, slots=True)
class Passed:
    """One request that went through the proxy."""

    method: str
    target: str
    """Absolute URL, or host:port of a CONNECT."""
    authorization: str | None
    """Proxy-Authorization."""


class RecordingProxy:
    """A proxy on loopback. A context manager."""

    def __init__(self) -> None:
        self.passed: list[Passed] = []
        self.closing = threading.Event()
        self._server = _Listener(("127.0.0.1", 0), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """URL for HTTP_PROXY and HTTPS_PROXY."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], owner: RecordingProxy) -> None:
        self.owner = owner
        super().__init__(address, _Passing)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients hang up all the time."""


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener
    timeout = 20

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
        """Keep the test's output clean."""

    def _note(self) -> None:
        credential = self.headers.get("proxy-authorization")
        self.server.owner.passed.append(Passed(self.command, self.path, credential))

    def do_GET(self) -> None:
        self._note()
        self._forward()

    def do_HEAD(self) -> None:
        self._note()
        self._forward()

    def _forward(self) -> None:
        parts = urlsplit(self.path)
        target = parts._replace(scheme="", netloc="").geturl() or "/"
        upstream = http.client.HTTPConnection(
            _resolved(parts.hostname), parts.port or 80, timeout=HANG
        )
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP}
        try:
            upstream.request(self.command, target, headers=headers)
            answer = upstream.getresponse()
            self.send_response_only(answer.status, answer.reason)
            for key, value in answer.getheaders():
                if key.lower() not in _HOP:
                    self.send_header(key, value)
            self.end_headers()
            while piece := answer.read1(65536):
                self.wfile.write(piece)
        except (OSError, http.client.HTTPException):
            self.close_connection = True
        finally:
            upstream.close()

    def do_CONNECT(self) -> None:
        self._note()
        host, _, port = self.path.rpartition(":")
        with (
            contextlib.suppress(OSError),
            socket.create_connection((_resolved(host), int(port)), timeout=HANG) as upstream,
        ):
            self.send_response_only(200, "Connection established")
            self.end_headers()
            self._pump(upstream)
        self.close_connection = True

    def _pump(self, upstream: socket.socket) -> None:
        pair = {self.connection: upstream, upstream: self.connection}
        while not self.server.owner.closing.is_set():
            for ready in select.select(list(pair), [], [], 0.1)[0]:
                data = ready.recv(65536)
                if not data:
                    return
                pair[ready].sendall(data)
