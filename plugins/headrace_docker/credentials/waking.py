"""Having the gateway started again where nobody has its port: the one that `on` set up alone."""

from __future__ import annotations

import contextlib
import os
import sys

__all__ = ["start_again"]

_MAIN = "from headrace.cli import main; raise SystemExit(main())"


def start_again() -> None:
    """Start it apart from this process; nobody waits for that, and nothing is said."""
    words = [sys.executable, "-P", "-c", _MAIN, "gateway", "--wake", "--scope", "user"]
    null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)]
    with contextlib.suppress(OSError, NotImplementedError):
        os.posix_spawn(words[0], words, os.environ, file_actions=null, setsid=True)  # noqa: TID251 - for a program of ours
