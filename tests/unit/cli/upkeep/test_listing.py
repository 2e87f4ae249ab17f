"""Which mirrors are used, and why the others are not: the very answer that selection acts by."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from headrace.cli.upkeep.listing import listed_mirrors
from headrace.config import Settings
from headrace.interface.manager import Plugins
from headrace.models import Mirror, OperatorClass
from headrace.sources.candidates import mirrors_in_use

TODAY = dt.date(2026, 1, 1)
FRESH = {"operator_class": OperatorClass.UNIVERSITY, "evidence_until": TODAY}
OLD = dt.date(2025, 1, 1)


def mirror(name: str, **fields: Any) -> Mirror:
    return Mirror(name, "python", f"https://{name}.example", "packages", **{**FRESH, **fields})


OWN = replace(mirror("own"), own=True, evidence_until=None)
SHIPPED = [
    mirror("good"),
    mirror("old", evidence_until=OLD),
    mirror("nobodys", operator_class=OperatorClass.COMMUNITY, evidence_until=OLD),
    mirror("asked", opt_in=True, why_opt_in="serves with a known weakness"),
]


def why(settings: Settings, told: Any = None) -> dict[str, tuple[bool, str]]:
    return {
        each.mirror.id: (each.used, each.why)
        for each in listed_mirrors("python", SHIPPED, settings, TODAY, told)
    }


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(mirrors=(OWN,)),
        Settings(mirrors=(OWN,), catalogue=False),
        Settings(mirrors=(OWN,), disabled_mirrors=frozenset({"own", "good"})),
        Settings(enabled_mirrors=frozenset({"asked", "nobodys"})),
        Settings(mirrors=(replace(OWN, id="good"),), disabled_mirrors=frozenset({"old"})),
    ],
)
def test_who_is_said_to_be_used_is_used(settings: Settings) -> None:
    class Shipped(Plugins):
        def mirrors(self, ecosystem: str) -> list[Mirror]:
            return [each for each in SHIPPED if each.ecosystem == ecosystem]

    used = mirrors_in_use(Shipped([], entry_points=False), settings, "python", TODAY)
    told = why(settings)
    assert {name for name, (is_used, _) in told.items() if is_used} == {m.id for m in used}
    assert all(reason for _, reason in told.values())


def test_each_reason_is_told() -> None:
    told = why(Settings(mirrors=(OWN,), disabled_mirrors=frozenset({"good"})))
    assert told == {
        "own": (True, "yours"),
        "old": (True, "of the catalogue, what is known of it is old"),
        "good": (False, "you disabled it"),
        "nobodys": (False, "what is known of it is old, and nobody signs for it by name"),
        "asked": (False, "it serves with a known weakness"),
    }
    assert "catalogue" in why(Settings(catalogue=False))["good"][1]
    assert why(Settings(enabled_mirrors=frozenset({"asked"})))["asked"] == (True, "you enabled it")


@pytest.mark.parametrize(
    "told", [None, {}, {"mirrors": 5, "sources": "x"}, {"mirrors": {"python": []}}]
)
def test_a_gateway_that_says_less_is_no_error(told: Any) -> None:
    assert why(Settings(), told)["good"][0]


def test_how_it_stands_is_the_gateways_word() -> None:
    told = {
        "mirrors": {
            "python": {"states": [{"id": "good", "state": "fails", "why": "x", "paused_for": 5}]}
        },
        "sources": [{"source": "good", "rate": 5.0}, {"source": "good", "rate": 7.0}],
    }
    (good, *_) = listed_mirrors("python", SHIPPED, Settings(), TODAY, told)
    assert (good.state, good.paused_for, good.rate) == ("fails: it x", 5.0, 7.0)
