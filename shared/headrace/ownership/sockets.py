"""Whose a TCP socket of this machine is, as the kernel's own tables tell.

Linux shows all TCP sockets of the reader's network namespace in ``/proc/net/tcp`` and
``/proc/net/tcp6`` (proc(5)), to every user: addresses and ports in hex, the state, the user id of
the socket's owner and its inode. Both ends of a connection over loopback are rows of them, so the
program at the other end has a row of its own, whose user id it cannot choose. Reading them is the
one impure function here; whatever is no row is passed over.

Other systems have no such tables; there `read_tables` gives nothing, and nobody's owner is known.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from headrace.foreign import whole_number
from headrace.values import dataclass

__all__ = [
    "SocketEntry",
    "entries",
    "entry_of_connection",
    "has_gone",
    "listening",
    "owner_of_connection",
    "owners_of_clients",
    "owners_of_listener",
    "read_listening",
    "read_tables",
]

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
#: States of the tables (include/net/tcp_states.h).
_ESTABLISHED, _CLOSE_WAIT, _LISTEN = 0x01, 0x08, 0x0A
K = TypeVar("K")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class SocketEntry:
    """One row of the tables. IPv4 addresses that are written as IPv6 ones (mapped) are IPv4."""

    local: tuple[Address, int]
    remote: tuple[Address, int]
    state: int
    uid: int
    """User id as the reader's user namespace has it; 65534 for one that it does not know."""
    inode: int
    """0: no program holds it any more, and `uid` says nothing (it is root's then)."""


def read_tables() -> tuple[str, ...]:
    """Return the tables of this process's network namespace as text; () where there are none."""
    found = []
    for name in _TABLES:
        try:
            found.append(Path(name).read_text("ascii", "replace"))
        except OSError:
            continue
    return tuple(found)


def read_listening() -> tuple[str, ...]:
    """Return as much of the tables as has listeners; () where there are none.

    Listeners come first in them (proc_net_tcp of the kernel's documentation), and the kernel writes
    no more than is read: a busy machine has thousands of connections behind them.
    """
    found = []
    for name in _TABLES:
        try:
            with Path(name).open(encoding="ascii", errors="replace") as table:
                rows = [table.readline()]
                for row in table:
                    if row.split(None, 4)[3:4] != [f"{_LISTEN:02X}"]:
                        break
                    rows.append(row)
        except OSError:
            continue
        found.append("".join(rows))
    return tuple(found)


def owner_of_connection(
    tables: Iterable[str], local: tuple[str, int], remote: tuple[str, int]
) -> int | None:
    """Return the user id of the program that has this end of a connection; None: not to be told.

    `local` is the end whose owner is wanted: for a server's client that is what ``getpeername``
    says, and `remote` what ``getsockname`` says. One that its program has closed is nobody's.
    """
    entry = entry_of_connection(tables, local, remote)
    return None if entry is None else entry.uid


def entry_of_connection(
    tables: Iterable[str], local: tuple[str, int], remote: tuple[str, int]
) -> SocketEntry | None:
    """Return the row of the `local` end of a connection, as `owner_of_connection` has it."""
    near, far = _endpoint(local), _endpoint(remote)
    if near is None or far is None:
        return None
    for entry in _with_port(tables, near[1]):
        if (
            (entry.local, entry.remote) == (near, far)
            and entry.state in (_ESTABLISHED, _CLOSE_WAIT)
            and entry.inode
        ):
            return entry
    return None


def owners_of_clients(
    tables: Iterable[str], wanted: Mapping[K, tuple[tuple[str, int], tuple[str, int]]]
) -> dict[K, int]:
    """Return the user id for each connection to a server here, given as the client's end and the
    server's; those that no program holds any more are left out. For many: rows are looked at as
    text.
    """
    keys: dict[str, K] = {}
    marks: set[str] = set()
    for each, (near, far) in wanted.items():
        for mapped in (False, True):
            one, other = _written(*near, mapped=mapped), _written(*far, mapped=mapped)
            if one and other:
                keys[f"{one} {other}"] = each
        marks |= {f":{far[1]:04X} {state:02X} " for state in (_ESTABLISHED, _CLOSE_WAIT)}
    found: dict[K, int] = {}
    for table in tables:
        for line in table.splitlines():
            if not any(mark in line for mark in marks):
                continue
            words = line.split(None, 10)
            key = f"{words[1]} {words[2]}" if len(words) > 9 else ""
            if key in keys and words[9] != "0" and (uid := whole_number(words[7])) is not None:
                found[keys[key]] = uid
    return found


