"""Which tools are on this machine, and what they have with them.

What a user may not look into is not there for that user: a path's own methods raise then.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from headrace.interface.hookspecs import Place

__all__ = ["has_package", "is_folder", "is_there", "program"]


def program(place: Place, name: str) -> Path | None:
    """Return the program of that name on the PATH of the place."""
    found = shutil.which(name, path=place.environment.get("PATH"))
    return Path(found) if found else None


def is_there(path: Path) -> bool:
    """Whether there is a file or folder, as far as this user can see."""
    return os.path.exists(path)  # noqa: PTH110 - what it cannot look at is False


def is_folder(path: Path) -> bool:
    """Whether there is a folder, as far as this user can see."""
    return os.path.isdir(path)  # noqa: PTH112 - as above


def has_package(program: Path, package: str) -> bool:
    """Whether a Python package lies in the environment that a program was installed into."""
    base = program.resolve().parent.parent
    return any(base.glob(f"[Ll]ib/**/site-packages/{package}*"))
