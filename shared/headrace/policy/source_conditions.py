"""How a source stands, told from what was learned of it: for people, not for selection. Pure.

Statistics say how often and how fast; what a person wants to know is whether a mirror answers at
all, what it does instead, and when it is asked again.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

from headrace.models import Fault
from headrace.policy.reputation import EVERYTHING, Record, Records
from headrace.values import dataclass

__all__ = ["DOES", "FAILURES", "SourceCondition", "SourceReport", "report"]


class SourceCondition(enum.StrEnum):
    """What can be said of a source."""

    NOT_ASKED = "not asked yet"
    DELIVERS = "delivers"
    GAVE_NOTHING = "has given nothing yet"
    """It was asked and did nothing wrong: it lacks what was wanted."""
    FAILS = "fails"
    """It answers, and not with what was wanted, since its last success."""
    SILENT = "does not answer"
    """It cannot be reached, or says nothing, since its last success."""


#: What a source did, to stand behind its name.
DOES: Mapping[Fault, str] = {
    Fault.UNREACHABLE: "cannot be reached",
    Fault.REFUSED: "refuses connections",
    Fault.TLS: "has no TLS that can be trusted",
    Fault.SILENT: "does not answer in time",
    Fault.CUT: "cuts its answers short",
    Fault.STALLED: "stops in the middle",
    Fault.SLOW: "was overtaken",
    Fault.FORBIDDEN: "does not give it to us (401, 403)",
    Fault.MISSING: "does not have it",
    Fault.RATE_LIMITED: "wants to be left alone for a while (429, 503)",
    Fault.SERVER_ERROR: "answers with errors (5xx)",
    Fault.NOT_THE_FILE: "gives something else than the file",
    Fault.LED_ASTRAY: "leads where it may not lead",
    Fault.WRONG_BYTES: "gave wrong bytes",
    Fault.NO_RANGES: "gives whole files alone",
    Fault.PROTOCOL: "speaks no proper HTTP",
}
#: What is a failure of the source, and not a property or a race that it lost.
FAILURES = frozenset(Fault) - {Fault.SLOW, Fault.NO_RANGES, Fault.MISSING}


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What is known of a source."""

    state: SourceCondition
    paused_for: float = 0.0
    """Seconds from now; of the object class, or of the whole, that waits longest."""
    why: str = ""
    """What it did last, as in `DOES`; "" where nobody noted it."""


def report(source: str, records: Records, now: float, last: Fault | None = None) -> SourceReport:
    """Say how a source stands. `records` are those of this network, `last` is its last fault, if
    it was noted.
    """
    own = {name: record for (each, name), record in records.items() if each == source}
    if not own:
        return SourceReport(SourceCondition.NOT_ASKED)
    paused = max(0.0, *(record.paused_until - now for record in own.values()))
    why = DOES[last] if last is not None else ""
    state = _state(own)
    if state in (SourceCondition.DELIVERS, SourceCondition.GAVE_NOTHING):
        return SourceReport(state, paused)
    return SourceReport(state, paused, why)


def _state(own: Mapping[str, Record]) -> SourceCondition:
    whole = own.get(EVERYTHING)
    # A pause that nothing has ended: no success since, whether it is over or not.
    if whole is not None and whole.pauses:
        return SourceCondition.SILENT
    classes = [record for name, record in own.items() if name != EVERYTHING]
    if any(record.rate and not record.pauses for record in classes):
        return SourceCondition.DELIVERS
    if any(record.pauses for record in classes):
        return SourceCondition.FAILS
    if any(record.rtt is not None or record.rate for record in own.values()):
        return SourceCondition.DELIVERS
    return (
        SourceCondition.FAILS if any(r.failures for r in classes) else SourceCondition.GAVE_NOTHING
    )
