"""Which tools are on this machine, and what they have with them.

What a user may not look into is not there for that user: a path's own methods raise then.

What is found with these may be kept from one `headrace run` to the next (`cli.runs.kept`), so each
tells what it looked at, as an audit event. Files that are read and folders that are listed Python
tells by itself; whoever asks a program says with `asked` what that reads, else nothing is kept.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from headrace.interface.hookspecs import Place
from headrace.ownership.files import LOOKED

__all__ = ["ASKED", "LOOKED", "THERE", "asked", "has_package", "is_folder", "is_there", "program"]

#: Audit events beside `LOOKED`: a path is looked for; a program was asked, with all that it reads
#: for its answer.
THERE, ASKED = "headrace.there", "headrace.asked"


def asked(paths: Iterable[str | os.PathLike[str]]) -> None:
    """Tell that a program was asked whose answer is the same while these paths are."""
    sys.audit(ASKED, tuple(paths))


def program(place: Place, name: str) -> Path | None:
    """Return the program of that name on the PATH of the place."""
    # The folders of PATH are looked at for every run, since what is to be run is in one of them.
    found = shutil.which(name, path=place.environment.get("PATH"))
    return Path(found) if found else None


def is_there(path: Path) -> bool:
    """Whether there is a file or folder, as far as this user can see."""
    sys.audit(THERE, path)
    return os.path.exists(path)  # noqa: PTH110 - what it cannot look at is False


def is_folder(path: Path) -> bool:
    """Whether there is a folder, as far as this user can see."""
    sys.audit(THERE, path)
    return os.path.isdir(path)  # noqa: PTH112 - as above


def has_package(program: Path, package: str) -> bool:
    """Whether a Python package lies in the environment that a program was installed into."""
    base = program.resolve().parent.parent
    return any(base.glob(f"[Ll]ib/**/site-packages/{package}*"))
