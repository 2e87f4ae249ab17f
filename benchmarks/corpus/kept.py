"""Folders that are made once and kept between runs, because making them takes seconds."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

__all__ = ["Tree", "kept"]


class Tree(Protocol):
    """What a lab can serve."""

    @property
    def root(self) -> Path:
        """Where the files lie."""

    @property
    def wrong(self) -> Path:
        """The same paths with wrong bytes, for servers that lie."""


def kept(name: str, make: Callable[[Path], None]) -> Path:
    """Give the folder of that name; `make` fills it where it is not there yet."""
    base = Path(tempfile.gettempdir()) / f"headrace-corpus-{os.getuid()}"
    base.mkdir(mode=0o755, exist_ok=True)
    folder = base / name
    with (base / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            draft = Path(tempfile.mkdtemp(dir=base))
            draft.chmod(0o755)
            make(draft)
            draft.rename(folder)
    return folder
