"""An origin that answers whatever it is told to, byte for byte, and says what it was asked."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from types import TracebackType
from typing import Self

__all__ = ["HostileOrigin"]

#: Bytes of a request's head; the gateway's own are far shorter.
_LONGEST = 64 << 10
#: Seconds for the gateway to say what it wants.
_PATIENCE = 20.0


class _Handler(socketserver.BaseRequestHandler):
    server: _Listener

    def handle(self) -> None:
        """Read one head, send the answer as it is, and close."""
        self.request.settimeout(_PATIENCE)
        head = b""
        with contextlib.suppress(OSError):
            while b"\r\n\r\n" not in head and len(head) < _LONGEST:
                part = self.request.recv(65536)
                if not part:
                    return
                head += part
            self.server.origin.seen.append(head)
            self.request.sendall(self.server.origin.answer)
            self.request.shutdown(socket.SHUT_WR)


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, origin: HostileOrigin) -> None:
        self.origin = origin
        super().__init__(("127.0.0.1", 0), _Handler)


class HostileOrigin:
    """One listener. A context manager."""

    def __init__(self, answer: bytes = b"") -> None:
        """`answer` goes out as it is, and can be changed at any time."""
        self.answer = answer
        self.seen: list[bytes] = []
        """Heads of the requests."""
        self._server = _Listener(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def authority(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """Base URL without a final slash."""
        return f"http://{self.authority}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
