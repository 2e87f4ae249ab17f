from __future__ import annotations

import importlib.metadata
import sys
import zipfile
from pathlib import Path

import pytest

from headrace.interface import entry_points

POINTS = """\
[console_scripts]
acme = acme:main

# ours
[headrace]
# and a remark
acme = acme_headrace
 other=acme_headrace.more:Thing.part [extra]

[headrace.more]
not = mine
"""


def put(folder: Path, name: str, text: str = POINTS) -> Path:
    (folder / name).mkdir(parents=True)
    (folder / name / "entry_points.txt").write_text(text)
    return folder


def known(group: str) -> list[tuple[str, ...]]:
    every = importlib.metadata.entry_points(group=group)
    whose = {each.value: each.dist.name if each.dist else "" for each in every}
    plain = {
        value: name.lower().replace("_", "-").replace(".", "-") for value, name in whose.items()
    }
    return sorted((each.name, each.value, plain[each.value]) for each in every)


def ours(group: str) -> list[tuple[str, ...]]:
    return sorted(tuple(each) for each in entry_points.of_group(group))


def test_they_are_those_that_python_itself_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    put(first, "Acme_Headrace-2.0.dist-info")
    (first / "Acme_Headrace-2.0.dist-info/METADATA").write_text("Name: Acme_Headrace\n")
    put(second, "acme.headrace-1.0.dist-info", "[headrace]\nhidden = by.the.first\n")
    put(second, "old.egg-info", "[headrace]\nold = old_one\n")
    (second / "old.egg-info/PKG-INFO").write_text("Name: old\n")
    put(second, "none-1.dist-info", "")
    (second / "bare-1.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [str(first), str(tmp_path / "gone"), str(second), *sys.path])
    for group in ("headrace", "console_scripts", "headrace.more", "nobody"):
        assert ours(group) == known(group)
    other = ("other", "acme_headrace.more:Thing.part [extra]", "acme-headrace")
    assert other in ours("headrace")
    assert "hidden" not in {name for name, *_ in ours("headrace")}


def test_what_lies_in_an_archive_is_told_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "packed.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("packed-1.dist-info/METADATA", "Name: packed\nVersion: 1\n")
        file.writestr("packed-1.dist-info/entry_points.txt", "[headrace]\npacked = packed_one\n")
    monkeypatch.setattr(sys, "path", [str(archive), *sys.path])
    assert ("packed", "packed_one", "packed") in ours("headrace")


def test_one_leads_to_a_module_or_to_what_is_in_it() -> None:
    assert entry_points.EntryPoint("a", "os.path", "acme").load() is sys.modules["os.path"]
    found = entry_points.EntryPoint("b", "pathlib:Path.home [extra]", "acme").load()
    assert found == Path.home
    with pytest.raises(AttributeError):
        entry_points.EntryPoint("c", "pathlib:Nothing", "acme").load()
