"""A settings file that changes while the gateway runs: what it says of mirrors holds at once."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.config import Folders, Settings
from headrace.interface.manager import Plugins
from headrace.sources.candidates import Candidates
from headrace.sources.live_settings import LiveSettings
from headrace.system.statistics import Statistics
from headrace.upstream.client import Client

OWN = '[[mirror]]\nid = "{0}"\nurl = "https://{0}.example"\n'


class Place:
    """A settings file, and a clock."""

    def __init__(self, root: Path) -> None:
        self.folders = Folders(root, root, root)
        self.file = root / "config.toml"
        self.now = 0.0
        self.written = 0
        self.write("store_limit = 5\n" + OWN.format("one"))
        settings, _ = Settings.read(self.folders, {})
        self.live = LiveSettings(settings, self.folders, {}, clock=lambda: self.now)

    def write(self, text: str) -> None:
        self.file.write_text(text)
        self.written += 1
        os.utime(self.file, ns=(self.written, self.written))

    def ids(self) -> list[str]:
        self.now += 1
        return [mirror.id for mirror in self.live().mirrors]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_what_is_said_of_mirrors_holds_at_once_and_all_else_at_the_next_start(
    place: Place,
) -> None:
    assert place.ids() == ["one"]
    place.write('store_limit = 9\ndisabled_mirrors = ["x"]\n' + OWN.format("two"))
    assert place.ids() == ["two"]
    assert place.live().disabled_mirrors == {"x"}
    assert place.live().store_limit == 5
    place.file.unlink()
    assert place.ids() == []


def test_a_file_with_a_mistake_changes_nothing_until_it_is_mended(place: Place) -> None:
    for wrong in ("mirror = 5\n", "not toml", "port = 'x'\n" + OWN.format("two")):
        place.write(wrong)
        assert place.ids() == ["one"]
    place.write(OWN.format("two"))
    assert place.ids() == ["two"]


def test_a_file_that_stays_is_the_same_settings_and_is_looked_at_now_and_then(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = place.live()
    place.now += 1
    assert place.live() is first
    monkeypatch.setattr(Path, "stat", lambda *_, **__: pytest.fail("looked at too early"))
    assert place.live() is first


def test_settings_without_a_file_stay(place: Place) -> None:
    constant = replace(Settings(), source=None)
    assert LiveSettings(constant, place.folders, {})() is constant


def test_candidates_are_those_of_now(place: Place) -> None:
    settings = place.live()
    plugins = Plugins([], entry_points=False)
    statistics = Statistics(None)
    sources = Candidates(plugins, settings, statistics, Client({}), "home", live=place.live)
    assert [mirror.id for mirror in sources.mirrors("python")] == ["one"]
    place.write(OWN.format("one") + OWN.format("two") + OWN.format("three"))
    place.now += 1
    assert [mirror.id for mirror in sources.mirrors("python")] == ["one", "two", "three"]
    place.write('disabled_mirrors = ["two"]\n' + OWN.format("two") + OWN.format("three"))
    place.now += 1
    assert [mirror.id for mirror in sources.mirrors("python")] == ["three"]
