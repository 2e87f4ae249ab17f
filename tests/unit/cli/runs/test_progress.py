"""What the line of progress says, and for whom it is drawn."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from headrace.cli.runs import progress
from headrace.interface.hookspecs import Place, Scope
from headrace.interface.leading import LedBy, LedTool, which_way

ONE = {"name": "big.whl", "size": 20_000_000, "here": 5_000_000, "seconds": 2.0}
GIVEN = {"tuna": 3_000_000, "origin": 500_000, "ustc": 1_500_000}


@pytest.mark.parametrize(
    ("files", "rate", "said"),
    [
        ([], 5.0, ""),
        (
            [{**ONE, "given": GIVEN}],
            5e6,
            "5.0 MB of 20.0 MB, 5.0 MB/s, 3 s left, from tuna, ustc, origin, big.whl",
        ),
        ([ONE], 0.0, "5.0 MB of 20.0 MB, 2.5 MB/s, 6 s left, big.whl"),
        ([{**ONE, "seconds": 0.1}], 0.0, "5.0 MB of 20.0 MB, big.whl"),
        ([ONE, {**ONE, "size": None}], 1e6, "2 files: 10.0 MB, 1.0 MB/s"),
        (
            [ONE, {**ONE, "here": 0, "size": 85_000_000}],
            1e6,
            "2 files: 5.0 MB of 105.0 MB, 1.0 MB/s, 2 min left",
        ),
        (
            [{**ONE, "held_back": True}],
            5e6,
            "5.0 MB of 20.0 MB, 5.0 MB/s, 3 s left, checked before it goes on, big.whl",
        ),
        ([{**ONE, "name": "a\x1b[2J\nb", "size": None}], 0, "5.0 MB, 2.5 MB/s, a?[2J b"),
    ],
)
def test_the_line_says_what_comes_how_fast_and_from_whom(
    files: list[Any], rate: float, said: str
) -> None:
    told = progress.sentence({"under_way": files}, rate)
    assert told == (said and f"headrace  {said}")


@pytest.mark.parametrize("status", [None, [], {}, {"under_way": 3}, {"under_way": [3]}])
def test_an_answer_of_another_form_is_nothing_to_tell(status: object) -> None:
    assert progress.sentence(status, 1.0) == ""
    assert progress._came(status) == 0


class Terminal:
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("env", "drawn"),
    [
        ({"TERM": "xterm"}, sys.platform != "win32"),
        ({"TERM": "xterm", "CI": "false"}, sys.platform != "win32"),
        ({"TERM": "dumb"}, False),
        ({}, False),
        ({"TERM": "xterm", "CI": "true"}, False),
        ({"TERM": "xterm", "CI": "1"}, False),
    ],
)
def test_a_terminal_that_can_be_drawn_on_is_drawn_on_and_no_other(
    env: dict[str, str],
    drawn: bool,  # noqa: FBT001 - a column
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not progress.wanted(env)  # a test is no terminal
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert progress.wanted(env) is drawn


CRATE = LedTool(
    "crate",
    ("crate",),
    {"": LedBy.PROXY},
    silent=("-q", "--quiet", "--bar=off", "fetch -s", "CRATE_QUIET", "CRATE_BAR=off"),
)
PUMP = LedTool("pump", ("pump",), {"": LedBy.PROXY}, silent=("",))


@pytest.mark.parametrize(
    ("typed", "env", "silent"),
    [
        ("crate get x", {}, False),
        ("crate -q get x", {}, True),
        ("crate get x --quiet", {}, True),
        ("crate get -yq x", {}, True),
        ("crate get --bar off x", {}, True),
        ("crate get --bar=off x", {}, True),
        ("crate get --bar on x", {}, False),
        ("crate get -- -q", {}, False),
        ("crate fetch -s", {}, True),
        ("crate get -s", {}, False),
        ("crate get", {"CRATE_QUIET": "1"}, True),
        ("crate get", {"CRATE_QUIET": "0"}, False),
        ("crate get", {"CRATE_BAR": "off"}, True),
        ("crate get", {"CRATE_BAR": "on"}, False),
        ("pump", {}, True),
        ("nobody-knows -q", {}, False),
    ],
)
def test_a_tool_says_with_which_words_it_shows_nothing_itself(
    typed: str,
    env: dict[str, str],
    silent: bool,  # noqa: FBT001 - a column
) -> None:
    place = Place(Scope.USER, Path(), env, sys.platform, Path())
    assert which_way(typed.split(), [CRATE, PUMP], place, lambda _: None).silent is silent
