"""When a folder that is kept below a limit is looked at: not at each file that is written there."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Trimming"]


class Trimming:
    """Has a folder trimmed when it may hold too much: at the first file, then now and then."""

    def __init__(self, trim: Callable[[], int]) -> None:
        """`trim` removes what is too much, and returns the bytes that stay."""
        self._trim = trim
        self._guard = threading.Lock()
        self._written: int | None = None

    def wrote(self, size: int, limit: int) -> None:
        """Count bytes that were written; `limit` is the folder's, in bytes."""
        with self._guard:
            if self._written is not None:
                self._written += size
                if self._written < limit:
                    return
            self._written = limit  # while one thread looks, no other does
        used = self._trim()
        with self._guard:
            self._written = used
