"""Bytes that lie in a file on its way, for whoever can send them from there.

What is read only to be written to a socket is copied twice for nothing, in memory that is asked
for and given back each time. Linux sends a file's bytes as they lie in its cache.
"""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from headrace.errors import StoreError

__all__ = ["CAN_BE_SENT", "FilePart", "SendableFile"]

CAN_BE_SENT = sys.platform == "linux"
"""Whether this system sends from a file to any socket, and takes no more than the socket does."""


class SendableFile(Protocol):
    """What a part needs of the file that it lies in; `Partial` has it."""

    path: Path

    def read(self, offset: int, length: int) -> bytes:
        """Give bytes; StoreError."""

    def using(self) -> AbstractContextManager[int]:
        """Keep the descriptor open meanwhile; StoreError: it is closed."""


class FilePart:
    """A part that is there and stays as it is. Has a length, as bytes have, and becomes bytes."""

    __slots__ = ("_end", "_file", "_start")

    def __init__(self, file: SendableFile, start: int, end: int) -> None:
        """``[start, end)`` of `file`."""
        self._file = file
        self._start = start
        self._end = end

    def __len__(self) -> int:
        """How many bytes are left of it."""
        return self._end - self._start

    def __bytes__(self) -> bytes:
        """Read what is left; StoreError where it cannot be."""
        return self._file.read(self._start, len(self))

    def send(self, descriptor: int) -> int:
        """Send what a socket takes of it now, and return how much that was. BlockingIOError: it
        takes nothing now; StoreError: the file is closed, or shorter than it was; OSError.
        """
        with self._file.using() as file:
            sent = os.sendfile(descriptor, file, self._start, len(self))
        if not sent:
            raise StoreError("store-short", f"{self._file.path} is shorter than it was")
        self._start += sent
        return sent
