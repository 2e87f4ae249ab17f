"""Which way a command is led, and which programs need a function of a shell for that."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.interface.activations import Place
from headrace.interface.hookspecs import Scope
from headrace.interface.leading import LedBy, LedTool, by_proxy, which_way
from headrace.interface.manager import Plugins

CRATE = LedTool(
    "crate",
    ("crate",),
    {"": LedBy.PROXY, "run": LedBy.ALONE, "list": LedBy.OFFLINE},
    values=("--color",),
)


def way(*words: str) -> LedBy:
    place = Place(Scope.USER, Path("/"), {}, "linux", Path("/"), words)
    return which_way(words, [CRATE], place, lambda _: None).way


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("crate add x", LedBy.PROXY),
        ("crate --color run add x", LedBy.PROXY),
        ("crate run x", LedBy.ALONE),
        ("crate list", LedBy.OFFLINE),
        ("/usr/bin/crate3.12 list", LedBy.OFFLINE),
        ("crate --version", LedBy.OFFLINE),
        ("crate add --help", LedBy.OFFLINE),
        # Whose help that is, only the program knows.
        ("crate run x --help", LedBy.ALONE),
        ("unknown --help", LedBy.PROXY),
    ],
)
def test_what_only_tells_of_the_tool_itself_or_fetches_nothing_is_not_led(
    words: str, expected: LedBy
) -> None:
    assert way(*words.split()) is expected


def test_a_program_needs_a_function_where_nothing_but_the_proxy_leads_it() -> None:
    others = [
        LedTool("pump", ("pump",), {"": LedBy.SETTINGS}),
        LedTool("cratex", ("cratex",), {"": LedBy.ALONE}, before=lambda *_: None),
        LedTool("again", ("crate", "crates"), {"": LedBy.SETTINGS, "lock": LedBy.PROXY}),
    ]
    assert by_proxy([CRATE, *others]) == ["crate", "cratex", "crates"]


def test_the_tools_of_our_own_plugins_that_have_settings_need_none() -> None:
    named = set(by_proxy(Plugins().led_tools()))
    assert named >= {"uv", "uvx", "poetry", "pdm", "hatch", "pipenv", "mamba", "micromamba", "pixi"}
    assert not named & {"pip", "conda", "docker", "podman", "python", "rattler-build"}
