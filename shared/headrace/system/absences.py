"""Which mirror lacks which collection, kept for the next process: one small JSON file.

What cannot be read or written is worth an error to nobody: it costs one more refusal each.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from headrace.foreign import UnreadableError, foreign, read_json
from headrace.policy.absent_collections import Absence, AbsenceReason
from headrace.system import atomic
from headrace.system.folders import make as make_folder

__all__ = ["AbsenceFile"]

_log = logging.getLogger("headrace.absences")

#: Bytes of the file, and rows of it, that are read.
_LONGEST, _MOST = 1 << 20, 1024


class AbsenceFile:
    """The file. Several processes may use it: the last one that learnt something wins."""

    def __init__(self, path: Path | None) -> None:
        """Touch nothing; `path` None: remember nothing after this process."""
        self._path = path
        # One thread, so that of two states the later one is written later.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="absences")

    def load(self) -> Sequence[Absence]:
        """Return what it has."""
        try:
            if self._path is None or not self._path.exists():
                return ()
            with self._path.open("rb") as file:
                return _rows(file.read(_LONGEST))
        except (OSError, UnreadableError) as error:
            _log.warning("%s is begun anew, it cannot be read: %s", self._path, error)
            return ()

    def keep(self, rows: Sequence[Absence]) -> None:
        """Write them down, soon, in place of what was there."""
        if self._path is not None:
            with contextlib.suppress(RuntimeError):  # closed
                self._writer.submit(self._write, tuple(rows))

    def _write(self, rows: Sequence[Absence]) -> None:
        assert self._path is not None
        try:
            make_folder(self._path.parent)
            body = json.dumps({"absent": [asdict(row) for row in rows]}).encode()
            atomic.replace(self._path, body, mode=0o600)
        except OSError as error:
            _log.warning("%s cannot be written: %s", self._path, error)

    def close(self) -> None:
        """Write the rest."""
        self._writer.shutdown(wait=True)


@foreign("what mirrors lack")
def _rows(body: bytes) -> list[Absence]:
    table: Any = read_json(body)
    return [
        Absence(
            str(row["source"]),
            str(row["collection"]),
            AbsenceReason(row["reason"]),
            float(row["since"]),
            float(row["until"]),
            int(row["times"]),
            None if row["above"] is None else int(row["above"]),
        )
        for row in table["absent"][:_MOST]
    ]
