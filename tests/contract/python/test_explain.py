"""`headrace explain NAME` names the file that this machine's installer then takes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lib import wheels
from lib.clients import Environment, Pip, Result
from lib.gateway import headrace
from lib.holders import none_left
from lib.world import MakeWorld, World

HERE = f"cp{sys.version_info.major}{sys.version_info.minor}"
SPECIFIERS = ("", "==1.2", "==1.2.*", ">=1,<2", "~=2.0", "!=2.1,<3", "==3.0rc1", "<2.1", "===2.0")


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Environment]:
    """A user who has no gateway: what is asked is answered all the same, and nothing is left."""
    environment = Environment(tmp_path / "box")
    environment.variables["HEADRACE_HOME"] = str(tmp_path / "headrace")
    settings = tmp_path / "headrace" / "config" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("catalogue = false\n", "utf-8")
    yield environment
    none_left(str(tmp_path / "headrace"))
    assert list((environment.home / "tmp").glob("headrace-run-*")) == []


def releases(world: World) -> None:
    """Releases whose text holds one another's, and files for other machines, these last."""
    for version in ("1.2", "1.2.3", "2.0", "2.1.2", "3.0rc1"):
        for tag in ("cp27-cp27m-win32", f"{HERE}-{HERE}-win_amd64", "py3-none-any"):
            world.index.add(wheels.wheel("thing", version, tag=tag))
    world.index.add(wheels.wheel("thing", "2.2", tag=f"{HERE}-{HERE}-win_amd64"))
    world.index.add(wheels.wheel("thing", "2.3"), yanked="broken")
    world.index.add(wheels.wheel("thing", "2.4", requires_python=">=99"))


def explain(box: Environment, *words: str) -> tuple[Result, dict[str, Any]]:
    result = box.run(*headrace(), "explain", "--json", *words)
    return result, json.loads(result.out) if result.out.startswith("{") else {}


def test_file_is_the_one_that_pip_takes(world: MakeWorld, box: Environment) -> None:
    made = world(mirrors=0)
    releases(made)
    pip = Pip("26.3", box)
    pip.point_at(f"{made.origin}/")
    for specifier in SPECIFIERS:
        asked = f"thing{specifier}"
        out = pip.run("install", "--dry-run", "--quiet", "--report", "-", "--no-deps", asked).ok()
        report = json.loads(out.out)["install"][0]["download_info"]["url"]
        result, told = explain(box, asked)
        result.ok()
        (artifact,) = told["artifacts"]
        assert artifact["name"] == report.rpartition("/")[2], asked
        assert [each["id"] for each in artifact["sources"]][-1] == "origin"
        assert all(each["reason"] for each in artifact["sources"])


@pytest.mark.parametrize("what", ["no-such-thing", "thing==9", "thing-9.0-py3-none-any.whl"])
def test_what_nobody_has_is_exit_code_1(world: MakeWorld, box: Environment, what: str) -> None:
    made = world(mirrors=0)
    releases(made)
    Pip("26.3", box).point_at(f"{made.origin}/")
    result, told = explain(box, what)
    assert result.code == 1, result.told()
    assert not told.get("artifacts")


def test_file_is_found_by_its_name(world: MakeWorld, box: Environment) -> None:
    made = world(mirrors=0)
    releases(made)
    Pip("26.3", box).point_at(f"{made.origin}/")
    name = "thing-1.2.3-py3-none-any.whl"
    result, told = explain(box, name)
    assert [each["name"] for each in told["artifacts"]] == [name], result.told()
    text = box.run(*headrace(), "explain", name).ok().out
    assert "1. origin (" in text
    assert "your own index" in text
