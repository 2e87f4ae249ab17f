"""What the gateway did since it began, for people (`status`) and for machines (`metrics`).

Counters and a short list of recent transfers; everything here is bounded and none of it is needed
to serve a request.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from headrace.gateway.builds.served import BuildsServed
from headrace.gateway.live.history import History
from headrace.models import SourceFailed, TransferFinished
from headrace.redact import for_display
from headrace.values import dataclass
from headrace.wording import counted

__all__ = ["Activity", "Finished", "Saving"]

#: Transfers and incidents that are remembered one by one.
RECENT = 50
#: Different words or sources that a counter holds; more are counted as ``other``.
WORDS = 500


@dataclass(frozen=True, slots=True)
class Saving:
    """What a transfer saved against the best single source, and how that is known."""

    seconds: float
    against: str
    estimate: str


@dataclass(frozen=True, slots=True)
class Finished:
    """A transfer that ended well."""

    event: TransferFinished
    at: float
    saving: Saving | None


def saving(event: TransferFinished, rates: Mapping[str, float]) -> Saving | None:
    """Say how many seconds were saved; None where that was not measured.

    `rates` are bytes per second that each source gave to whole transfers before this one. Only
    where several sources gave this file, all of it, and each had been measured by itself, there is
    something to compare with: the best that was measured, whether it took part or not.
    """
    given = {source for source, count in event.bytes_by_source.items() if count > 0}
    whole = sum(event.bytes_by_source.values()) >= event.size > 0
    if event.from_store or event.seconds <= 0 or len(given) < 2 or not whole:
        return None
    if not all(rates.get(source) for source in given):
        return None
    best = max(rates, key=lambda source: rates[source])
    alone = event.size / rates[best]
    return Saving(
        max(0.0, alone - event.seconds),
        best,
        f"{counted(event.size, 'byte')} from {best} alone, at its measured rate",
    )


@dataclass(slots=True)
class Activity:
    """Counts, and remembers the last of everything."""

    rates: Callable[[TransferFinished], Mapping[str, float]] = lambda _: {}
    clock: Callable[[], float] = time.time
    began: float = 0.0
    documents: Counter[str] = field(default_factory=Counter)
    """By how they were served: fresh, current, stale, provisional, missing, redirected."""
    answers: Counter[str] = field(default_factory=Counter)
    """By ecosystem and status."""
    bytes_by_source: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    """By ``source:fault``; each was survived or ended at the origin."""
    transfers: int = 0
    from_store: int = 0
    bytes_served: int = 0
    saved: float = 0.0
    recent: deque[Finished] = field(default_factory=lambda: deque(maxlen=RECENT))
    incidents: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=RECENT))
    """Internal errors and mirrors that lost a right: when, what, reference."""
    history: History = field(default_factory=History)
    """All of it again event by event, for the live page."""
    builds: BuildsServed = field(init=False)

    def __post_init__(self) -> None:
        """Start the clock."""
        self.began = self.began or self.clock()
        self.builds = BuildsServed(self.clock)

    def document(self, how: str) -> None:
        """Count a document."""
        _count(self.documents, how)

    def answered(self, ecosystem: str, status: int) -> None:
        """Count an answer."""
        _count(self.answers, f"{ecosystem}:{status}")

    def incident(self, what: str, reference: str = "") -> None:
        """Remember something that a person should see."""
        self.incidents.append({"at": self.clock(), "what": what, "reference": reference})
        self.history.incident(what)

    def stored(self, size: int) -> None:
        """Count a file that the store had."""
        self.from_store += 1
        self.bytes_served += size

    def part(self, size: int) -> None:
        """Count bytes that the origin gave of a file of which only parts were wanted."""
        self.bytes_served += size
        _count(self.bytes_by_source, "origin", size)
        self.history.part("origin", size)

    def observe(self, event: SourceFailed | TransferFinished) -> None:
        """Take an event of a transfer."""
        if isinstance(event, SourceFailed):
            _count(self.faults, f"{event.source}:{event.fault.value}")
            self.history.failed(event)
            return
        self.transfers += 1
        self.bytes_served += event.size
        for source, count in event.bytes_by_source.items():
            if count:
                _count(self.bytes_by_source, source, count)
        what = saving(event, self.rates(event))
        self.history.finished(event)
        self.saved += what.seconds if what else 0.0
        self.recent.append(Finished(event, self.clock(), what))

    def table(self) -> dict[str, Any]:
        """Return everything as plain values for JSON."""
        return {
            "uptime": round(self.clock() - self.began, 1),
            "documents": dict(self.documents),
            "answers": dict(self.answers),
            "transfers": {
                "finished": self.transfers,
                "from_store": self.from_store,
                "bytes": self.bytes_served,
                "bytes_by_source": dict(self.bytes_by_source),
                "saved_seconds": round(self.saved, 2),
                "recent": [_finished(each) for each in reversed(self.recent)],
            },
            "faults_survived": dict(self.faults),
            "incidents": list(reversed(self.incidents)),
            "builds_served": self.builds.table(),
        }


def _count(counter: Counter[str], word: str, number: int = 1) -> None:
    counter[word if word in counter or len(counter) < WORDS else "other"] += number


def _finished(each: Finished) -> dict[str, Any]:
    event = each.event
    table: dict[str, Any] = {
        "at": each.at,
        "name": event.artifact.name,
        "origin": for_display(event.artifact.origin.url),
        "digest": str(event.artifact.digest) if event.artifact.digest else None,
        "provisional": event.artifact.provisional,
        "size": event.size,
        "seconds": round(event.seconds, 3),
        "bytes_by_source": {source: n for source, n in event.bytes_by_source.items() if n},
        "faults": dict(event.faults),
        "from_store": event.from_store,
    }
    if each.saving:
        table["saved"] = {
            "seconds": round(each.saving.seconds, 3),
            "against": each.saving.against,
            "estimate": each.saving.estimate,
        }
    return table
