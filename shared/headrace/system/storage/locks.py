"""Locks on files between processes, the same on POSIX and on Windows.

The system lets a lock go when its process ends, however it ends, so nothing has to be cleaned up
after a SIGKILL. Two openings of one file exclude each other even inside one process.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["locked", "try_lock"]

if sys.platform == "win32":
    import msvcrt

    #: Windows forbids others to read locked bytes, so a byte far behind any content is locked.
    _FAR = 1 << 60

    def _lock(fd: int, *, wait: bool) -> bool:
        here = os.lseek(fd, 0, os.SEEK_CUR)
        os.lseek(fd, _FAR, os.SEEK_SET)
        try:
            # LK_LOCK tries ten times, a second apart.
            msvcrt.locking(fd, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(fd, here, os.SEEK_SET)
        return True

else:
    import fcntl

    def _lock(fd: int, *, wait: bool) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def try_lock(fd: int) -> bool:
    """Take the exclusive lock of an open file; False when another opening has it.

    It is held until the descriptor is closed.
    """
    return _lock(fd, wait=False)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Wait for the exclusive lock of a lock file, which is made and stays.

    Gives False, without a lock, where the file system has none (some network file systems): those
    who use it must stay correct, if less exact, without.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        try:
            held = _lock(fd, wait=True)
        except OSError:
            held = False
        yield held
    finally:
        os.close(fd)
