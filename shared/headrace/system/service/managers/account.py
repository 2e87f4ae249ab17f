"""The account of the machine's gateway, and folders that belong to it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

from headrace.config import Folders
from headrace.errors import LocalError

__all__ = ["ensure", "exists", "let_read"]

_NOLOGIN = "/usr/sbin/nologin"


def exists(name: str) -> bool:
    """Whether the machine knows the account."""
    import pwd  # noqa: PLC0415 - not on Windows

    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def ensure(name: str, folders: Folders, sysusers: Path | None = None) -> None:
    """Make the account where it is missing, and give it the state and cache folders."""
    import pwd  # noqa: PLC0415 - not on Windows

    check_reachable(Path(sys.executable))
    if not exists(name):
        _make(name, folders, sysusers)
    entry = pwd.getpwnam(name)
    for folder, mode in ((folders.state, 0o755), (folders.cache, 0o750)):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        for path in folder.iterdir():
            # What root wrote before the account was there. Links are not followed.
            if path.lstat().st_uid == 0:
                os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)


def let_read(folder: Path) -> None:
    """Let every account read the programs in a folder of root's, whatever root's umask is."""
    for path in (folder.parent, folder):
        path.chmod(path.stat().st_mode | 0o055)
    for path in folder.iterdir():
        path.chmod(0o644)


def _make(name: str, folders: Folders, sysusers: Path | None) -> None:
    ways = [
        ["systemd-sysusers", str(sysusers)] if sysusers is not None else [],
        ["useradd", "--system", "--user-group", "-d", str(folders.state), "-s", _NOLOGIN, name],
        ["adduser", "-S", "-D", "-H", "-h", str(folders.state), "-s", "/sbin/nologin", name],
    ]
    for way in ways:
        program = shutil.which(way[0]) if way else None
        if program is None:
            continue
        subprocess.run([program, *way[1:]], capture_output=True, timeout=60, check=False)  # noqa: S603 - the system's own tools
        if exists(name):
            return
    raise LocalError(
        "no-account",
        f"the account {name} cannot be made",
        hint=f"make a system account {name} without a login, then try again",
    )


def check_reachable(program: Path) -> None:
    """Refuse an installation that other accounts cannot read; LocalError says where."""
    for folder in program.absolute().parents:
        if not folder.stat().st_mode & stat.S_IXOTH:
            raise LocalError(
                "not-for-everybody",
                f"headrace is installed below {folder}, where the gateway's own account cannot go",
                hint="install it for all users (for example in /opt/headrace) and use that one",
            )
