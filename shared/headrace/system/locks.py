"""Locks on files between processes, the same on POSIX and on Windows.

The system lets a lock go when its process ends, however it ends, so nothing has to be cleaned up
after a SIGKILL. Two openings of one file exclude each other even inside one process.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["locked", "try_lock"]

if sys.platform == "win32":
    import msvcrt

    #: Windows forbids others to read locked bytes, so a byte far behind any content is locked.
    _FAR = 1 << 60
    #: How the system says that another opening has the byte: at once, and after all its tries.
    _TAKEN = (errno.EACCES, errno.EDEADLK)

    def _lock(fd: int, *, wait: bool) -> bool:
        # LK_LOCK gives up after ten tries, a second apart; whoever waits here does not.
        while not (held := _locking(fd, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK)) and wait:
            pass
        return held

    def _unlock(fd: int) -> None:
        # The system would let go by itself when the file is closed, but not always at once.
        _locking(fd, msvcrt.LK_UNLCK)

    def _locking(fd: int, mode: int) -> bool:
        here = os.lseek(fd, 0, os.SEEK_CUR)
        os.lseek(fd, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(fd, mode, 1)
        except OSError as error:
            if error.errno in _TAKEN:
                return False
            raise
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

    def _unlock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)


#: A link in the lock's place could have root make a file anywhere.
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


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
    fd = os.open(path, _FLAGS, 0o600)
    try:
        try:
            held = _lock(fd, wait=True)
        except OSError:
            held = False
        try:
            yield held
        finally:
            if held:
                _unlock(fd)
    finally:
        os.close(fd)
