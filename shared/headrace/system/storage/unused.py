"""What nobody has used for a while, and how it is removed when a person says so."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from headrace.system.locks import locked
from headrace.system.storage.eviction import oldest_first
from headrace.system.storage.usage_index import IndexedFile, UsageIndex

__all__ = ["UnusedFiles"]

_log = logging.getLogger("headrace.store")


class UnusedFiles:
    """The files of a store by their last use. Usable from any thread, beside any process."""

    def __init__(self, root: Path, *, clock: Callable[[], float] = time.time) -> None:
        """`root` is the store's."""
        self._root = root
        self._clock = clock

    def sizes(self, ages: Sequence[float]) -> dict[float, int]:
        """Return how many bytes at most nobody used for so many seconds, by each of `ages`."""
        if not self._root.exists():
            return dict.fromkeys(ages, 0)
        index = UsageIndex(self._root / "index.sqlite")
        now = self._clock()
        return {age: index.total_before(now - age) for age in ages}

    def remove(self, age: float) -> int:
        """Remove what nobody used for so many seconds; 0: all of it. Returns the bytes removed.

        What is on its way stays, and what cannot be removed. Who reads a file goes on reading it.
        """
        if not self._root.exists():
            return 0
        index = UsageIndex(self._root / "index.sqlite")
        removed = 0
        gone: list[IndexedFile] = []
        until = self._clock() - age
        # One process at a time, as evictions are.
        with locked(self._root / "evict.lock"):
            for entry in oldest_first(self._root, index):
                if entry.used > until:
                    break
                if entry.file is None:
                    continue
                try:
                    entry.path.unlink()
                except OSError as error:
                    _log.warning("%s cannot be removed: %s", entry.path, error)
                    continue
                removed += entry.size
                gone.append(entry.file)
            index.change(gone)
        _log.info("%d bytes of the store were removed, as it was asked for", removed)
        return removed
