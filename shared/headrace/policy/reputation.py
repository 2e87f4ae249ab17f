"""What experience with a source is worth: decaying averages, and pauses that grow.

One `Record` for each (network, source, object class), and one for the source as a whole under the
class `EVERYTHING`: who refuses connections refuses them for every object. Pure; times are epochs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from headrace.models import Fault, Mirror, MirrorStats
from headrace.values import dataclass

__all__ = [
    "EVERYTHING",
    "NOTHING",
    "Observation",
    "Record",
    "Records",
    "learn",
    "on_probation",
    "rates",
    "restored",
    "scope",
    "standing",
]

#: The object class of what holds for a source as a whole.
EVERYTHING = ""

#: A measurement counts half after a day on the shelf.
HALF_LIFE = 24 * 3600.0
#: And what is measured now soon outweighs it: at most this many seconds of transfer are remembered.
_MEMORY = 20.0
#: Share of failed requests: each request moves it by a tenth, and it halves in ten idle minutes.
_FAILURE_STEP = 0.1
_FAILURE_HALF_LIFE = 600.0
_RTT_STEP = 0.3
#: Answers smaller than this tell of the round trip, not of the rate, unless they took long.
_TELLING_BYTES = 128 << 10
_TELLING_SECONDS = 1.0

_DAY = 24 * 3600.0
#: Fault -> (first pause in seconds, growth, longest pause, faults in a row before the first pause).
_PAUSES = {
    Fault.UNREACHABLE: (30.0, 4.0, _DAY, 1),
    Fault.REFUSED: (30.0, 4.0, _DAY, 1),
    Fault.TLS: (30.0, 4.0, _DAY, 1),
    Fault.SILENT: (30.0, 4.0, _DAY, 1),
    Fault.FORBIDDEN: (60.0, 4.0, _DAY, 1),
    Fault.RATE_LIMITED: (30.0, 2.0, _DAY, 1),
    Fault.SERVER_ERROR: (10.0, 2.0, 600.0, 1),
    Fault.CUT: (5.0, 2.0, 300.0, 2),
    Fault.STALLED: (5.0, 2.0, 300.0, 2),
    Fault.PROTOCOL: (30.0, 2.0, 3600.0, 1),
    Fault.NOT_THE_FILE: (600.0, 2.0, _DAY, 1),
    # A network that wants a login leads everybody to its own door: no reason for a long pause.
    Fault.LED_ASTRAY: (600.0, 2.0, _DAY, 1),
    Fault.WRONG_BYTES: (_DAY, 1.0, _DAY, 1),
}
#: These concern every object of the source; the others the object class alone.
_WHOLE_SOURCE = frozenset((Fault.UNREACHABLE, Fault.REFUSED, Fault.TLS, Fault.SILENT))
#: These say nothing about the source: what it lacks is counted elsewhere (`missing_objects`),
#: being overtaken is already in its rate, and no ranges is a property.
_INNOCENT = frozenset((Fault.MISSING, Fault.SLOW, Fault.NO_RANGES))


@dataclass(frozen=True, slots=True)
class Observation:
    """One request that ended."""

    bytes: int = 0
    seconds: float = 0.0
    """From the request to its last byte."""
    rtt: float | None = None
    fault: Fault | None = None
    retry_after: float | None = None
    """Seconds, as the server asked."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is remembered. All fields together are the row that is stored."""

    bytes: float = 0.0
    """Decayed sums: their quotient is the rate."""
    seconds: float = 0.0
    rtt: float | None = None
    failures: float = 0.0
    updated: float = 0.0
    measured_at: float = 0.0
    paused_until: float = 0.0
    pauses: int = 0
    """Pauses without a success between them."""
    row: int = 0
    """Faults in a row, for those that are forgiven once."""

    @property
    def rate(self) -> float | None:
        """Bytes per second of one request; None: never measured."""
        return self.bytes / self.seconds if self.seconds > 0 else None


#: What is known of a source that nobody asked yet.
NOTHING = Record()
#: What is known of all sources on a network, by source and object class.
Records = Mapping[tuple[str, str], Record]


