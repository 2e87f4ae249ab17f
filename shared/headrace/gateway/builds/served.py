"""Which builds for accelerators clients were given: the last of each project. Pure, but the clock
that it is handed.

A page only offers; what was taken says whether the accelerator will be used, and what a frozen list
of versions will name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["BuildsServed"]


class BuildsServed:
    """Remembers as many as there are projects with such builds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since the epoch."""
        self._clock = clock
        self._last: dict[str, dict[str, Any]] = {}

    def given(self, file: str) -> None:
        """Take note of a file by its name, if it is such a build."""
        from headrace.variants.tables import load  # noqa: PLC0415 - where files are given
        from headrace.variants.wheels import build_of  # noqa: PLC0415 - as above

        build = build_of(file)
        if build is None or build.project not in load().family:
            return
        self._last[build.project] = {
            "at": self._clock(),
            "project": build.project,
            "version": build.version,
            "label": build.label,
            "wheel": build.wheels[0],
        }

    def table(self) -> list[dict[str, Any]]:
        """Return them as plain values, the last one first."""
        return sorted(self._last.values(), key=lambda each: -each["at"])
