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
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from headrace.foreign import read_json_or_none
from headrace.models import Fault, SourceFailed, TransferFinished
from headrace.system import atomic
from headrace.system.folders import make as make_folder
from headrace.values import dataclass

__all__ = ["HELD", "WINDOWS", "Comparison", "Happening", "HappeningKind", "History"]

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
_ORIGIN = "origin"
#: Bytes of a file that tell what a source can give; smaller ones tell how far it is.
_TELLING = 1 << 20
#: From, to (epochs), and bytes by source.
_Span = tuple[float, float, tuple[tuple[str, int], ...]]


class HappeningKind(StrEnum):
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
    kind: HappeningKind
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

    @property
    def began(self) -> float:
        """Epoch."""
        return self.at - max(self.seconds, _INSTANT)

    @property
    def origins(self) -> int:
        """Bytes that the origin gave."""
        return dict(self.given).get(_ORIGIN, 0)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Files that mirrors had a part in, against the origin alone."""

    files: int
    bytes: int
    took: float
    """Seconds; those in which several came count once."""
    rate: float
    """Bytes per second that the origin gave at most, all files together."""
    by_itself: bool
    """It gave so much when nobody else gave anything: then it is what it can. Else it shared the
    line with others, and may be able to give more."""


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

    def finished(self, event: TransferFinished) -> None:
        """A file is whole."""
        given = tuple((source, count) for source, count in event.bytes_by_source.items() if count)
        self._add(
            HappeningKind.FINISHED,
            event.artifact.name,
            ecosystem=event.artifact.ecosystem,
            size=event.size,
            seconds=event.seconds,
            given=given,
        )
        self._count(dict(given))

    def failed(self, event: SourceFailed) -> None:
        """A source failed, and the download goes on without it."""
        kind = HappeningKind.REFUSAL if event.fault in _REFUSED else HappeningKind.TAKEOVER
        self._add(
            kind,
            event.artifact.name,
            ecosystem=event.artifact.ecosystem,
            source=event.source,
            fault=event.fault.value,
        )

    def incident(self, what: str) -> None:
        """Something that a person should see."""
        self._add(HappeningKind.INCIDENT, what)

    def part(self, source: str, size: int) -> None:
        """A source gave bytes that belong to no finished file."""
        self._count({source: size})

    def _add(
        self,
        kind: HappeningKind,
        what: str,
        *,
        ecosystem: str = "",
        source: str = "",
        fault: str = "",
        size: int = 0,
        seconds: float = 0.0,
        given: tuple[tuple[str, int], ...] = (),
    ) -> None:
        self.newest += 1
        self._events.append(
            Happening(
                self.newest,
                self._clock(),
                kind,
                what[:_LONGEST],
                ecosystem,
                source,
                fault,
                size,
                seconds,
                given,
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

    def columns(self, window: str, under_way: Sequence[_Span] = ()) -> list[dict[str, int]]:
        """Return the bytes by source in each column of a window (`WINDOWS`), the oldest first.

        The last minute is told from the events, and from what is `under_way`: a file's bytes are
        spread over the time that it took. The others count a file where it ended.
        """
        self._load()
        seconds, number = WINDOWS[window]
        now = self._clock()
        width = seconds / number
        found: list[dict[str, float]] = [{} for _ in range(number)]
        for start, end, given in (*self._spans(window, now - seconds), *under_way):
            for index, share in _shares(start - now + seconds, end - now + seconds, width, number):
                for source, count in given:
                    found[index][source] = found[index].get(source, 0.0) + count * share
        return [{source: round(count) for source, count in each.items()} for each in found]

    def _spans(self, window: str, since: float) -> Iterator[_Span]:
        if window == "minute":
            for event in reversed(self._events):
                if event.at < since:
                    return
                if event.given:
                    yield event.began, event.at, event.given
            return
        index = 0 if window == "hour" else 1
        step, _ = _STEPS[index]
        for number, counter in self._sums[index].items():
            if since < (number + 1) * step and number * step <= self._clock():
                end = min((number + 1) * step, self._clock())
                yield number * step, end, tuple(counter.items())

    def saved(self) -> list[Comparison]:
        """Compare what was fetched with what the origin alone would have taken, by ecosystem."""
        by_ecosystem: dict[str, list[Happening]] = {}
        for each in self._events:
            if each.kind is HappeningKind.FINISHED and each.size >= _TELLING:
                by_ecosystem.setdefault(each.ecosystem, []).append(each)
        found = (_compared(files) for files in by_ecosystem.values())
        return [each for each in found if each is not None]

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


def _compared(files: Sequence[Happening]) -> Comparison | None:
    """Compare an ecosystem's files, in the order in which they ended; None where the origin gave
    nothing that tells, or everything.
    """
    helped = [each for each in files if each.origins < sum(count for _, count in each.given)]
    whole = [each for each in helped if sum(count for _, count in each.given) >= each.size]
    alone = [each for each in files if each.given and each.origins >= each.size]
    rate = max((each.size / (each.at - each.began) for each in alone), default=0.0)
    reference = rate or _most_at_once(files)
    if not whole or not reference:
        return None
    took, until = 0.0, 0.0
    for start, end in sorted((each.began, each.at) for each in whole):
        took += max(0.0, end - max(start, until))
        until = max(until, end)
    size = sum(each.size for each in whole)
    return Comparison(len(whole), size, took, reference, by_itself=bool(rate))


def _most_at_once(files: Sequence[Happening]) -> float:
    """Return the most bytes per second that the origin gave to several files together."""
    steps: list[tuple[float, float]] = []
    for each in files:
        share = each.origins / (each.at - each.began)
        steps += [(each.began, share), (each.at, -share)]
    most = now = 0.0
    # Of two at one moment the one that ends comes first.
    for _, step in sorted(steps):
        now += step
        most = max(most, now)
    return most
