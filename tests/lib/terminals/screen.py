"""A program at a terminal, and what a person sees there: an emulator draws what it writes."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import pytest

from lib.capabilities import lacks
from lib.waiting import HANG

__all__ = ["Seated"]

#: Lines above the screen that are kept.
_HISTORY = 1000


class Seated:
    """One program, with the terminal as its own. A context manager."""

    def __init__(
        self, words: Sequence[str], env: Mapping[str, str], *, rows: int = 12, columns: int = 80
    ) -> None:
        """Start it. The environment's TERM is that of the emulator unless it says another."""
        emulator = pytest.importorskip("pyte", reason=lacks("programs", "pyte is not installed"))
        self.screen: Any = emulator.HistoryScreen(columns, rows, history=_HISTORY)
        self._stream = emulator.ByteStream(self.screen)
        self.raw = b""
        """All that was written."""
        self.code: int | None = None
        self._size = struct.pack("HHHH", rows, columns, 0, 0)
        # The size is there before the program is.
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, self._size)
        self.pid = os.fork()
        if self.pid == 0:
            os.close(master)
            os.login_tty(slave)
            # Whoever started these tests in the background had them ignore it.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.execvpe(words[0], list(words), {"TERM": "xterm-256color", **env})
        os.close(slave)
        self._terminal = master

    def resize(self, rows: int, columns: int) -> None:
        """Be another size."""
        self.screen.resize(rows, columns)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, text: str) -> None:
        """Press keys."""
        os.write(self._terminal, text.encode())

    def seen(self) -> list[str]:
        """Give the screen's rows."""
        return [str(row).rstrip() for row in self.screen.display]

    def above(self) -> list[str]:
        """Give the rows that went out at the top, and those that are there."""
        gone = [
            "".join(line[column].data for column in range(self.screen.columns)).rstrip()
            for line in self.screen.history.top
        ]
        return [*gone, *self.seen()]

    def wait(self, what: Callable[[], Any] = lambda: False) -> None:
        """Draw what comes until something is so, or the program has ended."""
        while not what():
            ready, _, _ = select.select([self._terminal], [], [], HANG)
            assert ready, self.seen()
            try:
                data = os.read(self._terminal, 65536)
            except OSError:  # the terminal's end, on Linux
                data = b""
            if not data:
                self._reap()
                return
            self.raw += data
            self._stream.feed(data)

    def end(self) -> int:
        """Wait for its end; give its exit code, or 128 and the signal."""
        self.wait()
        assert self.code is not None
        return self.code

    def _reap(self) -> None:
        if self.code is None:
            code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            self.code = code if code >= 0 else 128 - code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            self._reap()
        os.close(self._terminal)
