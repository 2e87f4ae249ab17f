"""Who goes next: the files of the store, whole and partial, longest unused first."""

from __future__ import annotations

import heapq
import math
import os
from collections.abc import Iterator
from pathlib import Path

from headrace.system.locks import try_lock
from headrace.system.storage.partial import is_same
from headrace.system.storage.usage_index import IndexedFile, UsageIndex
from headrace.values import dataclass

__all__ = ["StoreEntry", "list_folder", "oldest_first", "partials", "remove_idle"]

#: Files that are looked at together. A batch of eviction costs a look at so many beside those that
#: it removes, however many there are.
_PAGE = 64


@dataclass(frozen=True, slots=True)
class StoreEntry:
    """A file that takes room."""

    path: Path
    used: float
    size: int
    file: IndexedFile | None = None
    """None: a partial file, which no index has."""


def _used(entry: StoreEntry) -> float:
    return entry.used


def oldest_first(root: Path, index: UsageIndex) -> Iterator[StoreEntry]:
    """Give everything in the order of its last use, looking at no more of it than is taken.

    Files may vanish meanwhile, and the index is told of those that have.
    """
    return heapq.merge(sorted(partials(root), key=_used), _whole(root, index), key=_used)


def partials(root: Path) -> Iterator[StoreEntry]:
    """Give the partial files of a store, in no order."""
    for path in list_folder(root / "partial"):
        if path.suffix != ".part":
            continue
        try:
            found = path.lstat()
        except OSError:
            continue
        # A partial file is sparse: what it takes is its blocks, not its length.
        blocks = getattr(found, "st_blocks", None)
        size = found.st_size if blocks is None else blocks * 512
        yield StoreEntry(path, found.st_mtime, size)


def _whole(root: Path, index: UsageIndex) -> Iterator[StoreEntry]:
    page = index.oldest(_PAGE)
    while page:
        # All that could belong before this moment is in this page.
        until = page[-1].used if len(page) == _PAGE else math.inf
        here: list[StoreEntry] = []
        gone: list[IndexedFile] = []
        younger: list[tuple[IndexedFile, float]] = []
        for file in page:
            value = file.digest.value
            path = root / file.digest.algorithm / value[:2] / value
            try:
                found = path.lstat()
            except FileNotFoundError:
                gone.append(file)
                continue
            except OSError:
                continue
            used = max(file.used, found.st_mtime)
            if used > until:
                younger.append((file, used))
            else:
                here.append(StoreEntry(path, used, found.st_size, file))
        if gone or younger:
            index.change(gone, younger)
        yield from sorted(here, key=_used)
        page = index.oldest(_PAGE, page[-1])


def list_folder(folder: Path) -> list[Path]:
    """Return what lies in a folder; nothing where there is none."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def remove_idle(path: Path) -> bool:
    """Remove a partial file unless a process works on it."""
    try:
        fd = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return False
    try:
        # Between our open and our lock it may have been committed and begun anew.
        if not try_lock(fd) or not is_same(fd, path):
            return False
        for suffix in (".map", ".maptmp", ".log"):
            path.with_suffix(suffix).unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
