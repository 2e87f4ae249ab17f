"""A command that is led, at a running gateway, as whoever talks to its proxy sees it."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from lib.gateway import Gateway
from lib.serving.certificates import Authority
from lib.serving.servers import RecordingServer
from lib.waiting import HANG
from lib.world import World

__all__ = ["Led", "Place", "head_of", "request_for", "talk"]


@dataclass(slots=True)
class Led:
    """A command that is led, as the proxy sees it."""

    gateway: Gateway
    world: World
    company: Authority
    runners: Path
    token: str
    certificate: str
    file: Path
    hosts: list[str]

    def connect(self, target: str, token: str | None = None) -> socket.socket:
        """Ask for a tunnel; give the connection, of which nothing was read."""
        made = socket.create_connection(("127.0.0.1", self.gateway.port), timeout=HANG)
        shown = self.token if token is None else token
        pair = base64.b64encode(f"headrace:{shown}".encode()).decode()
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        lines += [f"Proxy-Authorization: Basic {pair}"] if shown else []
        made.sendall("\r\n".join([*lines, "", ""]).encode())
        return made

    def status(self, target: str, token: str | None = None) -> int:
        """Give the proxy's answer."""
        with self.connect(target, token) as made:
            return int(head_of(made).split(b" ")[1])


def head_of(sock: socket.socket) -> bytes:
    """Read the head of an answer, and not one byte more."""
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        data = sock.recv(1)
        assert data, got
        got += data
    return got


@dataclass(frozen=True, slots=True)
class Place:
    """What all tests here share: a running gateway, its origin, and who vouches for that."""

    gateway: Gateway
    world: World
    company: Authority


def talk(led: Led, server: RecordingServer, request: bytes, trust: str) -> bytes:
    """Send one request through the proxy, within TLS; give all that is answered."""
    context = ssl.create_default_context(cadata=trust)
    with led.connect(f"127.0.0.1:{server.port}") as sock:
        assert head_of(sock).startswith(b"HTTP/1.1 200 ")
        with context.wrap_socket(sock, server_hostname="127.0.0.1") as tls:
            tls.sendall(request)
            got = b""
            with contextlib.suppress(ssl.SSLEOFError):
                while data := tls.recv(65536):
                    got += data
            return got


def request_for(server: RecordingServer, path: str, *lines: str, body: bytes = b"") -> bytes:
    """Write a request; with a body it is a POST."""
    method = "POST" if body else "GET"
    head = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", "Connection: close"]
    head += [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*head, *lines, "", ""]).encode() + body
