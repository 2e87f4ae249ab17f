"""What ``headrace status`` ends with: that all is well, or the one thing to do first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headrace.cli.setup.led import way_back
from headrace.cli.setup.shared_port import STRANGER_HINT
from headrace.wording import noun

__all__ = ["Verdict", "verdict"]

_LED = ("routed", "overridden")
_BEGIN = (
    "nothing goes through headrace: `headrace on` is for every command, `headrace run -- COMMAND` "
    "for one"
)

#: Whether all is well; whether something is led at all; the sentence.
Verdict = tuple[bool, bool, str]


def verdict(table: Mapping[str, Any]) -> Verdict:
    """Judge the table of ``headrace status``: the most urgent thing alone, with what to do."""
    led = [tool["tool"] for tool in table["tools"] if tool["state"] in _LED]
    if first := next(_to_do(table, led), ""):
        return False, bool(led), first
    if not led:
        return True, False, _BEGIN
    return True, True, f"all is well: {', '.join(led)} {noun(len(led), 'goes', 'go')} through it"


def _to_do(table: Mapping[str, Any], led: list[str]) -> Iterator[str]:
    """Yield what needs attention, the most urgent first."""
    gateway = table["gateway"]
    if gateway and gateway["held_by"]:
        yield f"port {gateway['port']} is held by {gateway['held_by']}: {STRANGER_HINT}"
    if led and gateway is None:
        yield f"no gateway is known that {', '.join(led)} could reach: `headrace on` mends that"
    elif led and not gateway["up"]:
        yield way_back(led, gateway["scope"])
    if gateway and gateway["redirecting"]:
        yield "the gateway cannot start, and sends everybody to the origin: `headrace doctor`"
    for mistake in (table.get("settings") or {}).get("mistakes", ()):
        yield f"{mistake['message']}: {mistake['hint']}"
    for tool in table["tools"]:
        for each in tool["overrides"] if tool["state"] == "overridden" else ():
            hint = f": {each['hint']}" if each["hint"] else ""
            yield f"{tool['tool']} goes past headrace, {each['where']} {each['what']}{hint}"
    if (inside := table.get("containers")) and not inside["up"]:
        yield "the gateway of containers is down: `headrace on` starts it again"
    if name := _own_mirror(table.get("mirrors") or {}):
        yield f"your mirror {name} does not deliver: `headrace mirrors test {name}`"


def _own_mirror(mirrors: Mapping[str, Any]) -> str:
    """Name the first mirror of the user's own that does not deliver."""
    if not mirrors:
        return ""
    from headrace.cli.explaining import mirrors_told  # noqa: PLC0415 - start-up time

    return mirrors_told.first_in_trouble(mirrors)
