"""Which tools are on this machine, and what they have with them."""

from __future__ import annotations

import shutil
from pathlib import Path

from headrace.interface.hookspecs import Place

__all__ = ["has_package", "program"]


def program(place: Place, name: str) -> Path | None:
    """Return the program of that name on the PATH of the place."""
    found = shutil.which(name, path=place.environment.get("PATH"))
    return Path(found) if found else None


def has_package(program: Path, package: str) -> bool:
    """Whether a Python package lies in the environment that a program was installed into."""
    base = program.resolve().parent.parent
    return any(base.glob(f"[Ll]ib/**/site-packages/{package}*"))
