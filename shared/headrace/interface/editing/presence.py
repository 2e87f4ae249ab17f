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

__all__ = [
    "ASKED",
    "LOOKED",
    "THERE",
    "asked",
    "has_package",
    "is_folder",
    "is_there",
    "program",
    "resolved",
    "which",
]

#: Audit events beside `LOOKED`: a path is looked for; a program was asked, with all that it reads
#: for its answer.
THERE, ASKED = "headrace.there", "headrace.asked"


def asked(paths: Iterable[str | os.PathLike[str]]) -> None:
    """Tell that a program was asked whose answer is the same while these paths are."""
    sys.audit(ASKED, tuple(paths))


def program(place: Place, name: str) -> Path | None:
    """Return the program of that name on the PATH of the place."""
    found = which(name, place.environment.get("PATH"))
    return Path(found) if found else None


def which(name: str, path: str | None) -> str | None:
    """Return the program of that name in the folders of a PATH, as `shutil.which` does."""
    for folder in (os.defpath if path is None else path).split(os.pathsep):
        sys.audit(LOOKED, folder or ".")
        # What a link leads to, a mode, and what is written in place change no folder's time.
        if os.path.lexists(found := os.path.join(folder, name)):  # noqa: PTH118 - as it is looked for
            sys.audit(LOOKED, found)
    return shutil.which(name, path=path)


def resolved(path: Path) -> Path:
    """Return where a path leads, and tell that what is there counts: a link may come to lead to
    another place, in which nobody has looked.
    """
    sys.audit(LOOKED, path)
    return path.resolve()


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
    base = resolved(program).parent.parent
    return any(base.glob(f"[Ll]ib/**/site-packages/{package}*"))
