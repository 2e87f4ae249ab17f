"""What is looked at while a run's outcome is found: every file that is opened and every folder that
is listed, by Python's own audit events (PEP 578), and what is asked of the system without opening
anything, which the helpers for it tell (`interface.editing.presence`).
"""

from __future__ import annotations

import logging
import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headrace.cli.runs.kept import outcome
from headrace.interface.editing import answers, presence

__all__ = ["Looked"]

#: Below these is what is no file, and so has no time of its last change.
_OF_THE_KERNEL = ("/proc/", "/sys/", "/dev/")
#: Python's own modules come and go with the interpreter.
_OF_PYTHON = f"{Path(os.__file__).parent}/"
#: Seconds; a file system may count in steps of two, and what changed within one looks unchanged.
_STEP = 2.1
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Looked:
    """Everything that was looked at since it was made. An audit hook stays for good: one of these
    a process.
    """

    def __init__(self) -> None:
        """Begin."""
        self.paths: dict[str, list[int] | int] = {}
        self.there: dict[str, int] = {}
        self.in_vain = ""
        """Why nothing can be kept."""
        self._asked = 0
        self._on = True
        self._ignored = 0
        sys.addaudithook(self._hear)
        self._log = _Log(self)
        logging.getLogger().addHandler(self._log)

    def end(self, scratch: Path) -> None:
        """Look no more, and judge. What lies in the command's own folder was made by the run."""
        self._on = False
        for path in [*self.paths, *self.there]:
            if Path(path).is_relative_to(scratch):
                self.paths.pop(path, None)
                self.there.pop(path, None)
        logging.getLogger().removeHandler(self._log)
        if self._asked:
            self.in_vain = "a program was asked that reads nobody knows what"
        late = (time.time() - _STEP) * 1e9
        for path, seen in self.paths.items():
            if isinstance(seen, list) and max(seen[-2:]) > late:
                self.in_vain = f"{path} was just changed"
        for path, seen in self.paths.items():
            if outcome.fingerprint(path) != seen:
                self.in_vain = f"{path} was changed meanwhile"

    @contextmanager
    def nothing_of_this(self) -> Iterator[None]:
        """Pass over what is looked at for anything but the outcome."""
        self._ignored += 1
        try:
            yield
        finally:
            self._ignored -= 1

    def look(self, path: str) -> None:
        """Take down a path, before it is read."""
        if "__pycache__" in path:
            path = _source(path)
        # What another program said is held against what that read (`answers`).
        passed_over = (
            f"/{answers.FOLDER}/" in path or _is_of_the_kernel(path) or _is_of_python(path)
        )
        if path not in self.paths and not passed_over:
            self.paths[path] = outcome.fingerprint(path)

    def _hear(self, event: str, words: tuple[Any, ...]) -> None:
        if not self._on or self._ignored:
            return
        if event == "open":
            if isinstance(words[2], int) and not words[2] & _WRITES:
                self._hear_of(words[0])
        elif event in ("os.scandir", "os.listdir", presence.LOOKED):
            self._hear_of("." if words[0] is None else words[0])
        elif event == presence.THERE:
            path = os.fspath(words[0])
            self.there.setdefault(path, outcome.kind(path))
        elif event == "headrace.said":
            self.in_vain = f"it was said that {words[0]}"
        elif event == "subprocess.Popen":
            self._asked += 1
        elif event == presence.ASKED:
            self._asked -= 1
            for path in words[0]:
                self._hear_of(path)

    def _hear_of(self, path: Any) -> None:
        if not isinstance(path, int):
            self.look(os.fsdecode(path))


class _Log(logging.Handler):
    """What was warned of is to be said each time."""

    def __init__(self, looked: Looked) -> None:
        super().__init__(logging.WARNING)
        self._looked = looked

    def emit(self, record: logging.LogRecord) -> None:
        """Take down that there was something."""
        self._looked.in_vain = f"it was said that {record.getMessage()}"


def _is_of_the_kernel(path: str) -> bool:
    """Whether nobody has written what is there. A file in /dev/shm, or at a descriptor of the
    process, is one as any other.
    """
    if not f"{path}/".startswith(_OF_THE_KERNEL):
        return False
    try:
        found = os.stat(path)
    except OSError:
        return not path.startswith("/dev/")
    if path.startswith("/sys/") or stat.S_ISCHR(found.st_mode):
        return True
    return found.st_dev == os.stat("/proc").st_dev


def _is_of_python(path: str) -> bool:
    return path.startswith(_OF_PYTHON) and "-packages" not in path.removeprefix(_OF_PYTHON)


def _source(path: str) -> str:
    """Return the file that a compiled one stands for: Python looks at that one's times."""
    folder, name = os.path.split(path)
    if os.path.basename(folder) != "__pycache__" or not name.endswith(".pyc"):
        return path
    return os.path.join(os.path.dirname(folder), f"{name.split('.')[0]}.py")
