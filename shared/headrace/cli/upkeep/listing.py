"""Which mirrors there are, which are used, and why the others are not. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headrace.cli.summary import bytes_text
from headrace.config import Settings
from headrace.models import Mirror
from headrace.policy import evidence
from headrace.policy.absent_collections import AbsenceReason
from headrace.values import dataclass

__all__ = ["ListedMirror", "listed_mirrors"]


#: Repositories that are named of what a mirror lacks.
_MOST = 4


@dataclass(frozen=True, slots=True)
class ListedMirror:
    """One mirror, for people and for programs."""

    mirror: Mirror
    used: bool
    why: str
    """Why it is used or not, to stand behind its name."""
    state: str = ""
    """How it stands, as the gateway knows it; empty: no gateway says."""
    paused_for: float = 0.0
    rate: float | None = None
    """Bytes per second, the best of all kinds of files."""
    lacks: tuple[Mapping[str, Any], ...] = ()
    """What it does not give as a whole, as the gateway has learnt it: `Absence` as values."""

    def lacking(self) -> list[str]:
        """Say what it does not give, and since when that is known."""
        more = len(self.lacks) - _MOST
        return [*map(_lacking, self.lacks[:_MOST]), *([f"and {more} more"] if more > 0 else [])]

    def table(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "id": self.mirror.id,
            "ecosystem": self.mirror.ecosystem,
            "url": self.mirror.url,
            "layout": self.mirror.layout,
            "own": self.mirror.own,
            "used": self.used,
            "why": self.why,
            "state": self.state or None,
            "paused_for": self.paused_for,
            "rate": self.rate,
            "lacks": list(self.lacks),
        }


def listed_mirrors(
    ecosystem: str,
    shipped: Sequence[Mirror],
    settings: Settings,
    today: dt.date,
    told: Mapping[str, Any] | None = None,
) -> Iterator[ListedMirror]:
    """Yield those of an ecosystem: the used ones first, each in the order in which it is known.

    `told` is what the gateway says (``/status``); None: no gateway runs.
    """
    own = [mirror for mirror in settings.mirrors if mirror.ecosystem == ecosystem]
    known: dict[str, Mirror] = {}
    for mirror in (*own, *shipped):
        known.setdefault(mirror.id, mirror)
    states = _states(told, ecosystem)
    rates = _rates(told)
    found = [
        _listed(mirror, settings, today, states.get(mirror.id, {}), rates.get(mirror.id))
        for mirror in known.values()
    ]
    yield from sorted(found, key=lambda each: not each.used)


def _lacking(row: Mapping[str, Any]) -> str:
    day = dt.datetime.fromtimestamp(float(row.get("since") or 0.0), dt.UTC).date()
    size = f" from {bytes_text(row['above'])} on" if row.get("above") else ""
    if row.get("reason") == AbsenceReason.CUT:
        most = bytes_text(row.get("above") or 0)
        return f"gives no more than {most} of a file of {row.get('collection')} ({day})"
    how = "refuses" if row.get("reason") == AbsenceReason.REFUSED else "does not have"
    return f"{how} {row.get('collection')}{size} ({day})"


def _listed(
    mirror: Mirror,
    settings: Settings,
    today: dt.date,
    state: Mapping[str, Any],
    rate: float | None,
) -> ListedMirror:
    used, why = _why(mirror, settings, today)
    said = str(state.get("state") or "")
    if said and state.get("why"):
        said += f": it {state['why']}"
    lacks = state.get("lacks")
    return ListedMirror(
        mirror,
        used,
        why,
        said,
        float(state.get("paused_for") or 0.0),
        rate,
        tuple(each for each in lacks if isinstance(each, Mapping)) if lacks else (),
    )


def _why(mirror: Mirror, settings: Settings, today: dt.date) -> tuple[bool, str]:
    if mirror.id in settings.disabled_mirrors:
        return False, "you disabled it"
    if mirror.own:
        return True, "yours"
    if not settings.catalogue:
        return False, "your settings leave the catalogue out"
    return _why_of_catalogue(mirror, settings, today)


def _why_of_catalogue(mirror: Mirror, settings: Settings, today: dt.date) -> tuple[bool, str]:
    if mirror.id in settings.enabled_mirrors:
        return True, "you enabled it"
    if mirror.opt_in:
        why = mirror.why_opt_in or "is for those who ask for it"
        return False, f"it {why}"
    if not evidence.in_use([mirror], today):
        return False, "what is known of it is old, and nobody signs for it by name"
    old = ", what is known of it is old" if evidence.is_old(mirror, today) else ""
    return True, f"of the catalogue{old}"


def _states(told: Mapping[str, Any] | None, ecosystem: str) -> dict[str, Mapping[str, Any]]:
    mirrors = (told or {}).get("mirrors")
    mine = mirrors.get(ecosystem) if isinstance(mirrors, Mapping) else None
    states = mine.get("states") if isinstance(mine, Mapping) else None
    rows = states if isinstance(states, list) else []
    return {str(each.get("id")): each for each in rows if isinstance(each, Mapping)}


def _rates(told: Mapping[str, Any] | None) -> dict[str, float]:
    rows = (told or {}).get("sources")
    found: dict[str, float] = {}
    for row in rows if isinstance(rows, list) else ():
        rate = row.get("rate") if isinstance(row, Mapping) else None
        if rate:
            source = str(row.get("source"))
            found[source] = max(found.get(source, 0.0), float(rate))
    return found
