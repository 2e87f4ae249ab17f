"""A network of names and addresses of a test's own, all of whose hosts are this machine's servers.

The resolver says what a test wants, and a connection to any address arrives at the same port of
loopback. Whoever connects cannot tell; the test knows where it was going.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any

import httpcore
import pytest
from httpcore._backends.anyio import AnyIOStream

from headrace.upstream.http1.streams import SocketBackend, SocketStream

__all__ = ["Network"]


class Network:
    """What is resolved and what is connected to, in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Take the place of the resolver and of the HTTP client's network until the test ends."""
        self.names: dict[str, Sequence[str] | Callable[[], Sequence[str]]] = {}
        """Addresses by name. What is not here are numbers, or nothing."""
        self.looked_up: list[str] = []
        self.connected: list[tuple[str, int]] = []
        """Address and port of each connection."""
        self._resolve = socket.getaddrinfo
        connect_pages = httpcore.AnyIOBackend.connect_tcp
        connect_bytes = SocketBackend.connect_tcp
        monkeypatch.setattr(socket, "getaddrinfo", self._getaddrinfo)
        network = self

        async def for_pages(
            backend: httpcore.AnyIOBackend, host: str, port: int, *rest: Any, **more: Any
        ) -> httpcore.AsyncNetworkStream:
            network.connected.append((host, port))
            made = await connect_pages(backend, "127.0.0.1", port, *rest, **more)
            assert isinstance(made, AnyIOStream)
            return _PageStream(made, (host, port))

        async def for_bytes(
            backend: SocketBackend, host: str, port: int, *rest: Any, **more: Any
        ) -> httpcore.AsyncNetworkStream:
            network.connected.append((host, port))
            made = await connect_bytes(backend, "127.0.0.1", port, *rest, **more)
            return _ByteStream(made, (host, port))

        monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", for_pages)
        monkeypatch.setattr(SocketBackend, "connect_tcp", for_bytes)

    def reached(self, port: int) -> list[str]:
        """List the addresses that a port was connected at."""
        return [address for address, number in self.connected if number == port]

    def _getaddrinfo(self, host: Any, port: Any, *_: Any, **__: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        found = self.names.get(name)
        if found is None:
            return self._resolve(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        self.looked_up.append(name)
        addresses = found() if callable(found) else found
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [_entry(address, port or 0) for address in addresses]


def _entry(address: str, port: int) -> Any:
    six = ":" in address
    family = socket.AF_INET6 if six else socket.AF_INET
    place = (address, port, 0, 0) if six else (address, port)
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", place


class _PageStream(AnyIOStream):
    """A connection that says where it was going."""

    def __init__(self, made: AnyIOStream, place: tuple[str, int]) -> None:
        super().__init__(made._stream)
        self._place = place

    async def start_tls(self, *rest: Any, **more: Any) -> _PageStream:
        made = await super().start_tls(*rest, **more)
        assert isinstance(made, AnyIOStream)
        return _PageStream(made, self._place)

    def get_extra_info(self, info: str) -> Any:
        return self._place if info == "server_addr" else super().get_extra_info(info)


class _ByteStream(SocketStream):
    """The same."""

    def __init__(self, made: SocketStream, place: tuple[str, int]) -> None:
        super().__init__(made._transport, made._incoming)
        self._place = place

    async def start_tls(self, *rest: Any, **more: Any) -> _ByteStream:
        return _ByteStream(await super().start_tls(*rest, **more), self._place)

    def get_extra_info(self, info: str) -> Any:
        return self._place if info == "server_addr" else super().get_extra_info(info)
