"""The plugin for a conda whose base does not have headrace: one file of ours, and the way to it.

One line in a ``.pth`` file in the base leads Python to an archive that holds the plugin and nothing
else (PEP 273). When the archive is gone Python passes the line over, so conda cannot be broken by
it; and Python writes nothing beside it, so nothing is left behind.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from headrace.interface import Folders, Place, Scope, __version__
from headrace_conda.tools.bases import Base

__all__ = ["NAME", "archive", "content", "pth"]

#: What the archive is called, in either scope and at any version. pip passes a wheel on the path
#: over; what lies in another archive there it lists, freezes and (before 23.3) calls an egg.
NAME = "headrace_conda_inside-0-py3-none-any.whl"

_PACKAGE = "headrace_conda_inside"
#: The oldest that the format knows: the same plugin is the same bytes at any time.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def archive(place: Place) -> Path:
    """Return where it lies. Only root may write the machine's: root's conda runs what is in it."""
    if place.scope is Scope.SYSTEM and "HEADRACE_HOME" not in place.environment:
        return Folders.of_system().config / NAME
    return Folders.of_user(place.environment).config / NAME


def content() -> bytes:
    """Return the package as it is here, and a distribution that makes it known to conda."""
    import io  # noqa: PLC0415 - a cost of those for whom it is written
    import zipfile  # noqa: PLC0415 - as above

    # Beside this package, wherever that is; it cannot be imported where there is no conda.
    files = {
        f"{_PACKAGE}/{item.name}": item.read_bytes()
        for item in sorted((Path(__file__).parents[2] / _PACKAGE).glob("*.py"))
    }
    info = f"{_PACKAGE}-{__version__}.dist-info"
    described = f"Metadata-Version: 2.1\nName: headrace-conda-inside\nVersion: {__version__}\n"
    files[f"{info}/METADATA"] = described.encode()
    files[f"{info}/entry_points.txt"] = f"[conda]\nheadrace = {_PACKAGE}\n".encode()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files.items():
            packed.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def pth(base: Base, packed: Path) -> tuple[Path, bytes]:
    """Give the one file in the base, and its content; several users may share a base."""
    line = f"{packed}\n".encode()
    return base.site / f"headrace-{hashlib.sha256(line).hexdigest()[:8]}.pth", line