def _written(host: str, port: int, *, mapped: bool) -> str | None:
    """Write an address as a row has it; `mapped`: an IPv4 one as IPv6."""
    digits = _digits(host, mapped=mapped)
    return f"{digits}:{port:04X}" if digits else None


@lru_cache(maxsize=64)
def _digits(host: str, *, mapped: bool) -> str | None:
    place = _endpoint((host, 0))
    if place is None or (mapped and place[0].version == 6):
        return None
    raw = bytes(10) + b"\xff\xff" + place[0].packed if mapped else place[0].packed
    if sys.byteorder == "little":
        raw = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    return raw.hex().upper()


def has_gone(tables: Iterable[str], local: tuple[str, int], remote: tuple[str, int]) -> bool | None:
    """Whether nobody has the `local` end of a connection any more; None: it cannot be told.

    A client that has closed and one that has only ended its own side (shutdown(2)) look the same to
    the server; here the first one's end is nobody's, or is no longer listed.
    """
    near, far = _endpoint(local), _endpoint(remote)
    if near is None or far is None or not (given := list(tables)):
        return None
    return not any(
        entry.inode
        for entry in _with_port(given, near[1])
        if (entry.local, entry.remote) == (near, far)
    )


def owners_of_listener(tables: Iterable[str], host: str, port: int) -> frozenset[int]:
    """Return the user ids of all that listen where a connection to `host` and `port` may arrive.

    Those that listen at all addresses count too, and several may share one port (SO_REUSEPORT).
    Empty: nobody listens, or it cannot be told.
    """
    return frozenset(entry.uid for entry in listening(tables, host, port))


def listening(tables: Iterable[str], host: str, port: int) -> Iterator[SocketEntry]:
    """Give the rows of all that listen there, as `owners_of_listener` has it."""
    wanted = _endpoint((host, port))
    if wanted is None:
        return
    address = wanted[0]
    for entry in _with_port(tables, port):
        here = entry.local[0] == address or _is_any(entry.local[0], address)
        if entry.state == _LISTEN and entry.local[1] == port and here:
            yield entry


def entries(table: str) -> Iterator[SocketEntry]:
    """Read one table; rows that are none are passed over."""
    for line in table.splitlines():
        entry = _entry(line)
        if entry is not None:
            yield entry


def _with_port(tables: Iterable[str], port: int) -> Iterator[SocketEntry]:
    """Read those rows alone that name a port: a busy host has tens of thousands."""
    mark = f":{port:04X} "
    for table in tables:
        for line in table.splitlines():
            if mark in line and (entry := _entry(line)) is not None:
                yield entry


def _entry(line: str) -> SocketEntry | None:
    # sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …
    words = line.split(None, 10)
    if len(words) < 10:
        return None
    try:
        return SocketEntry(
            _place(words[1]), _place(words[2]), int(words[3], 16), int(words[7]), int(words[9])
        )
    except ValueError:  # the heading
        return None


def _place(word: str) -> tuple[Address, int]:
    digits, _, port = word.partition(":")
    if len(digits) not in (8, 32):
        raise ValueError(word)
    # Each 32 bits are a number in the machine's own order.
    raw = bytes.fromhex(digits)
    if sys.byteorder == "little":
        raw = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    return _plain(ipaddress.ip_address(raw)), int(port, 16)


def _endpoint(place: tuple[str, int]) -> tuple[Address, int] | None:
    try:
        return _plain(ipaddress.ip_address(place[0].partition("%")[0])), place[1]
    except ValueError:
        return None


def _plain(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_any(listening: Address, wanted: Address) -> bool:
    # [::] takes IPv4 as well, unless told otherwise; the table does not say, so it may be one.
    return listening.is_unspecified and (listening.version == 6 or wanted.version == 4)
