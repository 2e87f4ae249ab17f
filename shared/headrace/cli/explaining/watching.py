"""Text that is drawn again and again in the same place, until its reader has enough."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator

__all__ = ["watch"]

#: Seconds between two looks.
EVERY = 1.0
#: xterm's: another screen, without the lines that were there and without a cursor; a line that is
#: too long ends at the edge.
_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
#: What a shell says of a command that SIGTERM or SIGHUP ended.
_ENDED = 128


class _AsTerminal(io.StringIO):
    """What a command says, as if it said it to the terminal."""

    def isatty(self) -> bool:
        return True


def watch(tell: Callable[[], None]) -> None:
    """Show what `tell` writes to standard output, a terminal, until KeyboardInterrupt. What was
    shown last stays there.
    """
    last = ""
    try:
        with _screen():
            while True:
                with contextlib.redirect_stdout(_AsTerminal()) as page:
                    tell()
                last = page.getvalue()
                _send(_drawn(last.splitlines()))
                time.sleep(EVERY)
    finally:
        _send(last)


def _drawn(lines: list[str]) -> str:
    """Return what draws as many lines as there is room for; the last sentence says what matters."""
    height = os.get_terminal_size(sys.stdout.fileno()).lines
    if height and len(lines) > height:
        ends = [number for number, line in enumerate(lines) if not line.startswith(" ")]
        end = lines[ends[-1] if ends else -1 :]
        lines = [*lines[: max(0, height - len(end) - 1)], "…", *end][:height]
    return "\x1b[H" + "\n".join(f"{line}\x1b[K" for line in lines) + "\x1b[J"


@contextlib.contextmanager
def _screen() -> Iterator[None]:
    """Take a screen of our own, and give the one from before back whatever happens."""

    def end(number: int, _: object) -> None:
        raise SystemExit(_ENDED + number)

    def stop(number: int, _: object) -> None:
        _send(_LEAVE)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)  # until somebody lets us go on
        signal.signal(number, stop)
        _send(_ENTER)

    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, end)}
    if sys.platform != "win32":
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, end)
        before[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, stop)
    _send(_ENTER)
    try:
        yield
    finally:
        _send(_LEAVE)
        for number, handler in before.items():
            signal.signal(number, handler)


def _send(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
