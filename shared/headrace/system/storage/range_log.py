"""What was written of a file on its way since its map was saved, one short entry each.

The map (`partial`) is saved every few seconds. A process that is killed in between has given bytes
to clients that the map does not claim yet, and the next one could not know which they were. The
entries survive a kill, as everything does that the kernel was given. Each names the map that it
goes on from by that map's checksum, so entries of before count no more once a map is saved.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

__all__ = ["RangeLog"]

_ENTRY = struct.Struct("<QQI")
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND
_FLAGS |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
#: An entry whose file is longer than this is not looked for: a million of them.
_LONGEST = 20 << 20


class RangeLog:
    """Not to be used from several threads at a time. No error of the disk's leaves it: what is
    not logged is fetched again.
    """

    def __init__(self, path: Path) -> None:
        """`path` need not exist."""
        self.path = path
        self._fd: int | None = None

    def read(self, seed: int) -> Iterator[tuple[int, int]]:
        """Give the ranges that go on from the map of this checksum, in their order."""
        try:
            with self.path.open("rb") as file:
                data = file.read(_LONGEST)
        except OSError:
            return
        for at in range(0, len(data) - _ENTRY.size + 1, _ENTRY.size):
            start, end, check = _ENTRY.unpack_from(data, at)
            if check == zlib.crc32(data[at : at + 16], seed):
                yield start, end

    def add(self, start: int, end: int, seeds: tuple[int, ...]) -> None:
        """Note a range, for each of the maps that may be there when it is read."""
        told = struct.pack("<QQ", start, end)
        entries = [_ENTRY.pack(start, end, zlib.crc32(told, seed)) for seed in seeds]
        with contextlib.suppress(OSError):
            if self._fd is None:
                self._fd = os.open(self.path, _FLAGS, 0o600)
            os.write(self._fd, b"".join(entries))

    def close(self) -> None:
        """Let the file go."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def remove(self) -> None:
        """Forget all."""
        self.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
