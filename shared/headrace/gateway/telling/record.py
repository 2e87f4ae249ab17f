"""Puts what happens into words that last: which file came for whom, from where, and why not else.

Takes the events of transfers, as every observer does, and the files that the store had. Who asked
is known by the context in which a download was begun.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from headrace.models import Artifact, Fault, Mirror, SourceFailed, TransferFinished
from headrace.policy.lru import LRUCache
from headrace.policy.source_conditions import DOES, SourceCondition, SourceReport
from headrace.redact import for_display
from headrace.system.download_record import DownloadRecord

__all__ = ["ASKER", "Recording", "asker_of"]

#: Who asked for what is done in this context.
ASKER: ContextVar[str] = ContextVar("headrace_asker", default="")
_AGENT = re.compile(r"[A-Za-z0-9._-]{1,40}")
#: Files of which failures are remembered until they have come, and failures of each.
_UNDER_WAY = 256
_MOST_FAILURES = 20
#: Characters of each name of an entry that would be too long else.
_LONGEST_NAME = 300
#: Bytes from which on it is said why others gave nothing.
_LARGE = 1 << 20
#: Seconds in which a file that the store gives in parts is one.
_AGAIN = 30.0


def asker_of(headers: Mapping[str, str]) -> str:
    """Return the name of the program that asks, as its User-Agent begins; "" where it has none."""
    found = _AGENT.match(headers.get("user-agent", ""))
    return found[0].lower() if found else ""


class Recording:
    """Writes the record."""

    def __init__(
        self,
        record: DownloadRecord,
        mirrors: Callable[[str], tuple[Mirror, ...]],
        standing: Callable[[str], SourceReport],
        has: Callable[[Artifact, Mirror], bool],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`mirrors` gives those in use for an ecosystem, `standing` how one stands, `has` whether
        one may be asked for a file.
        """
        self._record = record
        self._mirrors, self._standing, self._has = mirrors, standing, has
        self._clock = clock
        self._failed = LRUCache[str, list[dict[str, str]]](_UNDER_WAY)
        self._given = LRUCache[tuple[str, str], float](_UNDER_WAY)

    def observe(self, event: SourceFailed | TransferFinished) -> None:
        """Take an event of a transfer."""
        path = event.artifact.path
        if isinstance(event, SourceFailed):
            failures = self._failed.get(path) or []
            if len(failures) < _MOST_FAILURES:
                failures.append(
                    {
                        "source": event.source,
                        "fault": event.fault.value,
                        "detail": for_display(event.detail)[:300],
                    }
                )
                self._failed.put(path, failures)
            return
        failures = self._failed.get(path) or []
        self._failed.put(path, [])
        given = {source: count for source, count in event.bytes_by_source.items() if count}
        out = set(given) | {each["source"] for each in failures}
        self._add(
            event.artifact,
            "came",
            size=event.size,
            seconds=round(event.seconds, 3),
            sources=given,
            failed=failures,
            left=dict(self._left(event.artifact, out)) if event.size >= _LARGE else {},
        )

    def stored(self, artifact: Artifact, size: int) -> None:
        """Take a file that the store had, or a part of it."""
        asked = (artifact.path, ASKER.get())
        now = self._clock()
        if now - (self._given.get(asked) or 0.0) < _AGAIN:
            return
        self._given.put(asked, now)
        self._add(artifact, "was here", size=artifact.size or size)

    def incident(self, what: str) -> None:
        """Take what a person should see."""
        self._record.add({"at": self._clock(), "kind": "incident", "what": what[:1000]})

    def close(self) -> None:
        """Write the rest."""
        self._record.close()

    def _add(self, artifact: Artifact, kind: str, **more: Any) -> None:
        entry: dict[str, Any] = {
            "at": round(self._clock(), 3),
            "kind": kind,
            "tool": ASKER.get(),
            "ecosystem": artifact.ecosystem,
            "name": artifact.name,
            "path": artifact.path,
            "origin": for_display(artifact.origin.url),
            "private": artifact.origin.private,
            "digest": str(artifact.digest) if artifact.digest else None,
        }
        if not self._record.add(entry | more):
            self._record.add(_shorter(entry | more))

    def _left(self, artifact: Artifact, out: set[str]) -> Iterator[tuple[str, str]]:
        """Say why each mirror gave nothing that neither gave nor failed."""
        for mirror in self._mirrors(artifact.ecosystem):
            if mirror.id in out:
                continue
            if artifact.origin.private:
                yield mirror.id, "is not asked for the names of a private origin"
            elif not self._has(artifact, mirror):
                yield mirror.id, "keeps other things than this file"
            else:
                yield mirror.id, _why(self._standing(mirror.id))


def _shorter(entry: dict[str, Any]) -> dict[str, Any]:
    """Leave out what somebody else makes long: a mirror's words must not hide that it failed."""
    failed = [{**each, "detail": ""} for each in entry.get("failed", ())]
    names = {key: entry[key][:_LONGEST_NAME] for key in ("name", "path", "origin")}
    return {**entry, **names, "failed": failed, "left": {}}


def _why(report: SourceReport) -> str:
    if report.paused_for >= 1:
        what = report.why or DOES[Fault.SILENT]
        return f"was left alone for {report.paused_for:.0f} s more: it {what}"
    if report.state is SourceCondition.NOT_ASKED:
        return "was not needed, and was never measured here"
    if report.state in (SourceCondition.SILENT, SourceCondition.FAILS):
        return f"failed before: it {report.why or 'gave nothing'}"
    return "was not needed: others gave it sooner"
