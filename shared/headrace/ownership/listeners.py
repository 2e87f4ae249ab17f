"""Whose program listens where a connection would arrive, on each kind of system.

Linux tells at once (`sockets`). macOS and Windows are asked by programs that they bring; what those
print is read by `other_systems`. Where nothing is told the answer is None, and whoever asked must
have another proof.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path

from headrace.ownership import other_systems, sockets
from headrace.ownership.files import trusted, user_name
from headrace.ownership.programs import told_by
from headrace.values import dataclass

__all__ = ["Listeners", "answering_stranger", "listeners", "nobody_else_listens"]

#: Seconds for a program of macOS or Windows.
_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Listeners:
    """All who listen there."""

    users: frozenset[str]
    """User ids as text; on Windows security identifiers."""
    names: tuple[str, ...]
    """The same for people: ``alice (uid 1000)``."""

    def strangers(self, owners: Collection[int]) -> tuple[str, ...]:
        """Name those that are none of `owners` (user ids) and not this process's user."""
        known = {str(uid) for uid in (*owners, *trusted())} | other_systems.SYSTEM
        return tuple(
            name
            for user, name in zip(sorted(self.users), self.names, strict=True)
            if user not in known
        )


def listeners(host: str, port: int) -> Listeners | None:
    """Return who listens where a connection to a loopback address arrives; None: not to be told.

    No users: nobody listens.
    """
    if sys.platform == "darwin":
        return _named(_of_macos(host, port))
    if sys.platform == "win32":
        return _of_windows(host, port)
    tables = sockets.read_listening()
    if not tables:
        return None
    found = sockets.owners_of_listener(tables, host, port)
    if _unknown_user() in found:
        return None
    return _named(frozenset(str(uid) for uid in found))


def answering_stranger(
    server: tuple[str, int], client: tuple[str, int], owners: Collection[int]
) -> tuple[str, ...]:
    """Name the user whose program has taken a connection, where that is none of `owners`, not this
    process's user and not root; empty also where it cannot be told, as of one that is closed.

    Both ends are (address, port). Who listens is seen a moment after connecting: whoever took the
    connection and then left the port to its rightful owner is seen here alone.
    """
    taken = sockets.owner_of_connection(sockets.read_tables(), server, client)
    if taken is None or taken == _unknown_user():
        return ()
    return Listeners(frozenset({str(taken)}), (user_name(taken),)).strangers(owners)


def nobody_else_listens(host: str, port: int, owners: Collection[int] = ()) -> bool:
    """Whether a secret may be shown there as far as the system can tell: all who listen are one of
    `owners` (user ids), this process's user, or root.

    True where nobody listens, and where the system does not tell: this is for those who have no
    other proof to ask for.
    """
    found = listeners(host, port)
    return found is None or not found.strangers(owners)


def _named(users: frozenset[str] | None) -> Listeners | None:
    if users is None:
        return None
    names = [user_name(int(user)) for user in sorted(users)]
    return Listeners(users, tuple(names))


def _unknown_user() -> int | None:
    """Return the id that stands for users of outside, where this is a container with users of its
    own (user_namespaces(7)); elsewhere that id is an account like others.
    """
    try:
        mapped = Path("/proc/self/uid_map").read_text("ascii").split()
        if mapped[:3] == ["0", "0", "4294967295"]:
            return None
        return int(Path("/proc/sys/kernel/overflowuid").read_text("ascii"))
    except (OSError, ValueError):
        return None


def _of_macos(host: str, port: int) -> frozenset[str] | None:
    """Not run by us on such a system."""
    table = told_by("/usr/sbin/netstat", "-anvW", "-p", "tcp", within=_PATIENCE)
    pids = None if table is None else other_systems.netstat_pids(table, host, port)
    if pids is None:
        return None
    if not pids:
        return frozenset()
    named = ",".join(str(pid) for pid in sorted(pids))
    users = told_by("/bin/ps", "-o", "uid=", "-p", named, within=_PATIENCE)
    return None if users is None else other_systems.ps_users(users, len(pids))


def _of_windows(host: str, port: int) -> Listeners | None:
    """Not run by us on such a system."""
    script = other_systems.POWERSHELL.replace("PORT", str(port))
    words = ("powershell.exe", "-NoProfile", "-NonInteractive", "-Command", script)
    told = told_by(*words, within=_PATIENCE)
    found = None if told is None else other_systems.windows_owners(told, host)
    if found is None:
        return None
    ordered = sorted(found.items())
    return Listeners(frozenset(found), tuple(name for _, name in ordered))
