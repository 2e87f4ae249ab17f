"""What nobody has used for a while, and how it is removed when a person says so."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from headrace.system.locks import locked
from headrace.system.storage.eviction import oldest_first
from headrace.system.storage.pins import Pins
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
        """Return how many bytes at most would go that nobody used for so many seconds, by each of
        `ages`.
        """
        if not self._root.exists():
            return dict.fromkeys(ages, 0)
        index = UsageIndex(self._root / "index.sqlite")
        pinned = list(self._pinned())
        found: dict[float, int] = {}
        for age in ages:
            until = self._until(age)
            stays = sum(size for used, size in pinned if used <= until)
            found[age] = max(0, index.total_before(until) - stays)
        return found

    def _until(self, age: float) -> float:
        # A clock that was put back makes files of tomorrow.
        return self._clock() - age if age else math.inf

    def _pinned(self) -> Iterator[tuple[float, int]]:
        """Give last use and size of the pinned files that are here."""
        for digest in Pins(self._root).all():
            with contextlib.suppress(OSError):
                path = self._root / digest.algorithm / digest.value[:2] / digest.value
                status = path.lstat()
                yield status.st_mtime, status.st_size

    def remove(self, age: float) -> int:
        """Remove what nobody used for so many seconds; 0: all of it. Returns the bytes removed.

        What is on its way stays, what is pinned, and what cannot be removed. Who reads a file goes
        on reading it.
        """
        if not self._root.exists():
            return 0
        index = UsageIndex(self._root / "index.sqlite")
        removed = 0
        gone: list[IndexedFile] = []
        until = self._until(age)
        pinned = Pins(self._root).all().keys()
        # One process at a time, as evictions are.
        with locked(self._root / "evict.lock"):
            for entry in oldest_first(self._root, index):
                if entry.used > until:
                    break
                if entry.file is None or entry.file.digest in pinned:
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
