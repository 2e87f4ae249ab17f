"""Who asked to be left alone, kept for the next process of this user's: one small SQLite file.

A gateway that is restarted, or killed, asks nobody before the time that was named to the one before
it. Seconds are counted by the clock that nobody sets, as long as the machine is the same boot's; by
the wall clock else, and then never more of them than were named. What cannot be read or written
is worth an error to nobody.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from headrace.policy.rate_limits import RememberedLimit
from headrace.system.folders import make as make_folder

__all__ = ["LimitRecords", "boot"]

_log = logging.getLogger("headrace.limits")

_VERSION = 1
_COLUMNS = "key PRIMARY KEY, status, seconds, named, refusals, wall, steady, boot"
#: Rows that are read back at most.
_MOST = 1024
#: Seconds after which a row is dropped; nobody is believed for more than a day.
_FORGOTTEN = 48 * 3600.0
#: Seconds that another process's writing is waited for.
_BUSY = 5.0
#: As the columns are.
_Row = tuple[str, int, float, int, int, float, float, str]
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot() -> str:
    """Name the time since this machine was started; "": it does not tell."""
    try:
        return _BOOT.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


class LimitRecords:
    """Implements `headrace.upstream.courtesy.Memory` in a file. Usable from any thread."""

    def __init__(
        self,
        path: Path,
        *,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        boot: Callable[[], str] = boot,
    ) -> None:
        """Touch nothing. `steady` is a clock that goes on while the machine does."""
        self._path = path
        self._wall = wall
        self._steady = steady
        self._boot = boot()
        # One thread, so that of two rows the later one is written later.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="limits")

    def load(self) -> Sequence[RememberedLimit]:
        """Return those that still hold."""
        if not self._path.exists():
            return ()
        try:
            with contextlib.closing(self._connect()) as base:
                query = "SELECT * FROM rate_limit ORDER BY wall DESC LIMIT ?"
                rows = base.execute(query, (_MOST,)).fetchall()
                limits = [limit for row in rows if (limit := self._left(row)) is not None]
        except (sqlite3.Error, OSError, TypeError, ValueError) as error:
            _log.warning("%s is put aside, it cannot be read: %s", self._path, error)
            with contextlib.suppress(OSError):
                self._path.replace(self._path.with_suffix(".damaged"))
            return ()
        return limits

    def _left(self, row: _Row) -> RememberedLimit | None:
        key, status, seconds, named, refusals, wall, steady, booted = row
        here = bool(booted) and booted == self._boot
        passed = self._steady() - steady if here else self._wall() - wall
        # A clock that was set back must not make it longer than it was.
        left = min(seconds, seconds - passed)
        return RememberedLimit(key, status, left, bool(named), refusals) if left > 0 else None

    def keep(self, limit: RememberedLimit) -> None:
        """Write one down, soon, in place of what was known of its key."""
        values = (limit.seconds, limit.named, limit.refusals, self._wall(), self._steady())
        row = (limit.key, limit.status, *values, self._boot)
        with contextlib.suppress(RuntimeError):  # closed
            self._writer.submit(self._write, row)

    def _write(self, row: tuple[object, ...]) -> None:
        try:
            with contextlib.closing(self._connect()) as base, base:
                base.execute("INSERT OR REPLACE INTO rate_limit VALUES (?,?,?,?,?,?,?,?)", row)
                # By the wall clock, which somebody may set: so not the moment that they are over.
                base.execute("DELETE FROM rate_limit WHERE wall < ?", (self._wall() - _FORGOTTEN,))
        except (sqlite3.Error, OSError) as error:
            _log.warning("%s cannot be written: %s", self._path, error)

    def _connect(self) -> sqlite3.Connection:
        make_folder(self._path.parent)
        base = sqlite3.connect(self._path, timeout=_BUSY)
        try:
            # Losing the last seconds in a power failure is fine; waiting for the disk is not.
            base.execute("PRAGMA synchronous = OFF")
            if base.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                _create(base)
        except BaseException:
            base.close()
            raise
        return base

    def close(self) -> None:
        """Write the rest."""
        self._writer.shutdown(wait=True)


def _create(base: sqlite3.Connection) -> None:
    """Make the table; of two processes that begin at a time one does, the other waits."""
    with base:
        base.execute("BEGIN IMMEDIATE")
        if base.execute("PRAGMA user_version").fetchone()[0] == _VERSION:
            return
        base.execute("DROP TABLE IF EXISTS rate_limit")
        base.execute(f"CREATE TABLE rate_limit ({_COLUMNS})")
        base.execute(f"PRAGMA user_version = {_VERSION}")
