"""What `headrace status` ends with: that all is well, or the one thing to do first."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.cli.explaining.verdict import verdict
from headrace.interface.hookspecs import Scope
from headrace.policy.source_conditions import SourceCondition

UP = {"up": True, "held_by": None, "redirecting": False, "port": 17223, "scope": Scope.USER}
OTHER = {"where": "/etc/acme.conf", "what": "names another index", "hint": "take it out"}
MISTAKE = {"message": "config.toml: port must be a port", "hint": "mend that line"}


def tool(state: str, name: str = "acme", *overrides: dict[str, str]) -> dict[str, Any]:
    return {"tool": name, "state": state, "files": [], "overrides": list(overrides)}


def table(*tools: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"gateway": UP, "tools": list(tools), "settings": {"mistakes": []}} | rest


def test_all_is_well_in_one_line_that_names_what_is_led() -> None:
    well, led, text = verdict(table(tool("routed"), tool("routed", "bolt"), tool("not found")))
    assert (well, led) == (True, True)
    assert text == "all is well: acme, bolt go through it"


def test_where_nothing_is_led_the_ways_to_begin_are_told() -> None:
    well, led, text = verdict(table(tool("not routed"), gateway=None))
    assert (well, led) == (True, False)
    assert "`headrace on`" in text
    assert "`headrace run -- COMMAND`" in text


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({"gateway": UP | {"held_by": "user bob"}}, "port 17223 is held by user bob"),
        ({"gateway": None}, "no gateway is known that acme could reach"),
        ({"gateway": UP | {"up": False}}, "acme is led to it and may fail until it is back"),
        ({"gateway": UP | {"redirecting": True}}, "`headrace doctor`"),
        ({"settings": {"mistakes": [MISTAKE]}}, "port must be a port: mend that line"),
        ({"tools": [tool("overridden", "bolt", OTHER)]}, "bolt goes past headrace, /etc/acme.conf"),
        ({"containers": {"up": False}}, "the gateway of containers is down"),
        (
            {
                "attention": True,
                "mirrors": {
                    "python": {
                        "states": [{"id": "campus", "own": True, "state": SourceCondition.SILENT}]
                    }
                },
            },
            "`headrace mirrors test campus`",
        ),
    ],
)
def test_what_needs_attention_is_one_thing_with_what_to_do(
    changes: dict[str, Any], first: str
) -> None:
    well, _, text = verdict(table(tool("routed")) | changes)
    assert not well
    assert first in text


def test_the_most_urgent_thing_is_told_alone() -> None:
    stranger = UP | {"held_by": "user bob", "up": False}
    every = table(tool("overridden", "acme", OTHER), gateway=stranger)
    every["settings"] = {"mistakes": [MISTAKE]}
    assert "user bob" in verdict(every)[2]
    assert "port must be" not in verdict(every)[2]
