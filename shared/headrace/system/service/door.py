"""A door for containers: a listener on their bridge that lets one command's CONNECTs through to the
gateway, and nothing else.

It is open as long as the command lives. Whoever knocks must come by the bridge and from its own
network (an address alone would also be reached through this machine's other interfaces) and show
the command's token; of the gateway's own pages nothing is to be had here. Where this machine itself
connects for its containers, that is a program of the user's: no other user comes in. The gateway
judges what a CONNECT is for.
"""

from __future__ import annotations

import contextlib
import hmac
import ipaddress
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator

from headrace.errors import LocalError
from headrace.ownership.sockets import owner_of_connection, read_tables
from headrace.system.service.bridges import came_by

__all__ = ["Door"]

#: Bytes of a request's head, and seconds that it may take.
_HEAD, _PATIENCE = 64 << 10, 10.0
#: Connections at a time; of more, those go that have shown nothing yet, the first of them first.
_MOST = 256
_CHUNK = 256 << 10
_REFUSED = b"content-length: 0\r\nconnection: close\r\n\r\n"
#: ip(7): an address may be listened on before it is there.
_IP_FREEBIND = 15


class Door:
    """One door. A context manager; `address` is where it is."""

    def __init__(
        self,
        host: str,
        network: str,
        gateway: tuple[str, int],
        authorization: str,
        *,
        by: str = "",
        there: bool = True,
    ) -> None:
        """Listen on a free port; LocalError where `host` is no address of this machine's. With
        `there` False the bridge is yet to come. `authorization` is the value of the header
        ``Proxy-Authorization`` that opens it. `by` is the bridge, where its name is known.
        """
        self._network = ipaddress.ip_network(network)
        self._by = by
        self._gateway = gateway
        self._authorization = authorization.encode()
        self._places = threading.BoundedSemaphore(_MOST)
        self._open: set[socket.socket] = set()
        self._unproven: dict[socket.socket, None] = {}
        self._lock = threading.Lock()
        self._socket = _bind(host, there=there)
        self.address = host, int(self._socket.getsockname()[1])
        threading.Thread(target=self._accept, name="door", daemon=True).start()

    def close(self) -> None:
        """Close it, and every connection that went through it."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with self._lock:
            left = list(self._open)
        for sock in left:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, peer = self._socket.accept()
            except OSError:
                return
            if not self._is_for(client, str(peer[0])) or not self._takes_place():
                client.close()
                continue
            with self._lock:
                self._unproven[client] = None
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _is_for(self, client: socket.socket, peer: str) -> bool:
        """Whether somebody comes from the bridge; what is this machine's own has the gateway, but
        where the network is this machine alone, which then connects for its containers.
        """
        if ipaddress.ip_address(peer) not in self._network:
            return False
        with contextlib.suppress(OSError):
            if peer == self.address[0]:
                return self._network.num_addresses == 1 and _is_own(client)
            return not self._by or came_by(client) == self._by
        return False

    def _takes_place(self) -> bool:
        """Take one of the places, or that of whoever has waited longest without a word."""
        if self._places.acquire(blocking=False):
            return True
        with self._lock:
            first = next(iter(self._unproven), None)
            if first is None:
                return False
            del self._unproven[first]
            with contextlib.suppress(OSError):
                first.shutdown(socket.SHUT_RDWR)
        return self._places.acquire(timeout=_PATIENCE)

    def _serve(self, client: socket.socket) -> None:
        try:
            with self._kept(client), contextlib.suppress(OSError):
                head = _head_of(client)
                if head is None:
                    return
                status = self._judged(head)
                with self._lock:
                    self._unproven.pop(client, None)
                if status is not None:
                    client.sendall(status + _REFUSED)
                    return
                with self._kept(socket.create_connection(self._gateway, _PATIENCE)) as gateway:
                    _join(client, gateway, head)
        finally:
            self._places.release()

    @contextlib.contextmanager
    def _kept(self, sock: socket.socket) -> Iterator[socket.socket]:
        with self._lock:
            self._open.add(sock)
        try:
            yield sock
        finally:
            with self._lock:
                self._open.discard(sock)
                self._unproven.pop(sock, None)
            sock.close()

    def _judged(self, head: bytes) -> bytes | None:
        """Return the status line that a request is refused with; None: it may pass."""
        lines = head.partition(b"\r\n\r\n")[0].split(b"\r\n")
        if not lines[0].startswith(b"CONNECT "):
            return b"HTTP/1.1 403 Forbidden\r\n"
        shown = [
            value.strip()
            for name, _, value in (line.partition(b":") for line in lines[1:])
            if name.strip().lower() == b"proxy-authorization"
        ]
        if len(shown) == 1 and hmac.compare_digest(shown[0], self._authorization):
            return None
        challenge = b'proxy-authenticate: Basic realm="headrace"\r\n'
        return b"HTTP/1.1 407 Proxy Authentication Required\r\n" + challenge


def _is_own(client: socket.socket) -> bool:
    """Whether a program of this user's has the other end, on this machine, or nobody can tell."""
    tables = read_tables()
    near, far = client.getpeername(), client.getsockname()
    return not tables or owner_of_connection(tables, near[:2], far[:2]) == os.geteuid()


def _bind(host: str, *, there: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if not there and sys.platform == "linux":
            sock.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        sock.bind((host, 0))
        sock.listen(_MOST)
    except OSError as error:
        sock.close()
        raise LocalError(
            "no-bridge",
            f"{host}, where the engine says that its bridge is, is no address of this machine: "
            f"{error.strerror or error}",
            hint="containers of another machine, or of a virtual one, are not led",
        ) from error
    return sock


def _head_of(client: socket.socket) -> bytes | None:
    """Read a request as far as its head goes; None: it has none in time."""
    deadline, read = time.monotonic() + _PATIENCE, bytearray()
    while b"\r\n\r\n" not in read:
        left = deadline - time.monotonic()
        if left <= 0 or len(read) > _HEAD:
            return None
        client.settimeout(left)
        data = client.recv(8192)
        if not data:
            return None
        read += data
    return bytes(read)


def _join(client: socket.socket, gateway: socket.socket, head: bytes) -> None:
    for sock in (client, gateway):
        sock.settimeout(None)
    gateway.sendall(head)
    back = threading.Thread(target=_pump, args=(gateway, client), daemon=True)
    back.start()
    _pump(client, gateway)
    back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes until nothing does, and say so."""
    room = memoryview(bytearray(_CHUNK))
    with contextlib.suppress(OSError):
        while count := source.recv_into(room):
            target.sendall(room[:count])
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
