"""The machine that is looked at: its files below a root, its programs on a path, its variables."""

from __future__ import annotations

import math
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path

from headrace.config import EnvVars
from headrace.policy.timeouts import DETECTED_WITHIN
from headrace.values import dataclass

__all__ = ["HostView"]

#: Nothing that is read here is longer; what is, is no file of the kernel's.
_LIMIT = 1 << 16
#: Seconds that each way has, even where those before it took all: most answer at once.
_LEAST = 0.25
_SPELLINGS = {"arm64": "aarch64", "amd64": "x86_64", "x64": "x86_64"}


def _machine() -> str:
    machine = platform.machine()
    return _SPELLINGS.get(machine.lower(), machine)


@dataclass(frozen=True, slots=True)
class HostView:
    """Where detection looks. Tests describe hosts as folders and give them as `root`."""

    env: Mapping[str, str]
    root: Path = Path("/")
    platform: str = sys.platform
    machine: str = field(default_factory=_machine)
    programs: str | None = None
    """Folders of programs; None: those of PATH."""
    timeout: float = 5.0
    """Seconds for each way of asking that can hang."""
    within: float = DETECTED_WITHIN
    """Seconds for all of them together, from the first question on."""
    clock: Callable[[], float] = time.monotonic
    until: float = math.inf
    """When those are over, on that clock."""

    def patience(self, timeout: float | None = None) -> float:
        """Return the seconds that the next way has, of `timeout` (else of the usual ones)."""
        usual = self.timeout if timeout is None else timeout
        return min(usual, max(_LEAST, self.until - self.clock()))

    @property
    def is_linux(self) -> bool:
        """True where there are /proc and /sys to read."""
        return self.platform == "linux"

    def path(self, name: str) -> Path:
        """Return the path of a file of this machine."""
        return self.root / name.lstrip("/")

    def text(self, name: str) -> str | None:
        """Return the beginning of a file without the white space and zeros around it.

        None where it cannot be read, whatever the reason.
        """
        try:
            with self.path(name).open("rb") as file:
                return file.read(_LIMIT).decode("utf-8", "replace").strip("\0 \t\r\n")
        except (OSError, ValueError):
            return None

    def names(self, folder: str) -> list[str]:
        """Return what is in a folder, in order; nothing where it cannot be read."""
        try:
            return sorted(entry.name for entry in os.scandir(self.path(folder)))
        except OSError:
            return []

    def exists(self, name: str) -> bool:
        """True where there is such a file or folder."""
        return os.path.lexists(self.path(name))

    def may_use(self, name: str) -> bool:
        """True where this user may read and write the file."""
        return os.access(self.path(name), os.R_OK | os.W_OK)

    def which(self, program: str) -> str | None:
        """Return the path of a program, or None."""
        places = self.env.get(EnvVars.PATH, "") if self.programs is None else self.programs
        return shutil.which(program, path=places) if places else None
