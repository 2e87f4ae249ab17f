"""The account of the machine's gateway, and folders that belong to it."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from headrace.config import Folders
from headrace.errors import LocalError
from headrace.ownership import files as ownership
from headrace.system import folders as folders_of_ours
from headrace.system.service.process import base_python

__all__ = ["check_installation", "ensure", "exists", "let_read", "may_become", "remove"]

_NOLOGIN = "/usr/sbin/nologin"


def exists(name: str) -> bool:
    """Whether the machine knows the account."""
    import pwd  # noqa: PLC0415 - not on Windows

    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def may_become() -> bool:
    """Whether this process may start others as that account."""
    return sys.platform != "win32" and os.geteuid() == 0


def ensure(name: str, folders: Folders, sysusers: Path | None = None) -> None:
    """Make the account where it is missing, and give it the state and cache folders."""
    import pwd  # noqa: PLC0415 - not on Windows

    check_reachable(Path(sys.executable))
    if not exists(name):
        _make(name, folders, sysusers)
    entry = pwd.getpwnam(name)
    for folder, mode in ((folders.state, 0o755), (folders.cache, 0o750)):
        folders_of_ours.make(folder, 0o755)
        folders_of_ours.set_mode(folder, mode, (entry.pw_uid, entry.pw_gid))
        for path in folder.iterdir():
            _hand_over(path, entry.pw_uid, entry.pw_gid)


def let_read(folder: Path) -> None:
    """Let every account read the programs in a folder of root's, whatever root's umask is."""
    for path in (folder.parent, folder):
        folders_of_ours.set_mode(path, path.stat().st_mode | 0o055)
    for path in folder.iterdir():
        with _opened(path) as descriptor:
            os.fchmod(descriptor, 0o644)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Open what has this name, not what a link of this name leads to; wait for no pipe."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _hand_over(path: Path, uid: int, gid: int) -> None:
    """Give the account what root wrote before the account was there, and nothing else of root's.

    The folder is the account's, so a second name (hard link) of a file of root's may lie in it.
    """
    try:
        with _opened(path) as descriptor:
            status = os.fstat(descriptor)
            if status.st_uid == 0 and (status.st_nlink == 1 or stat.S_ISDIR(status.st_mode)):
                os.fchown(descriptor, uid, gid)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO, errno.ENOENT):
            raise


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


def remove(name: str, folders: Folders) -> bool:
    """Remove an account that was made for these folders; False where it is still there."""
    import pwd  # noqa: PLC0415 - not on Windows

    if not exists(name):
        return True
    if pwd.getpwnam(name).pw_dir != str(folders.state):
        return False  # somebody made it for something else as well
    for way in (["userdel", name], ["deluser", name]):
        program = shutil.which(way[0])
        if program is not None and exists(name):
            subprocess.run([program, *way[1:]], capture_output=True, timeout=60, check=False)  # noqa: S603 - the system's own tools
    return not exists(name)


def check_installation() -> None:
    """Refuse an installation that somebody else than root can change; LocalError says where.

    What runs for the whole machine would be in that user's hands: also of one who may use sudo,
    because what else runs in that user's name may not. The interpreter, what it is made of, and
    everything that it imports from count, with all folders above them and all that is in them.
    """
    package = str(Path(__file__).parents[3])
    imported = [*sys.path, package]
    places = [sys.executable, sys.prefix, sys.base_prefix, base_python(), *imported]
    for place in dict.fromkeys(Path(each) for each in places if each):
        if not place.exists():
            continue
        try:
            ownership.check_all_above(place, (0,))
            if str(place) in imported and place.is_dir():
                ownership.check_all_below(place, (0,))
        except LocalError as error:
            raise LocalError(
                "not-roots",
                f"this headrace cannot be the machine's: {error.message}",
                hint="nothing was changed: install it as root (`sudo python3 -m venv "
                "/opt/headrace`, and headrace in there), then `sudo /opt/headrace/bin/headrace on`",
            ) from error


def check_reachable(program: Path) -> None:
    """Refuse an installation that other accounts cannot read; LocalError says where."""
    for folder in program.absolute().parents:
        if not folder.stat().st_mode & stat.S_IXOTH:
            raise LocalError(
                "not-for-everybody",
                f"headrace is installed below {folder}, where the gateway's own account cannot go",
                hint="install it for all users (for example in /opt/headrace) and use that one",
            )