def restored(record: Record, now: float) -> Record:
    """Return a record as an earlier process wrote it, by a clock that may have been set since:
    nothing is from the future, and no pause longer than any that is ever given.
    """
    return replace(
        record,
        updated=min(record.updated, now),
        measured_at=min(record.measured_at, now),
        paused_until=min(record.paused_until, now + _DAY),
    )


def scope(fault: Fault | None, object_class: str) -> str:
    """Say which record a pause for this fault goes to."""
    return EVERYTHING if fault in _WHOLE_SOURCE else object_class


def on_probation(record: Record, now: float) -> bool:
    """Whether its pause is over and no request has succeeded since: one request may try."""
    return record.pauses > 0 and record.paused_until <= now


def standing(mirror: Mirror, object_class: str, records: Records) -> MirrorStats:
    """Put together what is known of a source for an object class, and of the source as a whole."""
    one = records.get((mirror.id, object_class), NOTHING)
    whole = records.get((mirror.id, EVERYTHING), NOTHING)
    return MirrorStats(
        mirror,
        rate=one.rate,
        rtt=one.rtt,
        failures=max(one.failures, whole.failures),
        paused_until=max(one.paused_until, whole.paused_until),
        measured_at=one.measured_at,
    )


def rates(records: Records, object_class: str) -> dict[str, float]:
    """Return what each source gives to whole transfers of a class, bytes per second."""
    return {
        source: record.rate
        for (source, name), record in records.items()
        if name == object_class and record.rate
    }


def learn(record: Record, seen: Observation, now: float, *, whole: bool = False) -> Record:
    """Return the record after one more request; `whole`: it is the source's `EVERYTHING`.

    A success ends a pause of the whole source at once: it can be reached. It does not end a pause
    of an object class before its time, because the other connections of a source that has just
    answered 429 are still delivering what they were asked before. And an answer that brought no
    bytes yet is a sign of life, not a success: a source that always stalls answers first.
    """
    idle = max(now - record.updated, 0.0)
    record = replace(
        record,
        bytes=record.bytes * 0.5 ** (idle / HALF_LIFE),
        seconds=record.seconds * 0.5 ** (idle / HALF_LIFE),
        failures=record.failures * 0.5 ** (idle / _FAILURE_HALF_LIFE),
        updated=now,
    )
    record = _measure(record, seen, idle, now)
    if seen.fault is None:
        if not (seen.bytes or whole):
            return record
        record = replace(record, failures=record.failures * (1 - _FAILURE_STEP), row=0)
        if now < record.paused_until and not whole:
            return record
        return replace(record, paused_until=0.0, pauses=0)
    if seen.fault in _INNOCENT:
        return record
    failures = record.failures + (1 - record.failures) * _FAILURE_STEP
    return _pause(replace(record, failures=failures), seen, now)


def _measure(record: Record, seen: Observation, idle: float, now: float) -> Record:
    if seen.rtt is not None and seen.rtt >= 0:
        # After an hour the path may be another one: then the new value counts for more.
        step = max(_RTT_STEP, min(idle / 7200.0, 0.7))
        before = record.rtt
        rtt = seen.rtt if before is None else before + (seen.rtt - before) * step
        record = replace(record, rtt=rtt, measured_at=now)
    telling = seen.bytes >= _TELLING_BYTES or seen.seconds >= _TELLING_SECONDS
    if seen.seconds > 0 and seen.bytes > 0 and telling:
        weight = min(1.0, _MEMORY / (record.seconds + seen.seconds))
        record = replace(
            record,
            bytes=(record.bytes + seen.bytes) * weight,
            seconds=(record.seconds + seen.seconds) * weight,
            measured_at=now,
        )
    return record


def _pause(record: Record, seen: Observation, now: float) -> Record:
    named = min(seen.retry_after or 0.0, _DAY)
    if seen.fault is None or now < record.paused_until:
        # Four connections that fail together are one failure; the longest time named counts.
        return replace(record, paused_until=max(record.paused_until, now + named))
    first, growth, longest, patience = _PAUSES[seen.fault]
    row = record.row + 1
    if row < patience and not record.pauses:
        return replace(record, row=row)
    # The exponent is bounded, else years of failing overflow the float.
    seconds = min(first * growth ** min(record.pauses, 32), longest)
    seconds = max(seconds, named)
    return replace(record, paused_until=now + seconds, pauses=record.pauses + 1, row=0)
