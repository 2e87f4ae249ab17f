"""Which files the store has, what they take, and when each was used: one small SQLite file.

It spares the store a look at every file when some have to go. A use is written to the file alone
(its time), so what stands here is never later than the truth: whoever takes the oldest looks at
that file, and puts it back in its right place where it was used since. So the order is exact, and
a file that is used costs nothing here.

A row is written before its file gets its name, and goes after its file, so a process that is killed
leaves a row too many and never one too few. What else happened to the folder (an older version,
a user's hand, a power failure) `reconcile` finds. Several processes may use it at a time. One that
is damaged is begun anew, and where the file system has no locks it is kept in memory: nothing here
is worth an error to anybody.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from headrace.models import Digest
from headrace.values import dataclass

__all__ = ["IndexedFile", "UsageIndex"]

_log = logging.getLogger("headrace.store")

_VERSION = 1
_TABLES = (
    "file (id INTEGER PRIMARY KEY, name BLOB UNIQUE NOT NULL, size INTEGER, used REAL)",
    "total (bytes INTEGER NOT NULL, reconciled REAL NOT NULL)",
)
#: What keeps the total right, whoever changes the files.
_TRIGGERS = {
    "INSERT": "bytes + new.size",
    "UPDATE OF size": "bytes + new.size - old.size",
    "DELETE": "bytes - old.size",
}
_ADD = (
    "INSERT INTO file (name, size, used) VALUES (?, ?, ?) ON CONFLICT (name)"
    " DO UPDATE SET size = excluded.size, used = max(used, excluded.used)"
)
_OLDEST = (
    "SELECT id, name, size, used FROM file WHERE (used, id) > (?, ?) ORDER BY used, id LIMIT ?"
)
#: Seconds within which a row without a file may be of one that is just getting its name.
_COMMITTING = 600.0
#: Seconds that a process waits for another one's write.
_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """What the index knows of a file: its bytes, and when it was used as far as it was told."""

    row: int
    digest: Digest
    size: int
    used: float


class UsageIndex:
    """Usable from any thread. No error of SQLite's leaves it; what it cannot say is nothing."""

    def __init__(self, path: Path) -> None:
        """`path` need not exist; it is opened when it is first needed."""
        self._path = path
        self._guard = threading.RLock()
        self._open: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._doubted = False

    def __del__(self) -> None:
        """Let the file go."""
        self.close()

    # ------------------------------------------------------------------ questions

    def total(self) -> int:
        """Return the bytes of all files."""
        with self._using() as base:
            return int(base.execute("SELECT bytes FROM total").fetchone()[0])
        return 0

    def total_before(self, used: float) -> int:
        """Return the bytes of files that were noted as used by then and not since; a use of the
        last days may not be noted yet, so this is the most that it can be.
        """
        with self._using() as base:
            asked = base.execute("SELECT total(size) FROM file WHERE used <= ?", (used,))
            return int(asked.fetchone()[0])
        return 0

    def reconciled(self) -> float:
        """Return when it was last held against the folder; 0.0: never, so it knows too little."""
        with self._using() as base:
            told = float(base.execute("SELECT reconciled FROM total").fetchone()[0])
            return 0.0 if self._doubted else told
        return 0.0

    def oldest(self, count: int, after: IndexedFile | None = None) -> list[IndexedFile]:
        """Return so many files, longest unused first; those behind `after`, or from the first."""
        start = (after.used, after.row) if after is not None else (float("-inf"), -1)
        with self._using() as base:
            return [
                IndexedFile(row, _digest(name), size, used)
                for row, name, size, used in base.execute(_OLDEST, (*start, count))
            ]
        return []

    # ------------------------------------------------------------------ changes

    def add(self, digest: Digest, size: int, used: float) -> None:
        """Note a file that is about to get its name."""
        with self._using() as base:
            base.execute(_ADD, (_name(digest), size, used))

    def discard(self, digest: Digest) -> None:
        """Forget a file."""
        with self._using() as base:
            base.execute("DELETE FROM file WHERE name = ?", (_name(digest),))

    def change(
        self, gone: Iterable[IndexedFile], younger: Iterable[tuple[IndexedFile, float]] = ()
    ) -> None:
        """Forget files that have gone, and note later uses of others; in one transaction.

        A file that somebody has put here again meanwhile stays.
        """
        with self._using() as base, _transaction(base):
            base.executemany(
                "DELETE FROM file WHERE id = ? AND used = ?", [(f.row, f.used) for f in gone]
            )
            base.executemany(
                "UPDATE file SET used = max(used, ?) WHERE id = ?",
                [(used, f.row) for f, used in younger],
            )

    # ------------------------------------------------------------------ the folder

    def reconcile(self, root: Path, now: float) -> None:
        """Hold it against the folder, one small folder of it after the other.

        Only files that it does not know are looked at. It takes long for a large store without
        an index: call it in a thread.
        """
        self._doubted = False
        for algorithm in self._algorithms(root):
            for number in range(256):
                self._reconcile_shard(root, algorithm, number, now)
        with self._using() as base, _transaction(base):
            base.execute(
                "UPDATE total SET reconciled = ?,"
                " bytes = (SELECT coalesce(sum(size), 0) FROM file)",
                (now,),
            )

    def _algorithms(self, root: Path) -> list[str]:
        found = set(_names(root)) - {"partial"}
        with self._using() as base:
            question = "SELECT DISTINCT substr(name, 1, instr(name, x'3a') - 1) FROM file"
            found.update(bytes(row[0]).decode() for row in base.execute(question))
        return sorted(found)

    def _reconcile_shard(self, root: Path, algorithm: str, number: int, now: float) -> None:
        first = algorithm.encode() + b":" + bytes((number,))
        after = first[:-1] + bytes((number + 1,)) if number < 255 else algorithm.encode() + b";"
        known: dict[str, float] = {}
        with self._using() as base:
            question = "SELECT name, used FROM file WHERE name >= ? AND name < ?"
            known = {_hex(name): used for name, used in base.execute(question, (first, after))}
        folder = root / algorithm / f"{number:02x}"
        here = _names(folder)
        unknown = list(_look_at(folder, algorithm, here - known.keys()))
        gone = [
            (_name(Digest(algorithm, value)), used)
            for value, used in known.items()
            if value not in here and used < now - _COMMITTING
        ]
        if not unknown and not gone:
            return
        with self._using() as base, _transaction(base):
            base.executemany(_ADD, unknown)
            base.executemany("DELETE FROM file WHERE name = ? AND used = ?", gone)

    # ------------------------------------------------------------------ the file

    def close(self) -> None:
        """Let the file go; it is opened again when it is needed."""
        with self._guard:
            base, self._open = self._open, None
            if base is not None:
                with contextlib.suppress(sqlite3.Error):
                    base.close()

    def reopen_if_replaced(self) -> None:
        """Leave a file that its name leads to no more: a user may clear a cache."""
        with self._guard:
            if self._file is not None and self._file != _identity(self._path):
                self.close()

    @contextlib.contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        """Give the database, to one thread at a time; what SQLite raises ends here."""
        with self._guard:
            base = self._database()
            try:
                yield base
            except sqlite3.OperationalError as error:
                # The disk is full, or another process is slow: it may lack a file now.
                _log.info("the store's index could not be asked: %s", error)
                self._distrust()
            except (sqlite3.Error, ValueError) as error:
                self._begin_anew(error)

    def _database(self) -> sqlite3.Connection:
        if self._open is None:
            try:
                self._open = _connect(str(self._path))
            except sqlite3.OperationalError as error:
                _log.info("the store's index is kept in memory: %s: %s", self._path, error)
            except sqlite3.Error as error:
                self._begin_anew(error)
                with contextlib.suppress(sqlite3.Error):
                    self._open = _connect(str(self._path))
            if self._open is None:
                self._open = _connect(":memory:")
            self._file = _identity(self._path)
        return self._open

    def _distrust(self) -> None:
        self._doubted = True
        if self._open is not None:
            with contextlib.suppress(sqlite3.Error):
                self._open.execute("UPDATE total SET reconciled = 0")

    def _begin_anew(self, error: Exception) -> None:
        _log.warning("the store's index at %s is begun anew: %s", self._path, error)
        self.close()
        for suffix in ("", "-wal", "-shm", "-journal"):
            with contextlib.suppress(OSError):
                self._path.with_name(self._path.name + suffix).unlink()


