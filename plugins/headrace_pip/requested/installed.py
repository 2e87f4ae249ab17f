"""What is installed where pip installs: the folders that its interpreter looks in, what they hold.

As `site` and `sysconfig` of CPython have it, and Debian's own. What path files (.pth) add is not
looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from headrace.interface import Program, dataclass
from headrace_pip.index.names import normalised
from headrace_pip.index.read_ahead import requirements_of
from headrace_pip.requested.command_line import Interpreter

__all__ = ["Distribution", "InstalledProjects"]

_DISTRIBUTION = re.compile(r"(.+?)-([^-]+?)(?:-py[0-9.]+)?\.(dist-info|egg-info)")
_SETTINGS = "pyvenv.cfg"


@dataclass(frozen=True, slots=True)
class Distribution:
    """One project that is installed."""

    version: str
    folder: Path
    """Its ``*.dist-info``."""


class InstalledProjects:
    """What a program's interpreter finds; looked for once, when it is first asked for."""

    def __init__(self, program: Program, interpreter: Interpreter, python: str) -> None:
        """`python`: its version, ``3.12``."""
        self._program = program
        self._interpreter = interpreter
        self._python = python

    @cached_property
    def distributions(self) -> Mapping[str, Distribution]:
        """All that is there, by normalised name; of several the one that is imported."""
        found: dict[str, Distribution] = {}
        for folder in dict.fromkeys(self._folders()):
            for name in self._program.names(folder):
                told = _DISTRIBUTION.fullmatch(name)
                project = normalised(told[1]) if told else None
                if told and project:
                    found.setdefault(project, Distribution(told[2], folder / name))
        return found

    def requires(self, project: str) -> tuple[str, ...] | None:
        """Return what an installed project requires; None: it is not told."""
        there = self.distributions.get(project)
        content = self._program.read(there.folder / "METADATA") if there else None
        return (
            None if content is None else tuple(requirements_of(content.decode("utf-8", "replace")))
        )

    @cached_property
    def free_threaded(self) -> bool:
        """Whether the interpreter is one without a global lock."""
        return self._program.runs.name.endswith(f"{self._python}t")

    def _folders(self) -> Iterator[Path]:
        if self._interpreter.variables:
            listed = (self._program.variable("PYTHONPATH") or "").split(":")
            yield from (Path(each) for each in listed if each)
        prefix = self._program.executable.parent.parent
        settings = self._program.read(prefix / _SETTINGS)
        system = settings is None or _sees_system(settings)
        if system and self._interpreter.user_site:
            yield from self._of_user()
        if settings is not None:
            yield from self._below(prefix)
        if system:
            yield from self._below(self._program.runs.parent.parent)

    def _of_user(self) -> Iterator[Path]:
        told = self._program.variable
        if self._interpreter.variables and told("PYTHONNOUSERSITE"):
            return
        base = told("PYTHONUSERBASE") if self._interpreter.variables else None
        home = told("HOME")
        if base or home:
            root = Path(base) if base else Path(home or "/", ".local")
            yield root / "lib" / self._library / "site-packages"

    def _below(self, prefix: Path) -> Iterator[Path]:
        if prefix == Path("/usr"):
            yield from self._below(prefix / "local")
            yield prefix / "lib" / "python3" / "dist-packages"
        for lib in ("lib", "lib64"):
            for packages in ("site-packages", "dist-packages"):
                yield prefix / lib / self._library / packages

    @property
    def _library(self) -> str:
        return f"python{self._python}{'t' if self.free_threaded else ''}"


def _sees_system(settings: bytes) -> bool:
    for line in settings.decode("utf-8", "replace").splitlines():
        name, equals, value = line.partition("=")
        if equals and name.strip().lower() == "include-system-site-packages":
            return value.strip().lower() == "true"
    return False
