from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from headrace.cli import status


def told(tool: dict[str, Any]) -> str:
    """Return the line that a person reads of a tool."""
    out = io.StringIO()
    context = SimpleNamespace(console=Console(file=out, width=200))
    table = {"gateway": None, "origins": [], "tools": [tool], "transfers": None}
    status._tell(cast("Any", context), table)
    return out.getvalue().splitlines()[-1]


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
        ("not found", [], ""),
    ],
)
def test_every_routed_tool_says_what_routes_it(state: str, files: list[str], said: str) -> None:
    line = told({"tool": "acme", "state": state, "files": files, "overrides": []})
    assert line.split(state)[1].strip() == said
