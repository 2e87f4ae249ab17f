"""Which port the runs with the same indexes have."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.config import Folders
from headrace.errors import LocalError
from headrace.interface.hookspecs import DiscoveredOrigin
from headrace.models import Origin
from headrace.system.service.runs.places import key_of, port_of, record_port


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "config", tmp_path / "state", tmp_path / "cache")


def found(url: str, name: str = "default") -> DiscoveredOrigin:
    return DiscoveredOrigin(Origin("birds", url, name=name), "a file")


def every_free(_: str, port: int) -> bool:
    return port > 0


def test_each_set_of_indexes_keeps_its_port_whoever_has_it_at_the_moment(folders: Folders) -> None:
    assert port_of(folders, "a", 9000, every_free) == 9000
    assert port_of(folders, "b", 9000, every_free) == 9001
    assert port_of(folders, "c", 9000, lambda _, port: port > 9005) == 9006
    for key, port in (("a", 9000), ("b", 9001), ("c", 9006)):
        assert port_of(folders, key, 9000, lambda *_: False) == port


def test_port_that_the_settings_name_now_is_taken_in_place_of_an_old_one(folders: Folders) -> None:
    assert port_of(folders, "a", 9000, every_free) == 9000
    assert port_of(folders, "a", 9500, every_free) == 9500
    assert port_of(folders, "a", 0, every_free) == 17223


def test_on_has_its_port_for_its_indexes_and_others_take_another(folders: Folders) -> None:
    mine, other = [found("https://a.example")], [found("https://b.example")]
    assert port_of(folders, key_of(other), 9000, every_free) == 9000
    record_port(folders, mine, 9000, 9000)
    assert port_of(folders, key_of(mine), 9000, every_free) == 9000
    assert port_of(folders, key_of(other), 9000, every_free) == 9001


def test_table_does_not_grow_for_ever(folders: Folders) -> None:
    for number in range(50):
        port_of(folders, str(number), 9000, every_free)
    assert port_of(folders, "49", 9000, every_free) < 9000 + 50
    assert (folders.state / "run/ports").read_text("ascii").count("[") <= 32


def test_table_that_makes_no_sense_is_said_to_be_unreadable(folders: Folders) -> None:
    path = folders.state / "run/ports"
    path.parent.mkdir(parents=True, mode=0o700)
    path.write_text('{"a": 3}', "ascii")
    with pytest.raises(LocalError, match="cannot be read"):
        port_of(folders, "a", 9000, every_free)


def test_hosts_that_a_path_names_are_no_part_of_what_is_told_apart() -> None:
    a, b = found("https://a.example"), found("https://b.example")
    host = found("https://c.example", "c.example")
    assert key_of([a]) == key_of([a, host]) == key_of([host, a, a])
    assert len({key_of([a]), key_of([b]), key_of([found(a.origin.url, "other")]), key_of([])}) == 4
