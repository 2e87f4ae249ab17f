"""Who knows whom is said once, downwards: nobody is told later of one that was made after it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace import gateway
from lib.app import App

ROOM = Path(gateway.__file__).parent
#: Starlette's own way to say it; its constructor does not take it.
ALLOWED = {"app.router.redirect_slashes"}


def assigned_from_outside(source: str) -> Iterator[str]:
    """Name each attribute that is assigned on anything but `self`."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Attribute) or not isinstance(node.ctx, ast.Store):
            continue
        name = ast.unparse(node)
        if not name.startswith("self.") and name not in ALLOWED:
            yield f"line {node.lineno}: {name}"


@pytest.mark.parametrize("file", ["wiring.py", "app.py"])
def test_no_part_is_given_another_one_after_it_was_made(file: str) -> None:
    assert not list(assigned_from_outside((ROOM / file).read_text("utf-8")))


def test_this_is_seen_in_every_form() -> None:
    source = "a.b = c\na.b.c: int = 1\nx, a.d = 1, 2\nself.e = 1\na.f += 1\nwith o as a.g: pass"
    found = list(assigned_from_outside(source))
    assert sorted(name.split()[-1] for name in found) == ["a.b", "a.b.c", "a.d", "a.f", "a.g"]


def test_selection_weighs_the_requests_that_downloads_have_under_way(tmp_path: Path) -> None:
    with App(tmp_path, "http://127.0.0.1:9/simple") as app:
        parts = app.parts
        limiter = parts.downloader.context.connections
        assert limiter.take("http://m", 4, "m")
        assert parts.sources._busy == {"m": 1}
        limiter.give("http://m", "m")
