"""What macOS and Windows print of who listens and who can log in. Pure, and tried on what was
written down of their output alone: neither was run on such a system.

macOS: ``netstat -anvW -p tcp`` names the process of each socket, also of other users (``lsof`` does
so for root alone). Its columns differ from release to release, so they are found by their heading:
``pid`` up to macOS 14, ``process:pid`` from 15 on. The process's user comes from ``ps``. A socket
that launchd opened for an agent is launchd's, so root's.

Windows: PowerShell's Get-NetTCPConnection, and the owner of each process by its security
identifier, which has no language. The owner of another user's process is told to administrators
only: then it is somebody's who is not this user. Accounts by Get-LocalUser, because ``net user``
and ``query user`` speak the user's language.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headrace.foreign import read_json, whole_number

__all__ = [
    "PEOPLE",
    "POWERSHELL",
    "SYSTEM",
    "dscl_people",
    "netstat_pids",
    "ps_users",
    "windows_owners",
    "windows_people",
]

#: Windows' own accounts: the system, its local service and its network service.
SYSTEM = frozenset(("S-1-5-18", "S-1-5-19", "S-1-5-20", "me"))
#: PORT is to be replaced. One line of JSON: who asks, and address and owner of each listener.
POWERSHELL = (
    "$me=[Security.Principal.WindowsIdentity]::GetCurrent().User.Value;"
    "$all=@(Get-NetTCPConnection -State Listen -LocalPort PORT -ErrorAction SilentlyContinue|"
    'ForEach-Object{$p=Get-CimInstance Win32_Process -Filter "ProcessId=$($_.OwningProcess)";'
    "$s=$p|Invoke-CimMethod -MethodName GetOwnerSid;$o=$p|Invoke-CimMethod -MethodName GetOwner;"
    "@{address=$_.LocalAddress;pid=$_.OwningProcess;sid=$s.Sid;user=$o.User}});"
    "ConvertTo-Json -Compress @{me=$me;listeners=$all}"
)
#: One line of JSON: who asks, whether there is a domain, and each account that is not disabled.
PEOPLE = (
    "$me=[Security.Principal.WindowsIdentity]::GetCurrent().User.Value;"
    "$all=@(Get-LocalUser|Where-Object Enabled|ForEach-Object{@{name=$_.Name;sid=$_.SID.Value}});"
    "$d=(Get-CimInstance Win32_ComputerSystem).PartOfDomain;"
    "ConvertTo-Json -Compress @{me=$me;domain=$d;people=$all}"
)
#: Smaller numbers at the end of an identifier are accounts that Windows brings.
_FIRST_RID = 1000
#: Smaller ones are the system's on macOS.
_FIRST_UID = 500


def netstat_pids(table: str, host: str, port: int) -> frozenset[int] | None:
    """Return the processes that listen where a connection to `host` and `port` arrives.

    None where the table has no column for processes, or a listener's cannot be read.
    """
    column: int | None = None
    pids: set[int] = set()
    for line in table.splitlines():
        words = line.replace("Local Address", "Local").replace("Foreign Address", "Foreign").split()
        if words[:1] == ["Proto"]:
            column = next((at for at, word in enumerate(words) if word in _PROCESS), None)
            continue
        if len(words) < 6 or not words[0].startswith("tcp") or words[5] != "LISTEN":
            continue
        address, _, number = words[3].rpartition(".")
        if number != str(port) or address not in _places(host):
            continue
        if column is None or column >= len(words):
            return None
        pid = whole_number(words[column].rpartition(":")[2])
        if pid is None:
            return None
        pids.add(pid)
    return frozenset(pids) if column is not None else None


_PROCESS = ("pid", "process:pid")


def _places(host: str) -> tuple[str, ...]:
    return (host, "*", "::ffff:127.0.0.1") if host.startswith("127.") else (host, "*")


def ps_users(text: str, count: int) -> frozenset[str] | None:
    """Return the user ids that ``ps -o uid=`` printed for `count` processes.

    None where one of them is missing: it ended meanwhile.
    """
    words = text.split()
    if len(words) != count or any(whole_number(word.lstrip("-")) is None for word in words):
        return None
    return frozenset(words)


def windows_owners(text: str, host: str) -> dict[str, str] | None:
    """Return name by security identifier of those that listen where a connection to `host` arrives.

    ``me`` stands for the user who asked. None where this is not what `POWERSHELL` prints.
    """
    try:
        told = read_json(text)
        me, rows = told["me"], list(_rows(told["listeners"]))
        if not isinstance(me, str):
            return None
        found = {}
        for row in rows:
            if row["address"] not in (host, "0.0.0.0", "::"):  # noqa: S104 - compared, not bound
                continue
            sid = row.get("sid") or f"process {row['pid']}"
            name = row.get("user") or f"another user (process {row['pid']})"
            found["me" if sid == me else str(sid)] = str(name)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return found


def _rows(listed: Any) -> Iterator[Any]:
    # PowerShell writes a list of one as that one.
    yield from listed if isinstance(listed, list) else [listed] if listed else []


def dscl_people(text: str, uid: int) -> tuple[str, ...]:
    """Return the people that ``dscl . -list /Users UniqueID`` lists beside this user (macOS)."""
    rows = [line.rsplit(None, 1) for line in text.splitlines()]
    return tuple(
        row[0].strip()
        for row in rows
        if len(row) == 2
        and (number := whole_number(row[1])) is not None
        and number >= _FIRST_UID
        and number != uid
        and not row[0].startswith("_")
    )


def windows_people(text: str) -> tuple[tuple[str, ...], bool] | None:
    """Return the other accounts, and whether a domain may know more; None where nothing is told."""
    try:
        told = read_json(text)
        me, rows = told["me"], list(_rows(told["people"]))
        names = tuple(
            str(row["name"])
            for row in rows
            if row["sid"] != me and int(row["sid"].rpartition("-")[2]) >= _FIRST_RID
        )
        return names, bool(told["domain"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
