"""What tells a file or folder from any other, and from itself after a change.

Nothing heavy is imported: what is kept of a run is held against it before anything else is read.
"""

from __future__ import annotations

import os

__all__ = ["fingerprint"]


def fingerprint(path: str) -> list[int] | int:
    """Return device, inode, mode, owner, size and both times; of what cannot be looked at the
    error's number.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - pathlib would cost as much as all who ask
    except (OSError, ValueError) as error:
        return getattr(error, "errno", None) or -1
    return [
        *(found.st_dev, found.st_ino, found.st_mode, found.st_uid),
        *(found.st_size, found.st_mtime_ns, found.st_ctime_ns),
    ]
