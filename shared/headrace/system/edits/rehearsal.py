"""Whether a file could be written here, found out by really writing beside it.

Permission bits tell too little: a disk may be full, mounted read-only or over its quota, a file
may be immutable or the place that something is mounted on. So what an edit does is done, with a
file of another name that goes away again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path

from headrace.errors import ConfigurationError
from headrace.system.edits.file_step import LARGEST, target

__all__ = ["trouble"]

#: Bytes that are tried at least: room for what is written beside an edit itself.
_LEAST = 16 << 10
#: What only a file that nobody may change says of itself; missing permission is none of these,
#: because a file is replaced and not written to.
_UNCHANGEABLE = (errno.EPERM, errno.EROFS)
_MOUNTS = Path("/proc/self/mountinfo")


def trouble(path: Path, size: int = 0) -> str:
    """Say why a file of `size` bytes could not be put at `path`; "" where it could.

    Nothing is left, and nothing but a temporary file is written.
    """
    try:
        real = target(path)
    except ConfigurationError as error:
        return error.message
    try:
        _look_at(real)
        _write_beside(real, min(max(size, _LEAST), LARGEST))
    except OSError as error:
        where = f"{error.filename}: " if error.filename and error.filename != str(path) else ""
        return f"{path} cannot be written: {where}{error.strerror or error}"
    return ""


def _look_at(real: Path) -> None:
    """Raise OSError for a file that no other can be put in the place of."""
    if not real.is_file():
        return
    if str(real) in _mounted():
        raise OSError(errno.EBUSY, "something is mounted on this very file", str(real))
    with contextlib.suppress(FileNotFoundError):
        try:
            os.close(os.open(real, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0)))
        except OSError as error:
            if error.errno in _UNCHANGEABLE:
                raise


def _write_beside(real: Path, size: int) -> None:
    folder = real.parent
    while not folder.exists():
        folder = folder.parent
    descriptor, temporary = tempfile.mkstemp(prefix=f".{real.name}.", suffix=".new", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(bytes(size))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        # The name of a file that is gone helps nobody.
        raise OSError(error.errno, error.strerror, str(folder)) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()


def _mounted() -> frozenset[str]:
    """List where something is mounted (Linux); elsewhere none is known."""
    try:
        lines = _MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return frozenset()
    # proc(5): the fifth field; blanks and the like are octal.
    fields = (line.split(" ", 5)[4] for line in lines if line.count(" ") > 5)
    return frozenset(_plain(field) for field in fields)


def _plain(field: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, character)
    return field
