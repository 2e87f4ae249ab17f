"""The mutation run drives rooms and tests that are there: a move would leave it nothing to do."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from lib import mutation

HERE = Path(mutation.__file__).resolve().parents[3]
SOURCE = HERE / "shared" / "headrace"


@pytest.mark.parametrize("name", mutation.ROOMS)
def test_room_has_its_files_and_its_tests(name: str) -> None:
    room = mutation.ROOMS[name]
    assert all(list(SOURCE.glob(pattern)) for pattern in room.files)
    assert all((HERE / "tests" / path).exists() for path in room.tests)


def test_what_is_explained_is_about_files_that_are_there_and_says_why() -> None:
    known = tomllib.loads(Path(mutation.__file__).with_name("equivalent_mutants.toml").read_text())
    assert all((SOURCE / name).is_file() for name in known)
    assert all(why for table in known.values() for why in table.values())
