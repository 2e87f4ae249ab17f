"""The user's gateway, asked with next to nothing imported.

As `system.service.health` has it: whose the listener is, then the challenge, then whose the other
end of the connection is, and only then anything that is worth something. Here all of it must hold,
and what is in any way unusual is none: then the long way looks, and tells.
"""

from __future__ import annotations

import _socket  # what `socket` stands on: that would cost as much as all the rest
import binascii
import hmac
import json
import os

from headrace import __version__
from headrace.ownership import proving
from headrace.system.service import own_pages

__all__ = ["ProvenGateway"]

#: Where the kernel tells of IPv4 sockets (proc(5)): addresses in hex, states, user ids, inodes. A
#: connection to 127.0.0.1 goes to one of these where there is one, before any that takes IPv6 too.
_TABLE = "/proc/net/tcp"
_ESTABLISHED, _LISTEN = b"01", b"0A"
_MOST_BYTES = 1 << 20


class ProvenGateway:
    """A connection to a gateway that has proven to be the user's; OSError where it is not that."""

    def __init__(self, host: str, port: int, token: str | None, secret: str) -> None:
        """Connect, and find out with whom."""
        self._rest = b""
        self._login = ""
        self.where = f"{host}:{port}"
        self._socket = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        try:
            self._socket.settimeout(2.0)
            self._socket.connect((host, port))
            _check_listeners(port)
            self._check_proof(host, port, secret)
        except BaseException:
            self.close()
            raise
        shown = token or own_pages.shown_for(secret)
        pair = binascii.b2a_base64(f"headrace:{shown}".encode(), newline=False).decode()
        self._login = f"Authorization: Basic {pair}\r\n"

    def _check_proof(self, host: str, port: int, secret: str) -> None:
        nonce = proving.new_nonce()
        told = self._get("/healthz", f"{proving.NONCE}: {nonce}\r\n")
        _check_taker(port, self._socket.getsockname()[1])
        given = told.get("proof")
        if told.get("headrace") != __version__ or not isinstance(given, str):
            raise OSError("it is no gateway of this version that serves")
        wanted = proving.proof(secret, nonce, host, port)
        if not hmac.compare_digest(wanted.encode(), given.encode()):
            raise OSError("it is another gateway")

    def ask(self, path: str, timeout: float) -> dict[str, object]:
        """Return the table that it gives for a path, within `timeout` seconds a step; OSError."""
        self._socket.settimeout(timeout)
        return self._get(path, self._login)

    def close(self) -> None:
        """Let go of it."""
        self._socket.close()

    def _get(self, path: str, header: str) -> dict[str, object]:
        head = f"GET {path} HTTP/1.1\r\nHost: {self.where}\r\nAccept: application/json\r\n{header}"
        self._socket.sendall(f"{head}\r\n".encode("ascii"))
        while b"\r\n\r\n" not in self._rest:
            self._more()
        told, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = told.decode("latin-1").lower().split("\r\n")
        fields = dict(line.partition(":")[::2] for line in lines)
        length = fields.get("content-length", "").strip()
        if first.split()[1:2] != ["200"] or not length.isdecimal():
            raise OSError("it answers otherwise than a gateway does")
        while len(self._rest) < int(length):
            self._more()
        body, self._rest = self._rest[: int(length)], self._rest[int(length) :]
        try:
            table = json.loads(body)
        except (ValueError, RecursionError):
            table = None
        if not isinstance(table, dict):
            raise OSError("it answers otherwise than a gateway does")
        return table

    def _more(self) -> None:
        piece = self._socket.recv(1 << 16)
        if not piece or len(self._rest) > _MOST_BYTES:
            raise OSError("it does not answer as a gateway does")
        self._rest += piece


def _check_listeners(port: int) -> None:
    """Raise OSError unless all who listen at the port, wherever, are this user or root."""
    _check_users([row for row in _listening() if _port(row[1]) == port])


def _check_taker(port: int, client: int) -> None:
    """Raise OSError unless this user, or root, has taken the connection."""
    ends = f":{port:04X} ".encode(), f":{client:04X} ".encode()
    with open(_TABLE, "rb", buffering=0) as table:
        found = [line.split() for line in table.read().splitlines() if all(e in line for e in ends)]
    _check_users(
        [
            row
            for row in found
            if (_port(row[1]), _port(row[2]), row[3]) == (port, client, _ESTABLISHED)
        ]
    )


def _check_users(rows: list[list[bytes]]) -> None:
    # What has no inode no program holds any more, and its user says nothing.
    found = {row[7] for row in rows if row[9] != b"0"}
    if not found or not found <= {b"0", str(os.geteuid()).encode()}:
        raise OSError("somebody else may be there")


def _listening() -> list[list[bytes]]:
    """Return the rows of listeners: they come first, and the kernel writes no more than is read."""
    told, whole = b"", []
    with open(_TABLE, "rb", buffering=0) as table:
        while piece := table.read(4096):
            told += piece
            rows = [line.split() for line in told.splitlines()[1:]]
            whole = [row for row in rows if len(row) > 9]
            if any(row[3] != _LISTEN for row in whole):
                break
    return [row for row in whole if row[3] == _LISTEN]


def _port(address: bytes) -> int:
    return int(address.rpartition(b":")[2], 16)
