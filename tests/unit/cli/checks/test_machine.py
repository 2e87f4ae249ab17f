"""What the doctor says of the mirrors in use, and of plugins."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from headrace.cli.checks import machine
from headrace.cli.context import Context
from headrace.interface.hookspecs import DiscoveredOrigin, hookimpl
from headrace.interface.manager import Plugins
from headrace.models import Mirror, OperatorClass, Origin

PUBLIC = Origin("python", "https://index.example/simple")
NOON = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC).timestamp()
DAY = 24 * 3600.0


class Catalogue:
    """A plugin with three mirrors, whose evidence ends one day after the other."""

    @hookimpl
    def headrace_mirrors(self, ecosystem: str) -> list[Mirror]:
        return [
            Mirror(
                name,
                ecosystem,
                f"https://{name}.example",
                "packages",
                operator_class=OperatorClass.UNIVERSITY,
                evidence_until=dt.date(2026, 5, day),
            )
            for day, name in enumerate(("first", "second", "third"), 1)
        ]


def context_of(folder: Path, *origins: Origin) -> Context:
    context = Context({"HEADRACE_HOME": str(folder), "PATH": ""})
    context.plugins = Plugins([Catalogue()], entry_points=False)
    context.state.record_origins([DiscoveredOrigin(origin, "a test") for origin in origins])
    return context


def test_the_doctor_names_the_mirrors_of_which_what_is_known_is_old(tmp_path: Path) -> None:
    context = context_of(tmp_path, PUBLIC)
    told = [next(machine.mirrors(context, NOON + days * DAY)) for days in range(4)]
    assert [each.level for each in told] == ["ok", "note", "note", "note"]
    assert told[0].text == "3 for python, none on old evidence"
    assert told[2].text == "what is known of 2 of 3 for python is old: first, second"
    assert "sampled here first" in told[2].hint


def test_a_company_index_alone_has_no_mirrors_to_speak_of(tmp_path: Path) -> None:
    private = Origin("python", "https://corp.example/simple", private=True)
    assert list(machine.mirrors(context_of(tmp_path, private), NOON)) == []


class HalfAnEcosystem:
    """A plugin that loads, and gives what is no ecosystem."""

    @hookimpl
    def headrace_ecosystems(self) -> list[object]:
        return [object()]


def test_the_doctor_names_a_plugin_whose_ecosystem_is_none(tmp_path: Path) -> None:
    context = context_of(tmp_path)
    context.plugins = Plugins([HalfAnEcosystem()], entry_points=False)
    [told] = machine.plugins(context)
    assert told.level == "warning"
    assert "gives what is no ecosystem" in told.text
