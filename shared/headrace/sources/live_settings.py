"""Which mirrors the user wants now: the settings file is looked at again while the gateway runs.

A look is one question to the system, asked by whoever needs the mirrors and not more often than
every other moment: so an idle gateway looks at nothing. Only what is said of mirrors is taken at
once; everything else holds until the next start. A file with mistakes in it, perhaps one that is
being edited just now, changes nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from headrace.config import Folders, Settings

__all__ = ["LiveSettings"]

_log = logging.getLogger("headrace.sources")

#: Seconds for which a look is believed.
_LOOK = 0.5

_Stamp = tuple[int, int, int] | None


class LiveSettings:
    """Gives the settings as they are now, as far as they are about mirrors."""

    def __init__(
        self,
        settings: Settings,
        folders: Folders,
        env: Mapping[str, str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`settings` are those of the start; without a file (`Settings.source`) they stay."""
        self._settings = settings
        self._folders, self._env = folders, env
        self._clock = clock
        self._looked = clock()
        self._stamp = _stamp(settings.source)

    def __call__(self) -> Settings:
        """Return them. The same object as long as nothing has changed."""
        now = self._clock()
        if self._settings.source is not None and now - self._looked >= _LOOK:
            self._looked = now
            stamp = _stamp(self._settings.source)
            if stamp != self._stamp:
                self._stamp = stamp
                self._read(self._settings.source)
        return self._settings

    def _read(self, path: Path) -> None:
        try:
            told, mistakes = Settings.read(self._folders, self._env)
        except Exception as error:  # noqa: BLE001 - whatever is wrong, those of before are right
            _log.warning("%s is not read again: %r", path, error)
            return
        if mistakes:
            _log.warning("the mirrors stay as they were: %s", mistakes[0])
            return
        self._settings = replace(
            self._settings,
            mirrors=told.mirrors,
            disabled_mirrors=told.disabled_mirrors,
            enabled_mirrors=told.enabled_mirrors,
            catalogue=told.catalogue,
            fleet=told.fleet,
        )
        _log.info("the mirrors are as %s says now", path)


def _stamp(path: Path | None) -> _Stamp:
    """Return what differs when a file was written anew; None: there is none."""
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
