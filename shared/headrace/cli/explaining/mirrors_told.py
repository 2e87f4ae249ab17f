"""What `status` says of mirrors: how each of the user's own stands, and which others fail. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headrace.policy.source_conditions import SourceCondition
from headrace.wording import counted, listed

__all__ = ["NEXT", "first_in_trouble", "lines"]

_TROUBLE = (SourceCondition.SILENT, SourceCondition.FAILS)
#: Names of other people's mirrors in one line.
_MOST = 6
NEXT = (
    "whoever runs it has the word; its address stands in your settings, `headrace doctor` asks it "
    "now, and everything comes from elsewhere meanwhile"
)


def lines(mirrors: object) -> list[tuple[str, bool]]:
    """Return lines for people, and whether each is a warning. `mirrors` is what ``/status`` says
    of them, by ecosystem; a gateway of a version before says less.
    """
    states = list(_states(mirrors))
    told: list[tuple[str, bool]] = []
    for each in states:
        if each.get("own"):
            told += _own(each)
    others = [each for each in states if not each.get("own")]
    failing = [str(each.get("id")) for each in others if each.get("state") in _TROUBLE]
    if failing:
        names = listed(failing, most=_MOST)
        few = f"{len(failing)} of {counted(len(others), 'mirror')}"
        one, more = f"{few} does not deliver now: {names}", f"{few} do not deliver now: {names}"
        text = one if len(failing) == 1 else more
        told.append((f"mirrors  {text}", False))
    return told


def first_in_trouble(mirrors: object) -> str:
    """Return the id of a mirror that the user's own settings name and that does not deliver; "":
    each of them does.
    """
    every = _states(mirrors)
    found = (each for each in every if each.get("own") and each.get("state") in _TROUBLE)
    return next((str(each.get("id")) for each in found), "")


def _own(each: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    trouble = each.get("state") in _TROUBLE
    why = f": it {each['why']}" if each.get("why") else ""
    paused = each.get("paused_for") or 0
    again = f"; asked again in {paused:.0f} s" if trouble and paused >= 1 else ""
    yield f"mirror   {each.get('id')} (yours) {each.get('state')}{why}{again}", trouble
    if trouble:
        yield f"         {NEXT}", False


def _states(mirrors: object) -> Iterator[Mapping[str, Any]]:
    if not isinstance(mirrors, Mapping):
        return
    for each in mirrors.values():
        states = each.get("states") if isinstance(each, Mapping) else None
        for state in states if isinstance(states, list) else ():
            if isinstance(state, Mapping):
                yield state
