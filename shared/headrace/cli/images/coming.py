"""How the files of an image come, as the gateway tells it: a sum that grows by digest, and the one
line in a terminal.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from headrace.cli.context import Context
from headrace.interface.images import ImageCame
from headrace.wording import counted

if TYPE_CHECKING:
    from headrace.cli.explaining.at_hand import AtHand

__all__ = ["Coming", "watching"]

#: Seconds between two looks, and for an answer.
_EVERY, _PATIENCE = 1.0, 2.0


class Coming:
    """Adds up what comes of some files, from one answer of ``/status`` to the next. A gateway that
    begins anew knows nothing of what was before, so what was seen once counts on.
    """

    def __init__(self, sizes: Mapping[str, int], before: Any) -> None:
        """`sizes` in bytes by digest; `before` is an answer from before anything was asked."""
        self.sizes = sizes
        self._old = {(each.get("digest"), each.get("at")) for each in _recent(before)}
        self._given: dict[str, Mapping[str, int]] = {}
        """Bytes by source, by digest."""
        self._here: dict[str, int] = {}
        """Bytes by digest."""
        self._lock = threading.Lock()

    def take(self, status: Any) -> ImageCame:
        """Take an answer into the sum, and return it."""
        with self._lock:
            for each in _files(status, "under_way"):
                self._take(str(each.get("name", "")).rpartition("@")[2], each, "here", "given")
            for each in _recent(status):
                if (each.get("digest"), each.get("at")) not in self._old:
                    self._take(str(each.get("digest")), each, "size", "bytes_by_source")
            return self._sum()

    def _take(self, digest: str, told: Mapping[str, Any], size: str, given: str) -> None:
        whole = self.sizes.get(digest)
        here = told.get(size)
        if whole is None or not isinstance(here, int):
            return
        self._here[digest] = max(self._here.get(digest, 0), min(here, whole))
        by_source = told.get(given)
        if isinstance(by_source, Mapping) and by_source:
            self._given[digest] = {str(source): int(n) for source, n in by_source.items()}

    def _sum(self) -> ImageCame:
        by_source: dict[str, int] = {}
        for given in self._given.values():
            for source, number in given.items():
                by_source[source] = by_source.get(source, 0) + number
        return ImageCame(sum(self._here.values()), by_source, bool(self._here))


@contextmanager
def watching(
    context: Context, there: AtHand, sizes: Mapping[str, int]
) -> Iterator[Callable[[], ImageCame]]:
    """Watch them come, and show it where somebody sits at a terminal; give what looks once."""
    from headrace.system.service import health  # noqa: PLC0415 - start-up time

    def ask() -> Any:
        if there.address is None:
            return None
        return health.ask(there.address, there.expected, "/status", _PATIENCE)

    coming = Coming(sizes, ask())
    done = threading.Event()
    thread = threading.Thread(
        target=_watch, args=(context, coming, ask, done), name="coming", daemon=True
    )
    thread.start()
    try:
        yield lambda: coming.take(ask())
    finally:
        done.set()
        thread.join()


def _watch(context: Context, coming: Coming, ask: Callable[[], Any], done: threading.Event) -> None:
    """Look every second: what the gateway remembers of files that are done is bounded."""
    from headrace.cli.language.spoken import translated  # noqa: PLC0415 - start-up time
    from headrace.cli.runs.bottom_row import BottomRow  # noqa: PLC0415 - as above
    from headrace.cli.runs.progress import sentence, wanted  # noqa: PLC0415 - as above

    row = None
    if not context.as_json and wanted(context.env):
        row = BottomRow(sys.stderr.fileno())
    before: tuple[float, float] | None = None
    try:
        while not done.wait(_EVERY):
            came, now = coming.take(ask()), time.monotonic()
            rate = (came.bytes - before[0]) / (now - before[1]) if before else 0.0
            before = came.bytes, now
            if row is not None and came.seen:
                row.show(translated(sentence(_as_status(coming, came), rate)))
    finally:
        if row is not None:
            row.end()


def _as_status(coming: Coming, came: ImageCame) -> dict[str, Any]:
    """Return the sum in the shape in which `progress.sentence` is told of one file."""
    whole = sum(coming.sizes.values())
    files = counted(len(coming.sizes), "file")
    file = {"name": files, "here": came.bytes, "size": whole, "given": came.by_source}
    return {"under_way": [file] if came.bytes < whole else []}


def _recent(status: Any) -> list[Mapping[str, Any]]:
    return _files(status.get("transfers") if isinstance(status, Mapping) else None, "recent")


def _files(table: Any, key: str) -> list[Mapping[str, Any]]:
    told = table.get(key) if isinstance(table, Mapping) else None
    return [each for each in (told if isinstance(told, list) else ()) if isinstance(each, Mapping)]
