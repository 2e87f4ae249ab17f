"""How the files of an image come, as the gateway tells it: a sum that grows by digest, and the one
line in a terminal.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
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
#: As the gateway calls who gave what an earlier download left on the disk.
_EARLIER = ""


class Coming:
    """Adds up what comes of some files, from one answer of ``/status`` to the next. A gateway that
    begins anew knows nothing of what was before, so what was seen once counts on.
    """

    def __init__(self, sizes: Mapping[str, int], before: Any) -> None:
        """`sizes` in bytes by digest; `before` is an answer from before anything was asked."""
        self.sizes = sizes
        self._old = {(each.get("digest"), each.get("at")) for each in _recent(before)}
        self._process: Any = None
        """The gateway's, which counts from nothing in another one."""
        self._given: dict[str, Mapping[str, int]] = {}
        """Bytes by source of what is under way, by digest."""
        self._lost: dict[str, Counter[str]] = {}
        """Those of it that proved wrong."""
        self._banked: Counter[str] = Counter()
        """Bytes by source that nobody tells of any more, and those of files that are done."""
        self._here: dict[str, int] = {}
        """Bytes by digest."""
        self._lock = threading.Lock()

    def take(self, status: Any) -> ImageCame:
        """Take an answer into the sum, and return it."""
        with self._lock:
            process = status.get("pid") if isinstance(status, Mapping) else None
            if process not in (None, self._process):
                for digest in tuple(self._given):
                    self._bank(digest)
                self._process = process
            for each in _recent(status):
                which = each.get("digest"), each.get("at")
                digest = str(each.get("digest"))
                if which in self._old or not self._take(digest, each.get("size")):
                    continue
                # What was told of it while it was under way is in there.
                self._old.add(which)
                self._lost.pop(digest, None)
                self._given[digest] = _numbers(each.get("bytes_by_source"))
                self._bank(digest)
            for each in _files(status, "under_way"):
                digest = str(each.get("name", "")).rpartition("@")[2]
                if not self._take(digest, each.get("here")):
                    continue
                given = _numbers(each.get("given"))
                before = self._given.get(digest, {})
                if given.get(_EARLIER, 0) != before.get(_EARLIER, 0):
                    self._bank(digest)  # another task goes on from what lies on the disk
                else:
                    # What proved wrong is told no more, and came all the same.
                    lost = {s: max(0, n - given.get(s, 0)) for s, n in before.items()}
                    self._lost.setdefault(digest, Counter()).update(lost)
                self._given[digest] = given
            return self._sum()

    def _take(self, digest: str, here: Any) -> bool:
        """Take what is here of a file; False: it is none of these."""
        whole = self.sizes.get(digest)
        if whole is None or not isinstance(here, int):
            return False
        self._here[digest] = max(self._here.get(digest, 0), min(here, whole))
        return True

    def _bank(self, digest: str) -> None:
        self._banked.update(self._given.pop(digest, {}))
        self._banked.update(self._lost.pop(digest, {}))

    def _sum(self) -> ImageCame:
        by_source = Counter(self._banked)
        for given in (*self._given.values(), *self._lost.values()):
            by_source.update(given)
        told = {source: n for source, n in by_source.items() if n and source != _EARLIER}
        return ImageCame(sum(self._here.values()), told, bool(self._here))


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


def _numbers(told: Any) -> dict[str, int]:
    table = told if isinstance(told, Mapping) else {}
    return {str(source): n for source, n in table.items() if isinstance(n, int) and n > 0}


def _recent(status: Any) -> list[Mapping[str, Any]]:
    return _files(status.get("transfers") if isinstance(status, Mapping) else None, "recent")


def _files(table: Any, key: str) -> list[Mapping[str, Any]]:
    told = table.get(key) if isinstance(table, Mapping) else None
    return [each for each in (told if isinstance(told, list) else ()) if isinstance(each, Mapping)]
