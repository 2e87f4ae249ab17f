"""Which variant indexes were asked for that nobody promised, and lacked what was looked for.

One empty file for each, whose time is when. A label that no table has is asked for once a day, by
whichever gateway of this user's comes first.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from headrace.system.folders import make as make_folder

__all__ = ["AskedLabels"]

_DAY = 86400.0


class AskedLabels:
    """The folder. What cannot be read was not asked; what cannot be written is asked again."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        """`folder` is a cache's; `clock` in seconds, as files have them."""
        self._folder = folder / "variant-indexes"
        self._clock = clock

    def due(self, labels: Iterable[str]) -> list[str]:
        """Return those that nobody asked for within a day."""
        return [label for label in labels if not self._asked(label)]

    def _asked(self, label: str) -> bool:
        try:
            asked = (self._folder / label).stat().st_mtime
        except OSError:
            return False
        return 0 <= self._clock() - asked < _DAY

    def found(self, label: str) -> None:
        """Forget that it was missing: its pages are asked for as those of others are."""
        with contextlib.suppress(OSError):
            (self._folder / label).unlink(missing_ok=True)

    def missing(self, label: str) -> None:
        """Remember that its index was asked and gave nothing, or nothing yet."""
        with contextlib.suppress(OSError):
            make_folder(self._folder)
            (self._folder / label).touch()
