"""Programs that write pip's index into a file that their user commits, and cannot be told not to.

They read pip's own configuration, in pip's own way, so no setting of ours reaches pip and not them.
(``pip lock`` is not one of them: it has a section of its own.)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

__all__ = ["PROGRAMS", "is_locker"]

#: As their programs are called: pip-tools, its two companions, and pipenv, which writes the index
#: of pip's configuration into a new Pipfile.
PROGRAMS = ("pip-compile", "pip-compile-multi", "pip-deepfreeze", "pipenv")
#: The same as modules (``python -m piptools compile``).
_MODULES = ("piptools", "pipcompilemulti", "pip_deepfreeze", "pipenv")
#: Programs that run another one.
_RUNNERS = ("uvx", "uv", "pipx", "hatch", "tox", "nox", "env", "time", "nice")


def is_locker(command: Sequence[str]) -> bool:
    """Whether a command is one of them, also behind a program that runs others."""
    if not command:
        return False
    first = _stem(command[0])
    if first in PROGRAMS:
        return True
    if "-m" in command[1:-1]:
        return command[command.index("-m") + 1] in _MODULES
    installs = {"install", "add", "inject", "upgrade"} & set(command[1:3])
    return first in _RUNNERS and not installs and any(_stem(w) in PROGRAMS for w in command[1:])


def _stem(word: str) -> str:
    return PurePath(word).name.removesuffix(".exe")
