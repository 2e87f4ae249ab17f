"""Whose program listens on the gateway's port (Linux): conda's names are for the gateway alone.

A copy in small of what headrace itself does (`headrace.ownership`), because conda's base may have
nothing else of ours. Systems without these tables are passed: there `headrace doctor` looks.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys

__all__ = ["port_held_by", "stranger"]

_TABLES = (("/proc/net/tcp", socket.AF_INET), ("/proc/net/tcp6", socket.AF_INET6))
#: Who owns it is the account of the machine's gateway: root alone can have made it.
_MACHINE = "/var/lib/headrace"
_LISTEN = "0A"


def stranger(host: str, port: int) -> int | None:
    """Return the number of a user who listens there and should not; None: none that is seen."""
    if sys.platform != "linux":
        return None
    trusted = {0, os.geteuid()}
    with contextlib.suppress(OSError):
        trusted.add(os.stat(_MACHINE).st_uid)  # noqa: PTH116 - conda's start-up time
    return next((uid for uid in _listeners(host, port) if uid not in trusted), None)


def port_held_by(port: int, uid: int) -> str:
    """Say it for people."""
    try:
        import pwd  # noqa: PLC0415 - not on Windows

        name = f"user {pwd.getpwuid(uid).pw_name} (uid {uid})"
    except (ImportError, KeyError):
        name = f"uid {uid}"
    return f"port {port} is held by {name}"


def _listeners(host: str, port: int) -> list[int]:
    found = []
    for table, family in _TABLES:
        places = {f"{_hex(each)}:{port:04X}" for each in _places(host, family)}
        try:
            with open(table, encoding="ascii") as file:  # noqa: PTH123 - as above
                rows = [line.split(None, 8) for line in file]
        except (OSError, ValueError):
            continue
        found += [int(row[7]) for row in rows if row[1] in places and row[3] == _LISTEN]
    return found


def _places(host: str, family: int) -> list[bytes]:
    """Addresses to listen at where a connection to `host` arrives, as the table's family has it."""
    if family == socket.AF_INET:
        return [] if ":" in host else [socket.inet_aton(host), bytes(4)]
    plain = host if ":" in host else f"::ffff:{host}"
    return [socket.inet_pton(family, plain), bytes(16)]


def _hex(address: bytes) -> str:
    """Write an address as the tables do: each 32 bits as a number in the machine's own order."""
    return "".join(f"{word:08X}" for word in struct.unpack(f"={len(address) // 4}I", address))
