"""The gateway's application with one origin of channels, asked by the channels' own paths."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path

import headrace_conda.plugin
from headrace.models import Mirror, Origin
from lib.app import App, Told
from lib.serving.servers import RecordingServer
from lib.waiting import HANG


class ChannelApp(App):
    """An `App` whose first origin is a recording server."""

    def __init__(
        self,
        root: Path,
        server: RecordingServer,
        *others: RecordingServer,
        private: bool = False,
        mirrors: Iterable[Mirror] = (),
    ) -> None:
        """`others` are further hosts that may be asked; `private` speaks of the first."""
        self.prefix = f"/conda/http+127.0.0.1:{server.port}"
        origins = [
            Origin("conda", each.url, private=private and each is server, name=each.name)
            for each in (server, *others)
        ]
        super().__init__(root, *origins, plugins=[headrace_conda.plugin], mirrors=mirrors)

    def get(self, path: str, method: str = "GET", **headers: str) -> Told:
        """Ask for a path of the first origin."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask(self.prefix + path, given, method=method)

    def raw(self, path: str) -> socket.socket:
        """Send a request and leave the answer to be read."""
        live = socket.create_connection(("127.0.0.1", self.port), timeout=HANG)
        host = f"127.0.0.1:{self.port}"
        live.sendall(f"GET {self.prefix}{path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return live
