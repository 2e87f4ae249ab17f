"""Who uses a gateway that is there for commands only: each has one file locked, shared (flock(2)).

The kernel lets a lock go when the last descriptor of it is closed, so also after a SIGKILL. The
command inherits the descriptor: where `headrace run` itself is killed, its command keeps the
gateway. Where all goes well the lock is taken back explicitly, which counts for everybody who
inherited it, so that a daemon that the command left behind keeps nothing.

The holder ends when it gets the file for itself alone (`holder`), and whoever comes later cannot
lock it until that one is gone.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time

# Quick runs import this before anything else: neither pathlib nor typing comes along.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Runners", "nobody_runs"]

#: Seconds between two tries.
_PAUSE = 0.02


class Runners:
    """One command's place among those that use a gateway."""

    def __init__(self, path: Path | str) -> None:
        """Touch nothing yet."""
        self.path = path
        self._fd = -1
        self._alone = -1

    def join(self, timeout: float) -> bool:
        """Take a place; False when the gateway that is ending there takes longer than `timeout`
        seconds, or the file system has no locks. OSError where the file cannot be made.
        """
        if sys.platform == "win32":
            return False
        import fcntl  # noqa: PLC0415 - not on Windows

        self._fd = _open(self.path)
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(_PAUSE)
                    continue
            except OSError:
                pass
            else:
                os.set_inheritable(self._fd, True)
                return True
            self.close()
            return False

    def leave(self) -> bool:
        """Give the place back; whether nobody is left. Then nobody comes before `close`."""
        if sys.platform == "win32" or self._fd < 0:
            return False
        import fcntl  # noqa: PLC0415 - not on Windows

        fcntl.flock(self._fd, fcntl.LOCK_UN)
        # Another opening: whoever inherited the first one would keep what is locked by it.
        with contextlib.suppress(OSError):
            self._alone = _open(self.path)
            fcntl.flock(self._alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False

    def close(self) -> None:
        """Let go of everything."""
        for fd in (self._fd, self._alone):
            if fd >= 0:
                os.close(fd)
        self._fd = self._alone = -1


def nobody_runs(path: Path | str) -> bool:
    """Whether there is such a file and nobody has a place."""
    if sys.platform == "win32" or not os.path.isfile(path):  # noqa: PTH113 - as above
        return False
    runners = Runners(path)
    try:
        return runners.join(0) and runners.leave()
    except OSError:
        return False
    finally:
        runners.close()


def _open(path: Path | str) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
    return os.open(path, flags, 0o600)
