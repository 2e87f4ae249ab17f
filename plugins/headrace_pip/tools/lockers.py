"""Programs that write pip's index into a file that their user commits, and cannot be told not to.

They read pip's own configuration, in pip's own way, so no setting of ours reaches pip and not them.
(``pip lock`` is not one of them: it has a section of its own.)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from headrace.interface import Place

__all__ = ["PROGRAMS", "is_locker", "reaches_nested_ones"]

#: As their programs are called: pip-tools, its two companions, and pipenv, which writes the index
#: of pip's configuration into a new Pipfile.
PROGRAMS = ("pip-compile", "pip-compile-multi", "pip-deepfreeze", "pipenv")
#: The same as modules (``python -m piptools compile``).
_MODULES = ("piptools", "pipcompilemulti", "pip_deepfreeze", "pipenv")
_PIP = re.compile(r"pip[0-9.]*")
_AT_START = Path(__file__).parents[1] / "at_start"
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
        return _follows(command, "-m") in _MODULES
    installs = {"install", "add", "inject", "upgrade"} & set(command[1:3])
    return first in _RUNNERS and not installs and any(_stem(w) in PROGRAMS for w in command[1:])


def reaches_nested_ones(place: Place) -> Mapping[str, str]:
    """Return the variable that lets one be told that a command starts in its turn, however deep:
    by make, a shell, nox, tox. Each Python below reads `headrace_pip.at_start`.
    """
    words = place.command
    if _PIP.fullmatch(_stem(words[0])) or ("-m" in words[:-1] and _follows(words, "-m") == "pip"):
        return {}
    separator = ";" if place.platform == "win32" else ":"
    known = [part for part in place.environment.get("PYTHONPATH", "").split(separator) if part]
    return {"PYTHONPATH": separator.join([str(_AT_START), *known])}


def _follows(words: Sequence[str], option: str) -> str:
    return words[words.index(option) + 1]


def _stem(word: str) -> str:
    return PurePath(word).name.removesuffix(".exe")