def _connect(path: str) -> sqlite3.Connection:
    base = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        # Nobody waits for the disk: what a power failure takes is found by the next look.
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = OFF")
        if not _has_tables(base):
            base.execute("BEGIN IMMEDIATE")
            # Of two processes that begin at a time one does, the other waits.
            if not _has_tables(base):
                _create(base)
            base.execute("COMMIT")
    except BaseException:
        base.close()
        raise
    return base


def _has_tables(base: sqlite3.Connection) -> bool:
    return bool(base.execute("PRAGMA user_version").fetchone()[0] == _VERSION)


def _create(base: sqlite3.Connection) -> None:
    for table in _TABLES:
        base.execute(f"DROP TABLE IF EXISTS {table.partition(' ')[0]}")
        base.execute(f"CREATE TABLE {table}")
    base.execute("CREATE INDEX by_use ON file (used)")
    base.execute("INSERT INTO total VALUES (0, 0)")
    for number, (event, told) in enumerate(_TRIGGERS.items()):
        change = f"UPDATE total SET bytes = {told}"  # noqa: S608 - words of ours
        base.execute(f"CREATE TRIGGER count_{number} AFTER {event} ON file BEGIN {change}; END")
    base.execute(f"PRAGMA user_version = {_VERSION}")


@contextlib.contextmanager
def _transaction(base: sqlite3.Connection) -> Iterator[None]:
    base.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            base.execute("ROLLBACK")
        raise
    base.execute("COMMIT")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _name(digest: Digest) -> bytes:
    return digest.algorithm.encode() + b":" + bytes.fromhex(digest.value)


def _hex(name: bytes) -> str:
    return name.partition(b":")[2].hex()


def _digest(name: bytes) -> Digest:
    return Digest(name.partition(b":")[0].decode(), _hex(name))


def _names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))  # noqa: PTH208 - names alone, of many
    except OSError:
        return set()


def _look_at(
    folder: Path, algorithm: str, names: Iterable[str]
) -> Iterator[tuple[bytes, int, float]]:
    for name in names:
        # What has no digest's name is not of the store; what has gone meanwhile is of no use.
        with contextlib.suppress(ValueError, OSError):
            digest = Digest(algorithm, name)
            found = (folder / name).lstat()
            yield _name(digest), found.st_size, found.st_mtime
