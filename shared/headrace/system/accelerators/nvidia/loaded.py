"""In the child process: which file of a library the loader took.

A library's name says neither whose it is nor of which driver; the file's path says both
(``/usr/local/cuda-13.0/compat/libcuda.so.580.65.06``).
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["loaded"]

_MAPS = Path("/proc/self/maps")


def loaded(stem: str) -> str | None:
    """Return the path of the file whose name begins so; None: elsewhere than on Linux, or none."""
    try:
        lines = _MAPS.read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    paths = (line[line.index("/") :] for line in lines if "/" in line)
    return next((path for path in paths if path.rpartition("/")[2].startswith(stem)), None)
