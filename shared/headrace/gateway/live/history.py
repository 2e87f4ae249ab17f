"""What happened, event by event, and how many bytes each source gave: for the live page.

Filled where the gateway hears of events (`gateway.activity`), read when somebody looks. An event
costs an entry in a list of bounded length; nothing is written, told or reckoned before it is asked
for. The sums of a week outlive the worker, in a file that is written when it rests and ends.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from headrace.foreign import read_json_or_none
from headrace.models import Fault, SourceFailed, TransferFinished
from headrace.system import atomic
from headrace.system.folders import make as make_folder

__all__ = ["HELD", "WINDOWS", "Happening", "History", "Kind"]

_log = logging.getLogger("headrace.gateway")

HELD = 10_000
"""Events that are held."""
#: Windows of the sums in seconds, and in how many columns each is shown.
WINDOWS: Mapping[str, tuple[float, int]] = {
    "minute": (60.0, 30),
    "hour": (3600.0, 30),
    "week": (7 * 86_400.0, 28),
}
#: Seconds of one sum, and how many sums are held: an hour of minutes, a week of hours.
_STEPS = ((60.0, 60), (3600.0, 168))
#: Bytes of the file, sources in one sum, characters of a word: nobody else writes it, and it may
#: be damaged.
_LARGEST, _SOURCES, _LONGEST = 1 << 20, 100, 200
_MODE = 0o600
#: Seconds that a file takes at least.
_INSTANT = 1e-3


class Kind(StrEnum):
    """What an event is, for people."""

    FINISHED = "finished"
    TAKEOVER = "takeover"
    """A source failed, and another one went on."""
    REFUSAL = "refusal"
    """A source gave what is not taken from anybody."""
    INCIDENT = "incident"


#: What is refused, whatever else could be had there.
_REFUSED = frozenset(
    {Fault.WRONG_BYTES, Fault.NOT_THE_FILE, Fault.LED_ASTRAY, Fault.TLS, Fault.PROTOCOL}
)


@dataclass(frozen=True, slots=True)
class Happening:
    """One event."""

    number: int
    """Counted from 1 since the worker began."""
    at: float
    """Epoch."""
    kind: Kind
    what: str
    """The file's name; of an incident the sentence."""
    ecosystem: str = ""
    source: str = ""
    """Who failed."""
    fault: str = ""
    size: int = 0
    seconds: float = 0.0
    given: tuple[tuple[str, int], ...] = ()
    """Bytes by source."""
    alone: float | None = None
    """Seconds in which the origin alone would have given it, at the rate that was measured of it
    before; None: it was not measured."""


