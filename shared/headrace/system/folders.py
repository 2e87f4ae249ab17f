"""Make a folder for this user alone, whatever the umask says; and rights by descriptor.

A path may lead elsewhere from one moment to the next; what a descriptor is of does not change.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from headrace.ownership.files import trusted, who_else

__all__ = ["make", "set_mode"]

_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


def make(folder: Path, mode: int = 0o700) -> None:
    """Make a folder and all that is missing above it, each with `mode`. OSError as ever.

    One of ours that is there and that others could write is taken from them: the umask of an
    earlier day made it so.
    """
    try:
        found = folder.stat()
    except FileNotFoundError:
        _make(folder, mode)
        return
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(20, os.strerror(20), str(folder))
    if sys.platform != "win32" and found.st_uid == os.geteuid() and who_else(found, trusted()):
        set_mode(folder.resolve(), found.st_mode & 0o7755)


def set_mode(folder: Path, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Give a folder its permission bits, and first its owner (uid, gid) where one is named.

    OSError for a link, and for what is no folder.
    """
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, _FOLDER)
    try:
        if owner is not None:
            os.fchown(descriptor, *owner)
        os.fchmod(descriptor, stat.S_IMODE(mode))
    finally:
        os.close(descriptor)


def _make(folder: Path, mode: int) -> None:
    if not folder.parent.exists():
        _make(folder.parent, mode)
    try:
        folder.mkdir(mode)
    except FileExistsError:  # another process was quicker
        if not folder.is_dir():
            raise
        return
    set_mode(folder, mode)
