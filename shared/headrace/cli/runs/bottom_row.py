"""One row of our own at the bottom of a terminal that another program writes to.

The program has the terminal itself, not one of ours in between: it sees the size, the colours and
the keyboard as without us, and lives on where we die. So nobody can know when it writes next. What
keeps the two apart is the terminal's scrolling region (DECSTBM, as apt's progress uses it): the
last row does not scroll, and a program that writes line by line never comes there. All that is
sent goes out in one write, which the system does not mix with another's, and leaves the cursor
where the program had it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

from headrace.cli.upkeep.shown.folding import cut

__all__ = ["BottomRow"]

#: A smaller terminal has no row to spare.
_FEWEST_ROWS, _FEWEST_COLUMNS = 6, 30
#: ECMA-48 and DEC's VT100: the cursor is saved and restored, goes down and up (scrolling at the
#: edge), the region that scrolls is all of the screen.
_SAVE, _RESTORE = "\x1b7", "\x1b8"
_DOWN_AND_UP = "\x1bD\x1bM"
_WHOLE = "\x1b[r"


class BottomRow:
    """Shows a text there, and gives the row back."""

    def __init__(self, descriptor: int) -> None:
        """`descriptor` is open on the terminal."""
        self._terminal = descriptor
        self._lock = threading.Lock()
        self._rows = 0
        """Of the terminal when the text was shown; 0: none is."""
        self._ended = False

    def show(self, text: str) -> None:
        """Show it, cut to the terminal's width; "": give the row back. Nothing is shown while
        another job has the terminal, and what a terminal does not take is left.
        """
        with self._lock, contextlib.suppress(OSError):
            size = os.get_terminal_size(self._terminal)
            if not text or size.lines < _FEWEST_ROWS or size.columns < _FEWEST_COLUMNS:
                self._give_back()
            elif not self._ended and os.tcgetpgrp(self._terminal) == os.getpgrp():
                new = "" if self._rows == size.lines else self._beginning()
                self._rows = size.lines
                # The last column stays empty: a text that fills it may wrap.
                shown = cut(text, size.columns - 1)
                region = f"\x1b[1;{size.lines - 1}r\x1b[{size.lines};1H"
                self._send(f"{new}{_SAVE}{region}\x1b[0m\x1b[2K{shown}{_RESTORE}")

    def end(self) -> None:
        """Give the row back for good."""
        with self._lock, contextlib.suppress(OSError):
            self._ended = True
            self._give_back()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Give the row back for as long as somebody else has the terminal."""
        with self._lock:
            with contextlib.suppress(OSError):
                self._give_back()
            yield

    def _beginning(self) -> str:
        """Return what makes room below the cursor: of another size, also of what was shown."""
        if not self._rows:
            return _DOWN_AND_UP
        # The terminal has moved the old text to wherever: all below the cursor is it.
        return f"{_SAVE}{_WHOLE}{_RESTORE}{_DOWN_AND_UP}{_SAVE}\x1b[B\r\x1b[J{_RESTORE}"

    def _give_back(self) -> None:
        rows, self._rows = self._rows, 0
        if not rows or os.tcgetpgrp(self._terminal) != os.getpgrp():
            return
        if rows != os.get_terminal_size(self._terminal).lines:
            self._send(f"{_SAVE}{_WHOLE}{_RESTORE}{_SAVE}\x1b[B\r\x1b[J{_RESTORE}")
        else:
            self._send(f"{_SAVE}{_WHOLE}\x1b[{rows};1H\x1b[2K{_RESTORE}")

    def _send(self, text: str) -> None:
        os.write(self._terminal, text.encode("utf-8", "replace"))
