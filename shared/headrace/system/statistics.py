"""What was learned about sources, kept across restarts: one small SQLite file.

All questions are answered from memory. What was learned is written behind, by a thread, a moment
later; a SIGKILL costs that moment. Several processes may use the file at a time: each writes the
rows that it learned about, the last one wins, which is good enough for averages. A file that is
damaged is put aside and a new one is begun: nothing here is worth an error to anybody.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, fields, replace
from pathlib import Path

from headrace.models import Fault
from headrace.policy.reputation import (
    EVERYTHING,
    NOTHING,
    Observation,
    Record,
    Records,
    learn,
    on_probation,
    restored,
    scope,
)
from headrace.policy.source_conditions import FAILURES
from headrace.system.folders import make as make_folder

__all__ = ["Statistics"]

_log = logging.getLogger("headrace.statistics")

_Key = tuple[str, str, str]

_VERSION = 1
_COLUMNS = tuple(field.name for field in fields(Record))
_FAULTS = (
    "CREATE TABLE IF NOT EXISTS last_fault "
    "(network, source, fault, PRIMARY KEY (network, source)) WITHOUT ROWID"
)
_WORDS = frozenset(Fault)
#: Seconds from learning to writing.
_BEHIND = 2.0
#: Seconds after which a row that nobody added to is dropped.
_FORGOTTEN = 60 * 24 * 3600.0
#: Seconds that one request on probation has; then another one may try.
_PROBATION = 30.0
#: Seconds around a failure of the origin in which mirrors are not blamed for being unreachable,
#: unless somebody delivered lately: when nobody can be reached it is this machine that is off.
_OFFLINE = 5.0
_LATELY = 15.0
_REACH = (Fault.UNREACHABLE, Fault.SILENT)


class Statistics:
    """Experience with every source, by network and object class. Usable from any thread."""

    def __init__(self, path: Path | None, *, clock: Callable[[], float] = time.time) -> None:
        """Read what earlier runs learned; `path` None: remember nothing after this process."""
        self._path = path
        self._clock = clock
        self._guard = threading.Lock()
        self._writing = threading.Lock()
        self._networks: dict[str, dict[tuple[str, str], Record]] = {}
        self._dirty: set[_Key] = set()
        self._last_faults: dict[tuple[str, str], Fault | None] = {}
        self._dirty_faults: set[tuple[str, str]] = set()
        self._timer: threading.Timer | None = None
        self._probations: dict[tuple[str, str, str], float] = {}
        self._offline_until = 0.0
        self._success_at = 0.0
        self._closed = False
        self._load()

    # ------------------------------------------------------------------ learning

    def observe(
        self,
        source_id: str,
        object_class: str,
        *,
        network: str,
        bytes: int = 0,  # noqa: A002 - the word of the contract
        seconds: float = 0.0,
        rtt: float | None = None,
        fault: Fault | None = None,
        retry_after: float | None = None,
        now: float | None = None,
    ) -> None:
        """Add one request that ended. `seconds` from the request to its last byte."""
        moment = self._clock() if now is None else now
        seen = Observation(bytes, seconds, rtt, fault, retry_after)
        with self._guard:
            if fault in _REACH and self._is_us(source_id, network, moment):
                return
            if fault in FAILURES or (fault is None and bytes):
                self._note((network, source_id), fault)
            record_class = scope(fault, object_class)
            self._learn((network, source_id, record_class), seen, moment)
            if fault is None:
                self._success_at = moment
                self._absolve((network, source_id, EVERYTHING), moment)
            self._probations.pop((network, source_id, record_class), None)
        self._schedule()

    def _note(self, source: tuple[str, str], fault: Fault | None) -> None:
        if self._last_faults.get(source) is not fault:
            self._last_faults[source] = fault
            self._dirty_faults.add(source)

    def _is_us(self, source_id: str, network: str, now: float) -> bool:
        if now - self._success_at < _LATELY:
            return False
        if source_id == "origin":
            self._offline_until = now + _OFFLINE
            for (source, name), record in self._networks.get(network, {}).items():
                lately = name == EVERYTHING and now - record.updated < _OFFLINE
                if lately and record.pauses == 1 and source != "origin":
                    self._keep((network, source, name), replace(record, paused_until=0.0, pauses=0))
            return False
        return now < self._offline_until

    def _learn(self, key: _Key, seen: Observation, now: float) -> None:
        whole = key[2] == EVERYTHING
        self._keep(key, learn(self._get(key), seen, now, whole=whole))

    def _absolve(self, key: _Key, now: float) -> None:
        record = self._get(key)
        if record.pauses or record.row:
            self._keep(key, learn(record, Observation(), now, whole=True))

    def _get(self, key: _Key) -> Record:
        network, *name = key
        return self._networks.get(network, {}).get((name[0], name[1]), NOTHING)

    def _keep(self, key: _Key, record: Record) -> None:
        network, source_id, object_class = key
        self._networks.setdefault(network, {})[source_id, object_class] = record
        self._dirty.add(key)

    def pause(self, source_id: str, object_class: str, *, network: str, until: float) -> None:
        """Leave a source alone for an object class (`EVERYTHING`: for all) until an epoch."""
        with self._guard:
            key = (network, source_id, object_class)
            record = self._get(key)
            self._keep(
                key,
                replace(record, paused_until=until, pauses=max(record.pauses, 1)),
            )
        self._schedule()

    # ------------------------------------------------------------------ asking

    def snapshot(self, network: str) -> Records:
        """Return every record of a network, as it is at this moment."""
        with self._guard:
            return dict(self._networks.get(network, {}))

    def last_fault(self, source_id: str, network: str) -> Fault | None:
        """Return what a source did wrong since its last success; None: nothing that was noted."""
        with self._guard:
            return self._last_faults.get((network, source_id))

    def take_probation(self, source_id: str, object_class: str, network: str, now: float) -> bool:
        """Take the one try of a source on probation; False when somebody else has it."""
        with self._guard:
            keys = self._probation_keys(source_id, object_class, network, now)
            if any(self._probations.get(key, 0.0) > now for key in keys):
                return False
            for key in keys:
                self._probations[key] = now + _PROBATION
            return True

    def _probation_keys(
        self, source_id: str, object_class: str, network: str, now: float
    ) -> list[_Key]:
        keys = [(network, source_id, name) for name in (object_class, EVERYTHING)]
        return [key for key in keys if on_probation(self._get(key), now)]

    # ------------------------------------------------------------------ the file

    def _schedule(self) -> None:
        with self._guard:
            if self._timer is not None or self._closed or self._path is None:
                return
            self._timer = threading.Timer(_BEHIND, self._write_behind)
            self._timer.daemon = True
            self._timer.name = "statistics"
            self._timer.start()

    def _write_behind(self) -> None:
        with self._guard:
            self._timer = None
        self.flush()

    def flush(self) -> None:
        """Write what is not written yet. Never raises; what cannot be written stays for later."""
        if self._path is None:
            return
        with self._writing:
            with self._guard:
                rows = [(*key, *astuple(self._get(key))) for key in self._dirty]
                faults = [(*key, self._last_faults[key]) for key in self._dirty_faults]
                self._dirty.clear()
                self._dirty_faults.clear()
            if not rows and not faults:
                return
            try:
                self._write(rows, faults)
            except (sqlite3.Error, OSError) as error:
                _log.warning("statistics cannot be written to %s: %s", self._path, error)
                with self._guard:
                    self._dirty.update((row[0], row[1], row[2]) for row in rows)
                    self._dirty_faults.update((row[0], row[1]) for row in faults)

    def _write(
        self,
        rows: Sequence[tuple[object, ...]],
        faults: Sequence[tuple[str, str, Fault | None]],
    ) -> None:
        marks = ", ".join("?" * (3 + len(_COLUMNS)))
        with contextlib.closing(self._connect()) as base, base:
            base.executemany(f"INSERT OR REPLACE INTO record VALUES ({marks})", rows)  # noqa: S608 - question marks only
            # A table of its own, which older versions pass over and need not find.
            base.execute(_FAULTS)
            base.executemany("INSERT OR REPLACE INTO last_fault VALUES (?, ?, ?)", faults)

    def _connect(self) -> sqlite3.Connection:
        """Open the file. Each use opens anew: idle, there is nothing in memory for it."""
        if self._path is None:
            raise sqlite3.OperationalError("no file")
        make_folder(self._path.parent)
        base = sqlite3.connect(self._path, timeout=5.0)
        try:
            if base.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                _create(base)
            # Losing the last seconds in a power failure is fine; waiting for the disk is not.
            base.execute("PRAGMA synchronous = OFF")
        except BaseException:
            base.close()
            raise
        return base

    def _load(self) -> None:
        if self._path is None or not self._path.exists():
            return
        try:
            with contextlib.closing(self._connect()) as base, base:
                now = self._clock()
                base.execute("DELETE FROM record WHERE updated < ?", (now - _FORGOTTEN,))
                for row in base.execute("SELECT * FROM record"):
                    records = self._networks.setdefault(row[0], {})
                    records[row[1], row[2]] = restored(Record(*row[3:]), now)
                base.execute(_FAULTS)
                base.execute(
                    "DELETE FROM last_fault WHERE network NOT IN (SELECT network FROM record)"
                )
                for network, source_id, word in base.execute("SELECT * FROM last_fault"):
                    if word in _WORDS:
                        self._last_faults[network, source_id] = Fault(word)
        except (sqlite3.DatabaseError, OSError, TypeError) as error:
            _log.warning(
                "statistics at %s are put aside, they cannot be read: %s", self._path, error
            )
            self._networks.clear()
            with contextlib.suppress(OSError):
                self._path.replace(self._path.with_suffix(".damaged"))

    def close(self) -> None:
        """Write the rest."""
        with self._guard:
            self._closed = True
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self.flush()


def _create(base: sqlite3.Connection) -> None:
    """Make the table; of two processes that begin at a time one does, the other waits."""
    columns = ", ".join(("network", "source", "class", *_COLUMNS))
    with base:
        base.execute("BEGIN IMMEDIATE")
        if base.execute("PRAGMA user_version").fetchone()[0] == _VERSION:
            return
        base.execute("DROP TABLE IF EXISTS record")
        key = "PRIMARY KEY (network, source, class)"
        base.execute(f"CREATE TABLE record ({columns}, {key}) WITHOUT ROWID")
        base.execute(f"PRAGMA user_version = {_VERSION}")
