"""What a mirror lacks, and the mirror that stands still."""

from __future__ import annotations

import pytest

from headrace.policy import missing_objects
from headrace.policy.missing_objects import LIFETIME, MissingObjects

NOW = 1_800_000_000.0


def test_what_a_mirror_lacks_is_remembered_for_a_while_and_for_that_file() -> None:
    lacking = MissingObjects()
    lacking.missing("m", "wheel", "/a", NOW)
    assert lacking.lacks("m", "/a", NOW + LIFETIME - 1)
    assert not lacking.lacks("m", "/a", NOW + LIFETIME)
    assert not lacking.lacks("m", "/b", NOW)
    assert not lacking.lacks("n", "/a", NOW)
    lacking.found("m", "wheel", "/a")
    assert not lacking.lacks("m", "/a", NOW)


def test_a_mirror_without_three_files_in_a_row_stands_still_until_it_gives_one() -> None:
    lacking = MissingObjects()
    for path in ("/a", "/a", "/a", "/b"):
        lacking.missing("m", "wheel", path, NOW)
    assert not lacking.stands_still("m", "wheel", NOW), "two different files"
    lacking.missing("m", "wheel", "/c", NOW)
    assert lacking.stands_still("m", "wheel", NOW)
    assert not lacking.stands_still("m", "other", NOW)
    assert not lacking.stands_still("m", "wheel", NOW + LIFETIME + 1)
    lacking.found("m", "wheel")
    assert not lacking.stands_still("m", "wheel", NOW)


def test_a_row_of_missing_files_is_one_of_late_and_ends_with_its_third() -> None:
    lacking = MissingObjects()
    for number in range(3):
        lacking.missing("slow", "wheel", f"/{number}", NOW + number * LIFETIME)
        lacking.missing("slower", "wheel", f"/{number}", NOW + number * (LIFETIME + 1))
    end = NOW + 2 * LIFETIME
    assert lacking.stands_still("slow", "wheel", end + LIFETIME)
    assert not lacking.stands_still("slow", "wheel", end + LIFETIME + 1)
    assert not lacking.stands_still("slower", "wheel", end + 2)
    lacking.missing("slow", "wheel", "/3", end + LIFETIME)
    assert not lacking.stands_still("slow", "wheel", end + LIFETIME + 1), "the row is not prolonged"


def test_one_who_gives_what_nobody_missed_is_no_trouble() -> None:
    lacking = MissingObjects()
    lacking.found("m", "wheel", "/a")
    assert not lacking.lacks("m", "/a", 0.5)


def test_of_the_lacking_files_the_newest_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missing_objects, "_MOST", 2)
    lacking = MissingObjects()
    for path in ("/a", "/b", "/a", "/c"):
        lacking.missing("m", "wheel", path, NOW)
    assert [lacking.lacks("m", path, NOW) for path in ("/a", "/b", "/c")] == [True, False, True]


def test_the_table_of_lacking_files_is_bounded() -> None:
    lacking = MissingObjects()
    for number in range(10_000):
        lacking.missing("m", "wheel", f"/{number}", NOW)
    assert len(lacking._until) <= 4096
    assert lacking.lacks("m", "/9999", NOW)
