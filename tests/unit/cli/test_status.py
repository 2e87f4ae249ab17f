from __future__ import annotations

from typing import Any

import pytest

from headrace import __version__
from headrace.cli import status
from headrace.cli.context import Context
from headrace.interface.hookspecs import Scope


def told(tool: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the line that a person reads of a tool."""
    table = {"gateway": None, "origins": [], "tools": [tool], "transfers": None}
    status._tell(Context({}), table)
    return capsys.readouterr().out.splitlines()[-2]


def test_it_says_of_how_many_mirrors_what_is_known_is_old() -> None:
    mirrors = {
        "python": {"in_use": ["a", "b", "c"], "evidence_old": ["b", "c"]},
        "docker": {"in_use": ["d"], "evidence_old": []},
    }
    (line,) = status._mirrors({"mirrors": mirrors})
    assert "of 2 of 4 mirrors is old" in line
    assert status._mirrors({"mirrors": {"docker": mirrors["docker"]}}) == []
    assert status._mirrors({"mirrors": None}) == []  # of a gateway that is down


@pytest.mark.parametrize(
    ("state", "files", "said"),
    [
        ("routed", ["/home/me/x.conf"], "/home/me/x.conf"),
        ("routed", [], "set up for the whole machine"),
        ("not routed", [], ""),
    ],
)
def test_every_routed_tool_says_what_routes_it(
    state: str, files: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = told({"tool": "acme", "state": state, "files": files, "overrides": []}, capsys)
    assert line.split(state)[1].strip() == said


def test_columns_stand_below_their_headings_and_colours_are_for_terminals(
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = {"where": "/etc/x", "what": "wins\nover it", "hint": "mend it"}
    tools = [
        {"tool": "acme-of-a-long-name", "state": "overridden", "files": [], "overrides": [other]},
        {"tool": "bolt", "state": "routed", "files": ["/a", "/b"], "overrides": []},
        {"tool": "nut", "state": "not found", "files": [], "overrides": []},
    ]
    table = {"gateway": None, "origins": [], "tools": tools, "transfers": None}
    status._tell(Context({}), table)
    plain = capsys.readouterr().out
    assert plain.splitlines()[1:-1] == [
        "tool                 state       by",
        "acme-of-a-long-name  overridden  /etc/x wins",
        "                                 over it; mend it",
        "bolt                 routed      /a",
        "                                 /b",
        "not here nut",
    ]
    status._tell(Context({"FORCE_COLOR": "1"}), table)
    coloured = capsys.readouterr().out
    assert [line.rstrip() for line in coloured.splitlines()] == plain.splitlines()


@pytest.mark.parametrize(
    ("version", "scope", "said"),
    [
        ("0.0.7", Scope.USER, "it is headrace 0.0.7, and this command is {}: `headrace on` puts"),
        ("0.0.7", Scope.SYSTEM, "`sudo headrace on` puts this one in its place"),
        (__version__, Scope.USER, ""),
        (None, Scope.USER, ""),  # it is down, or does not say
    ],
)
def test_a_gateway_of_another_installation_is_said_to_be_one(
    version: str | None, scope: Scope, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway = {
        "host": "127.0.0.1",
        "port": 17223,
        "scope": scope,
        "kept_up_by": "",
        "up": True,
        "version": version,
        "redirecting": False,
        "held_by": None,
        "shared_port": False,
    }
    table: dict[str, Any] = {
        "gateway": gateway,
        "origins": [],
        "tools": [],
        "transfers": None,
    }
    status._tell(Context({}), table)
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert first.startswith("gateway  up at")
    assert said.format(__version__) in second
    assert ("headrace" in second) is bool(said)


def test_what_tools_can_expect_of_a_gateway_that_is_down_is_said_once_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gateway = {
        "host": "127.0.0.1",
        "port": 17223,
        "scope": Scope.USER,
        "kept_up_by": "",
        "up": False,
        "version": None,
        "redirecting": False,
        "held_by": None,
        "shared_port": False,
    }
    tool = {"tool": "acme", "state": "routed", "files": ["/a"], "overrides": []}
    table = {"gateway": gateway, "origins": [], "tools": [tool], "transfers": None}
    status._tell(Context({}), table)
    out = capsys.readouterr().out
    assert out.count("acme is led to it and may fail until it is back") == 1
    assert out.splitlines()[-1].startswith("do first acme is led to it")
