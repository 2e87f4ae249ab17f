"""What is said of a tool by its name: by which way each of its commands is led."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from headrace.cli.context import Context
from headrace.cli.explaining import led


def said(name: str, root: Path) -> dict[str, str]:
    program = root / "bin" / name
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    env = {"PATH": str(program.parent), "HEADRACE_HOME": str(root / "headrace")}
    return {each.tool: "\n".join(each.lines) for each in led.explanations(name, Context(env))}


@pytest.mark.skipif(os.name == "nt", reason="a program is found by its suffix there")
def test_a_tool_that_only_a_proxy_leads_has_both_ways_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    told = said("uv", tmp_path)
    assert told.keys() == {"run", "typed"}
    assert "uv, uv pip compile: through a proxy" in told["run"]
    assert "uv pip: by its own settings" in told["run"]
    assert "uv run, uv tool run: what it needs is fetched" in told["run"]
    assert "uv cache" in told["run"].partition("it fetches nothing")[0]
    assert told["typed"].startswith("uv is led")


@pytest.mark.skipif(os.name == "nt", reason="a program is found by its suffix there")
def test_scripts_that_a_tool_starts_by_their_name_are_told_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    told = said("pdm", tmp_path)["run"]
    assert "any other word behind pdm, pdm run: not at all: a program of yours" in told


def test_a_tool_with_settings_has_these_told_and_what_is_no_tool_nothing(tmp_path: Path) -> None:
    assert said("pip", tmp_path) == {"run": "pip: by its own settings"}
    assert not list(led.explanations("numpy", Context({"HEADRACE_HOME": str(tmp_path)})))
