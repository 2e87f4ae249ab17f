"""Who else can write a file. What somebody else can write is not believed.

Somebody else is everybody but this process's user, root, and, where root works for a user by sudo,
that user. A group counts as nobody else where it is the owner's own: Debian and many others give
each user a group of the same name and a umask of 002, so a file of such a user is group-writable as
a matter of course (user private groups; pam_umask(8), "usergroups"). A group of the system that
nobody is in (``staff`` of Debian's ``/usr/local``) is nobody either. What lies on a file system
that is mounted read-only can be written by nobody, whatever its mode says.

Windows keeps other rights, which are not looked at: there the user's folders are the user's.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

from headrace.errors import LocalError

__all__ = [
    "LOOKED",
    "account_of",
    "check_all_above",
    "check_all_below",
    "check_folder",
    "is_own",
    "opened",
    "read",
    "trusted",
    "user_name",
    "who_else",
]

#: An audit event (PEP 578): a path is looked at, whose every change counts. Python tells of what is
#: opened, and not of what is not there to be opened.
LOOKED = "headrace.looked"
#: Groups with smaller numbers are the system's and not a directory's (login.defs(5), GID_MIN).
_FIRST_OF_PEOPLE = 1000


def trusted() -> frozenset[int]:
    """Return the user ids whose files this process believes."""
    if sys.platform == "win32":
        return frozenset()
    me = os.geteuid()
    by_sudo = os.environ.get("SUDO_UID", "") if me == 0 else ""  # noqa: TID251 - below headrace.config
    return frozenset((0, me, *([int(by_sudo)] if by_sudo.isdecimal() else [])))


def who_else(status: os.stat_result, owners: Collection[int], *, sticky: bool = True) -> str:
    """Say who beside `owners` (user ids) can write what has this status; "": nobody.

    `sticky`: a folder in which everybody may make files and nobody may touch another's is fine,
    because whoever reads looks at the file's own owner as well.
    """
    if sys.platform == "win32":
        return ""
    if status.st_uid not in owners:
        return f"it belongs to {user_name(status.st_uid)}"
    if sticky and stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX:
        return ""
    if status.st_mode & stat.S_IWOTH:
        return "every user of this machine can write it"
    if status.st_mode & stat.S_IWGRP and not _is_nobody_else(status.st_gid, owners):
        return f"the group {_group_name(status.st_gid)} can write it"
    return ""


def check_folder(folder: Path, owners: Collection[int] | None = None) -> None:
    """Raise LocalError where somebody else can write in a folder that is there."""
    with contextlib.suppress(FileNotFoundError):
        _believe(folder, folder, folder.stat(), trusted() if owners is None else owners)


def check_all_above(path: Path, owners: Collection[int]) -> None:
    """Raise LocalError where somebody else can write a path or any folder above it, also of those
    that links lead through.
    """
    for place in dict.fromkeys((path.absolute(), path.resolve())):
        for each in (place, *place.parents):
            _believe(path, each, each.stat(), owners)


def check_all_below(folder: Path, owners: Collection[int]) -> None:
    """Raise LocalError where somebody else can write a folder or anything in it, or in what links
    in it lead to.
    """
    seen: set[Path] = set()
    left = [folder]
    while left:
        here = left.pop()
        if here in seen:
            continue
        seen.add(here)
        _believe(here, here, here.stat(), owners)
        with os.scandir(here) as entries:
            for entry in entries:
                if entry.is_symlink():
                    place = Path(entry.path).resolve()
                    if not place.exists():
                        continue
                    check_all_above(place, owners)
                    left += [place] if place.is_dir() else []
                elif entry.is_dir():
                    left.append(Path(entry.path))
                else:
                    _believe(Path(entry.path), Path(entry.path), entry.stat(), owners)


def read(path: Path, owners: Collection[int] | None = None, *, most: int = -1) -> bytes:
    """Return a file's bytes; LocalError when somebody else can write it, or put another one in its
    place; OSError as ever, and where there are more than `most` (negative: any number).
    """
    sys.audit(LOOKED, path)
    if sys.platform == "win32":
        with path.open("rb") as file:
            return _at_most(file, most, path)
    owners = trusted() if owners is None else owners
    _believe(path, path.parent, path.parent.stat(), owners)
    with opened(path) as file:
        # Of the file that is open, and not of what bears its name a moment later.
        _believe(path, path, os.fstat(file.fileno()), owners)
        return _at_most(file, most, path)


def _at_most(file: BinaryIO, most: int, path: Path) -> bytes:
    content = file.read(most + 1 if most >= 0 else -1)
    if 0 <= most < len(content):
        what = "byte" if most == 1 else "bytes"  # `headrace.wording` brings more than this room has
        raise OSError(errno.EFBIG, f"it has more than {most} {what}", str(path))
    return content


def opened(path: Path) -> BinaryIO:
    """Open a file for reading; OSError as ever, and for what is no file.

    A pipe, which anybody could make in a folder that is everybody's, is waited for for ever; the
    shell's own (``<(…)``) can be read once, which is for the tool to do. /dev/null is an empty one.
    """
    if sys.platform == "win32":
        return path.open("rb")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) or _is_nothing(status):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "it is a pipe or a device, and no file", str(path))


def _is_nothing(status: os.stat_result) -> bool:
    try:
        return stat.S_ISCHR(status.st_mode) and os.path.samestat(status, os.stat(os.devnull))  # noqa: PTH116
    except OSError:
        return False


def is_own(status: os.stat_result) -> bool:
    """Whether this is a file, and one of this process's user's, or root's, making.

    For files in a folder in which nobody else can make any now, but could at some time.
    """
    if not stat.S_ISREG(status.st_mode):
        return False
    return sys.platform == "win32" or status.st_uid in trusted()


def account_of(folder: Path) -> frozenset[int]:
    """Return the owner of a folder that nobody but the trusted could have made there; else none.

    So the machine's state is known: root gave it to the gateway's account. Within that the account
    may have more of its own, which are known by it.
    """
    try:
        above, owner = folder.parent, folder.stat().st_uid
        if not who_else(above.stat(), trusted(), sticky=False):
            return frozenset((owner,))
        if owner in trusted() or above.stat().st_uid != owner:
            return frozenset()
        return frozenset((owner,)) if account_of(above) == {owner} else frozenset()
    except OSError:
        return frozenset()


def user_name(uid: int) -> str:
    """Name a user for people: ``alice (uid 1000)``."""
    if sys.platform != "win32":
        import pwd  # noqa: PLC0415 - not on Windows

        try:
            return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
        except (KeyError, OverflowError):
            pass
    return f"uid {uid}"


def _believe(path: Path, where: Path, status: os.stat_result, owners: Collection[int]) -> None:
    if (why := who_else(status, owners)) and not _read_only(where):
        raise _not_believed(path, where, why)


def _not_believed(path: Path, where: Path, why: str) -> LocalError:
    below = "" if where == path else f" lies in {where}, which is not believed either"
    return LocalError(
        "not-believed",
        f"{path} is not believed: {why}" if not below else f"{path}{below}: {why}",
        hint=f"see that it says what it should, then `chmod go-w {where}`"
        if "can write" in why
        else f"see who put {where} there, and remove it or give it to its right owner",
    )


def _read_only(path: Path) -> bool:
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


if sys.platform != "win32":
    import grp
    import pwd

    def _is_nobody_else(gid: int, owners: Collection[int]) -> bool:
        try:
            group = grp.getgrgid(gid)
        except KeyError:
            # A container's, which its volumes are given to; people are in groups with a name.
            return gid in {os.getegid(), *os.getgroups()}
        names = {}
        for uid in owners:
            try:
                names[uid] = pwd.getpwuid(uid)
            except KeyError:
                continue
        if not set(group.gr_mem) <= {entry.pw_name for entry in names.values()}:
            return False
        if any((e.pw_name, e.pw_gid) == (group.gr_name, gid) for e in names.values()):
            return True
        return gid < _FIRST_OF_PEOPLE and all(
            entry.pw_uid in owners for entry in pwd.getpwall() if entry.pw_gid == gid
        )

    def _group_name(gid: int) -> str:
        try:
            return grp.getgrgid(gid).gr_name
        except KeyError:
            return str(gid)

else:

    def _is_nobody_else(gid: int, owners: Collection[int]) -> bool:
        raise NotImplementedError

    def _group_name(gid: int) -> str:
        raise NotImplementedError
