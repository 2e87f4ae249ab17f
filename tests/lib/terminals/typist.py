"""A shell that somebody types into: a real one, at a terminal of its own."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import pytest

from lib.capabilities import lacks
from lib.waiting import HANG

__all__ = ["INTERACTIVE", "Typist", "rc_file"]

#: Shells, and how each begins where it reads its user's file and nothing of the machine's.
INTERACTIVE = {
    "bash": ("bash", "-i"),
    "zsh": ("zsh", "-d", "-i"),
    "fish": ("fish", "-i"),
}
#: Nothing that would be drawn around what is typed and said.
_QUIET = {
    "bash": "PS1= PS2=; bind 'set enable-bracketed-paste off'\n",
    "zsh": "PS1= PS2= RPS1=; unsetopt prompt_sp prompt_cr zle_bracketed_paste 2>/dev/null\n",
    "fish": "function fish_prompt; end; function fish_greeting; end\n",
}
_ESCAPES = re.compile(rb"\x1b(\[[0-9;?>=]*[a-zA-Z]|\][^\x07]*\x07|[=>()][A-Z0-9]?)")


def rc_file(home: Path, shell: str) -> Path:
    """Give the file that an interactive shell of a user reads."""
    names = {"bash": ".bashrc", "zsh": ".zshrc", "fish": ".config/fish/config.fish"}
    return home / names[shell]


class Typist:
    """Types lines, and reads what comes of each. A context manager."""

    def __init__(self, shell: str, home: Path, env: Mapping[str, str], rc: str = "") -> None:
        """`rc` goes into the shell's file behind what is in it."""
        if shutil.which(shell) is None:
            pytest.skip(lacks("programs", f"{shell} is not installed here"))
        self.shell = shell
        self._count = 0
        path = rc_file(home, shell)
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text("utf-8") if path.exists() else ""
        path.write_text(f"{_QUIET[shell]}{before}{rc}\n", "utf-8")
        words = INTERACTIVE[shell]
        # A terminal that can do nothing has nothing drawn on it.
        told = {**env, "TERM": "dumb", "ZDOTDIR": str(home), "HISTFILE": "/dev/null"}
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.chdir(home)
            # As in `screen`.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.execvpe(words[0], words, told)
        self.said = b""
        self.run("true")

    def run(self, line: str) -> tuple[str, int]:
        """Type a line; give what was said until it was done, and its status."""
        self._count += 1
        status = "$status" if self.shell == "fish" else "$?"
        # What is echoed has no number here, what is said has.
        self.type(f"{line}\n")
        self.type(f"echo end-{status}-of-{self._count}-\n")
        said, code = self.wait(rf"end-(\d+)-of-{self._count}-")
        return said, int(code)

    def type(self, text: str) -> None:
        """Type it, and wait for nothing."""
        os.write(self._terminal, text.encode())

    def wait(self, pattern: str) -> tuple[str, str]:
        """Read until a pattern was said; give what came before, and its group or all of it."""
        compiled = re.compile(pattern)
        while True:
            text = _ESCAPES.sub(b"", self.said).decode(errors="replace").replace("\r", "")
            if found := compiled.search(text):
                self.said = text[found.end() :].encode()
                return text[: found.start()], found[1] if compiled.groups else found[0]
            ready, _, _ = select.select([self._terminal], [], [], HANG)
            assert ready, text
            try:
                data = os.read(self._terminal, 65536)
            except OSError:  # the terminal's end, on Linux
                data = b""
            assert data, text
            self.said += data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(self.pid, signal.SIGHUP)
        os.close(self._terminal)
        os.waitpid(self.pid, 0)
