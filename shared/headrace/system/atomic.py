"""Write a small file so that a reader, or a crash, sees the old content or the new, never a mix."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path

__all__ = ["replace", "sync_folder"]


def replace(path: Path, content: bytes, *, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Put `content` at `path` by way of a temporary file in the same folder.

    The data is on the disk before the name is (fsync, rename, fsync of the folder). `owner` is
    (uid, gid); where it cannot be given it is left out, unless that would open the file to others.
    """
    descriptor, temporary = tempfile.mkstemp(
        prefix=f".{path.name}.", suffix=".new", dir=path.parent
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            if owner is not None and sys.platform != "win32":
                _give(file.fileno(), owner)
            _set_mode(file.fileno(), temporary, mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
    sync_folder(path.parent)


if sys.platform == "win32":

    def _set_mode(descriptor: int, path: str, mode: int) -> None:
        del descriptor  # of which Windows changes nothing
        Path(path).chmod(mode)

else:

    def _set_mode(descriptor: int, path: str, mode: int) -> None:
        del path  # may lead elsewhere by now
        os.fchmod(descriptor, mode)

    def _give(descriptor: int, owner: tuple[int, int]) -> None:
        if owner != (os.geteuid(), os.getegid()):
            with contextlib.suppress(PermissionError):
                os.fchown(descriptor, *owner)


def sync_folder(folder: Path) -> None:
    """Make a rename or unlink in the folder survive a power cut, where the platform can."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
