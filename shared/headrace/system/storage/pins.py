"""Files that the user wants to keep: nothing that the store does by itself removes them.

One small file for each, named by the digest, so that several processes may pin and look at the same
time. Its content says for people what was pinned.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from headrace.models import Digest
from headrace.system.folders import make as make_folder

__all__ = ["Pins"]

#: Bytes of a name.
_LONGEST = 1000


class Pins:
    """The pinned files of a store. Usable from any thread."""

    def __init__(self, root: Path) -> None:
        """`root` is the store's folder."""
        self._folder = root / "pins"

    def add(self, digest: Digest, name: str) -> None:
        """Pin a file, which need not be here yet; OSError where it cannot be written down."""
        make_folder(self._folder)
        (self._folder / _name(digest)).write_text(name[:_LONGEST], "utf-8")

    def remove(self, digest: Digest) -> None:
        """Let go of it."""
        (self._folder / _name(digest)).unlink(missing_ok=True)

    def all(self) -> dict[Digest, str]:
        """Return what is pinned, and by what name."""
        found: dict[Digest, str] = {}
        try:
            names = os.listdir(self._folder)  # noqa: PTH208 - names alone
        except OSError:
            return found
        for each in names:
            # What has no digest's name was put there by somebody else.
            with contextlib.suppress(ValueError, OSError):
                algorithm, _, value = each.partition("-")
                path = self._folder / each
                found[Digest(algorithm, value)] = path.read_text("utf-8", "replace")[:_LONGEST]
        return found


def _name(digest: Digest) -> str:
    return f"{digest.algorithm}-{digest.value}"
