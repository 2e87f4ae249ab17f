"""Every setting with wrong values, as data, put through each command that reads settings."""

from __future__ import annotations

import dataclasses
import json
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from headrace import setting_rules
from headrace.cli import checks, child_process, main
from headrace.cli.checks import accelerators, committed, machine, network
from headrace.cli.context import Context
from headrace.cli.known_words import unknown_words
from headrace.config import Settings
from headrace.interface.hookspecs import hookimpl
from headrace.interface.manager import Plugins
from headrace.models import Mirror

TABLE = Path(__file__).resolve().parents[2] / "data" / "wrong_settings.toml"
WRONG: list[dict[str, Any]] = tomllib.loads(TABLE.read_text("utf-8"))["wrong"]


def name_of(row: dict[str, Any]) -> str:
    return str(row["says"][0])[:60].replace(" ", "-")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path / "headrace"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "SUDO_UID", "HEADRACE_CONFIG", "HEADRACE_PORT", "HEADRACE_RUN"):
        monkeypatch.delenv(name, raising=False)
    # What is asked of the network and of GPUs has tests of its own.
    for module in (network, accelerators, committed):
        monkeypatch.setattr(module, "CHECKS", ())
    monkeypatch.setattr(machine, "CHECKS", (machine.settings,))
    # Tools that nothing has to be started for.
    every = Plugins.activations
    monkeypatch.setattr(
        Plugins,
        "activations",
        lambda self: [each for each in every(self) if each.tool in ("uv", "docker-logins")],
    )
    return tmp_path


@pytest.fixture
def written(home: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write the row's settings; give the row."""
    row: dict[str, Any] = request.param
    if "text" in row:
        config = home / "headrace" / "config" / "config.toml"
        config.parent.mkdir(parents=True)
        config.write_text(row["text"] + "\n", "utf-8")
    for variable, value in row.get("env", {}).items():
        monkeypatch.setenv(variable, value)
    return row


@pytest.mark.parametrize("written", WRONG, ids=name_of, indirect=True)
def test_a_wrong_setting_is_told_by_every_command_and_stops_those_that_set_up(
    written: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def told(text: str) -> None:
        plain = " ".join(text.split())
        assert all(part in plain for part in written["says"]), plain
        assert "hunter2" not in text

    assert main(["status", "--json"]) == 3
    table = json.loads(capsys.readouterr().out)
    told(" ".join(each["message"] for each in table["settings"]["mistakes"]))
    assert {each["fault_of"] for each in table["settings"]["mistakes"]} == {"your settings"}
    assert all(each["hint"] for each in table["settings"]["mistakes"])
    assert table["tools"]

    assert main(["status"]) == 3
    told(capsys.readouterr().out)

    stops = written.get("stops", True)
    assert main(["doctor", "--json"]) == 1 or not stops
    found = json.loads(capsys.readouterr().out)["findings"]
    level = "failure" if stops else "warning"
    told(" ".join(each["text"] for each in found if each["level"] == level))

    assert main(["off", "--json"]) == 0
    undone = json.loads(capsys.readouterr().out)
    assert undone["gateway_stopped"]
    told(" ".join(each["message"] for each in undone["settings"]["mistakes"]))

    if not stops:
        with caplog.at_level("WARNING", "headrace"):
            assert Context(dict(os.environ)).settings.source is not None
        told(caplog.text)
        return
    assert main(["on", "--json"]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    told(error["message"])
    assert error["fault_of"] == "your settings"
    assert error["hint"]

    # A child of this process would tell its end to whichever thread does not block that.
    ran: list[Sequence[str]] = []

    def child(_: str, words: Sequence[str], __: object, **_more: object) -> int:
        ran.append(words)
        return 0

    monkeypatch.setattr(child_process, "run", child)
    assert main(["run", "--", "true"]) == 0
    assert ran == [["true"]]
    said = capsys.readouterr().err
    told(said)
    assert "the command runs without headrace" in said


def test_every_setting_and_every_field_of_a_mirror_is_in_the_table() -> None:
    broken = "port = "
    files = [row["text"] for row in WRONG if "text" in row and row["text"] != broken]
    texts = [tomllib.loads(text) for text in files]
    keys = {key for table in texts for key in table}
    assert {field.name for field in dataclasses.fields(Settings)} - {"mirrors"} <= keys
    tables = [table["mirror"] for table in texts if isinstance(table.get("mirror"), list)]
    said = " ".join(part for row in WRONG for part in row["says"])
    for field in setting_rules.MIRROR_FIELDS:
        assert any(field in mirror for each in tables for mirror in each), field
        assert f": {field} " in said, field


def test_the_first_mistake_counts_the_others(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = home / "headrace" / "config" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("port = 70000\ndownloads = 0\nlayout = 1\n")
    assert main(["on"]) == 1
    told = capsys.readouterr().err
    assert "(and 2 more mistakes)" in told
    assert "`headrace doctor` names every mistake" in told
    assert main(["doctor", "--json"]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert len([each for each in findings if each["check"] == "settings"]) == 3


def test_what_is_right_beside_a_mistake_counts(tmp_path: Path) -> None:
    table = {
        "port": 4000,
        "downloads": 0,
        "also": ["a", 1],
        "mirror": [{"id": "a", "url": "https://a.example"}, {"id": "b"}],
    }
    settings, mistakes = Settings.understood(table, tmp_path / "config.toml")
    assert settings.port == 4000
    assert settings.downloads == Settings().downloads
    assert settings.also == {"a"}
    assert [mirror.id for mirror in settings.mirrors] == ["a"]
    assert len(mistakes) == 3


class Crates:
    """A third party's plugin that says nothing of layouts."""

    @hookimpl
    def headrace_mirrors(self, ecosystem: str) -> list[Mirror]:
        return [Mirror("a", "crates", "https://a.example", "x")] if ecosystem == "crates" else []


def test_a_plugins_own_ecosystem_may_have_any_layout() -> None:
    own = Mirror("b", "crates", "https://b.example", "whatever", own=True)
    settings = Settings(mirrors=(own,), disabled_mirrors=frozenset({"a"}))
    plugins = Plugins([Crates()], entry_points=False)
    assert list(unknown_words(settings, {}, plugins)) == []
    assert len(list(unknown_words(settings, {}, Plugins(entry_points=False)))) == 2


class Broken:
    """A plugin that does not fit."""

    @hookimpl
    def headrace_no_such_hook(self) -> None: ...


def test_what_a_broken_plugin_might_know_stops_nobody(home: Path) -> None:
    config = home / "headrace" / "config" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('also = ["crates"]\n')
    context = Context({"HEADRACE_HOME": str(home / "headrace")})
    context.plugins = Plugins([Broken()], entry_points=False)
    assert context.plugins.broken
    assert context.settings.also == {"crates"}
    (finding,) = checks.machine.settings(context)
    assert finding.level == "warning"
    assert "not 'crates'" in finding.text


@pytest.mark.parametrize("label", ["cu126", "cu134", "cu150", "cu113", "rocm6.4", "rocm8.0", "xpu"])
def test_a_build_that_there_may_be_is_not_called_wrong(label: str) -> None:
    settings = Settings(variants=label, target="gpu=A100")
    assert list(unknown_words(settings, {}, Plugins(entry_points=False))) == []