class History:
    """The events of this worker, and sums by minute and hour. For one thread, but `keep`."""

    def __init__(
        self,
        path: Path | None = None,
        *,
        clock: Callable[[], float] = time.time,
        held: int = HELD,
    ) -> None:
        """`path` is where the sums of hours are kept; None: nowhere."""
        self._path = path
        self._clock = clock
        self._events: deque[Happening] = deque(maxlen=held)
        self._sums: tuple[dict[int, Counter[str]], ...] = tuple({} for _ in _STEPS)
        self.newest = 0
        """Number of the newest event; 0: there is none."""
        self._kept = 0
        self._loaded = path is None

    def __len__(self) -> int:
        """Count the events that are held."""
        return len(self._events)

    # ------------------------------------------------------------------ hearing

    def finished(self, event: TransferFinished, alone: float | None) -> None:
        """A file is whole; `alone` as in `Happening`."""
        given = tuple((source, count) for source, count in event.bytes_by_source.items() if count)
        self._add(
            Kind.FINISHED,
            event.artifact.name,
            ecosystem=event.artifact.ecosystem,
            size=event.size,
            seconds=event.seconds,
            given=given,
            alone=alone,
        )
        self._count(dict(given))

    def failed(self, event: SourceFailed) -> None:
        """A source failed, and the download goes on without it."""
        kind = Kind.REFUSAL if event.fault in _REFUSED else Kind.TAKEOVER
        self._add(
            kind,
            event.artifact.name,
            ecosystem=event.artifact.ecosystem,
            source=event.source,
            fault=event.fault.value,
        )

    def incident(self, what: str) -> None:
        """Something that a person should see."""
        self._add(Kind.INCIDENT, what)

    def part(self, source: str, size: int) -> None:
        """A source gave bytes that belong to no finished file."""
        self._count({source: size})

    def _add(
        self,
        kind: Kind,
        what: str,
        *,
        ecosystem: str = "",
        source: str = "",
        fault: str = "",
        size: int = 0,
        seconds: float = 0.0,
        given: tuple[tuple[str, int], ...] = (),
        alone: float | None = None,
    ) -> None:
        self.newest += 1
        self._events.append(
            Happening(
                self.newest,
                self._clock(),
                kind,
                what,
                ecosystem,
                source,
                fault,
                size,
                seconds,
                given,
                alone,
            )
        )

    def _count(self, given: Mapping[str, int]) -> None:
        self._load()
        now = self._clock()
        for (step, held), sums in zip(_STEPS, self._sums, strict=True):
            number = int(now // step)
            if number not in sums:
                for old in [each for each in sums if each <= number - held]:
                    del sums[old]
            counter = sums.setdefault(number, Counter())
            for source, count in given.items():
                counter[source if source in counter or len(counter) < _SOURCES else "other"] += (
                    count
                )

    # ------------------------------------------------------------------ telling

    def after(self, number: int, most: int) -> list[Happening]:
        """Return the events after this one, the oldest first; of more than `most` the newest."""
        new = min(self.newest - number, most, len(self._events))
        return list(itertools.islice(reversed(self._events), new))[::-1] if new > 0 else []

    def before(self, number: int, most: int) -> list[Happening]:
        """Return the events before this one, the newest first."""
        skipped = max(0, self.newest - number + 1)
        return list(itertools.islice(reversed(self._events), skipped, skipped + most))

    def columns(self, window: str) -> list[dict[str, int]]:
        """Return the bytes by source in each column of a window (`WINDOWS`), the oldest first.

        The last minute is told from the events: a file's bytes are spread over the time that it
        took. The others count a file where it ended.
        """
        self._load()
        seconds, number = WINDOWS[window]
        now = self._clock()
        width = seconds / number
        found: list[dict[str, float]] = [{} for _ in range(number)]
        for start, end, given in self._spans(window, now - seconds):
            for index, share in _shares(start - now + seconds, end - now + seconds, width, number):
                for source, count in given:
                    found[index][source] = found[index].get(source, 0.0) + count * share
        return [{source: round(count) for source, count in each.items()} for each in found]

    def _spans(
        self, window: str, since: float
    ) -> Iterator[tuple[float, float, tuple[tuple[str, int], ...]]]:
        if window == "minute":
            for event in reversed(self._events):
                if event.at < since:
                    return
                if event.given:
                    yield event.at - event.seconds, event.at, event.given
            return
        index = 0 if window == "hour" else 1
        step, _ = _STEPS[index]
        for number, counter in self._sums[index].items():
            if since < (number + 1) * step and number * step <= self._clock():
                end = min((number + 1) * step, self._clock())
                yield number * step, end, tuple(counter.items())

    def saved(self) -> dict[str, float]:
        """Sum up what is known of the time: files of which the origin's own rate was known.

        Seconds that they took, and that the origin alone would have taken.
        """
        known = [each for each in self._events if each.alone is not None]
        return {
            "files": len(known),
            "of": sum(each.kind is Kind.FINISHED for each in self._events),
            "bytes": sum(each.size for each in known),
            "took": round(sum(each.seconds for each in known), 2),
            "alone": round(sum(each.alone or 0.0 for each in known), 2),
        }

    # ------------------------------------------------------------------ the file

    def keep(self) -> None:
        """Write the sums of a week if there is something new. Never raises."""
        if self._path is None or self._kept == self.newest or not self._loaded:
            return
        self._kept = self.newest
        table = {str(number): dict(counter) for number, counter in list(self._sums[1].items())}
        try:
            make_folder(self._path.parent)
            atomic.replace(self._path, json.dumps({"hours": table}).encode(), mode=_MODE)
        except OSError as error:
            _log.warning("the sums of a week cannot be written to %s: %s", self._path, error)

    def _load(self) -> None:
        if self._loaded or self._path is None:
            return
        self._loaded = True
        content = b""
        with contextlib.suppress(OSError), self._path.open("rb") as file:
            content = file.read(_LARGEST)
        table = read_json_or_none(content)
        hours = table.get("hours") if isinstance(table, dict) else None
        oldest = int(self._clock() // _STEPS[1][0]) - _STEPS[1][1]
        for number, given in (hours if isinstance(hours, dict) else {}).items():
            if not (number.isdecimal() and len(number) < 12 and isinstance(given, dict)):
                continue
            if int(number) > oldest:
                self._sums[1][int(number)] = Counter(
                    {
                        source[:_LONGEST]: count
                        for source, count in itertools.islice(given.items(), _SOURCES)
                        if isinstance(count, int) and 0 <= count < 1 << 60
                    }
                )


def _shares(start: float, end: float, width: float, number: int) -> Iterator[tuple[int, float]]:
    """Give the columns that a time touches, each with its share of that time."""
    length = max(end - start, _INSTANT)
    start = end - length
    for index in range(max(0, int(start // width)), min(number - 1, int(end // width)) + 1):
        share = min(end, (index + 1) * width) - max(start, index * width)
        if share > 0:
            yield index, share / length
