"""What is recorded of downloads, in sentences, and which file somebody means."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.cli.upkeep.shown.telling import is_about, of_entry, story

NOW = 1_800_000_000.0
CAME: dict[str, Any] = {
    "at": NOW - 60,
    "kind": "came",
    "tool": "pip",
    "ecosystem": "python",
    "name": "big_thing-1.0-py3-none-any.whl",
    "path": "/packages/aa/bb/cc/big_thing-1.0-py3-none-any.whl",
    "origin": "https://index.example/simple",
    "private": False,
    "digest": f"sha256:{'ab' * 32}",
    "size": 20_000_000,
    "seconds": 2.0,
    "sources": {"origin": 5_000_000, "near": 15_000_000},
    "failed": [
        {"source": "far", "fault": "rate-limited", "detail": "429"},
        {"source": "far", "fault": "rate-limited", "detail": "429"},
    ],
    "left": {"other": "keeps other things than this file"},
}


def test_a_line_says_who_what_how_fast_from_whom_and_who_failed() -> None:
    assert of_entry(CAME) == (
        "pip big_thing-1.0-py3-none-any.whl: 20.0 MB in 2.0 s, 10.0 MB/s from near (15.0 MB), "
        "origin (5.0 MB); failed: far"
    )
    assert of_entry({**CAME, "kind": "was here"}).endswith("20.0 MB from the store")
    assert of_entry({"at": NOW, "kind": "incident", "what": "x\x1b[1m"}) == "incident x?[1m"


def test_a_story_names_every_source_and_why_the_others_gave_nothing() -> None:
    told = "\n".join(story(CAME, NOW))
    for part in (
        "for pip",
        "near: 15.0 MB (75%)",
        "origin: 5.0 MB (25%)",
        "far wants to be left alone for a while (429, 503): 429 (2 times)",
        "other keeps other things than this file",
        CAME["digest"],
    ):
        assert part in told


@pytest.mark.parametrize(
    "what",
    [
        "big_thing-1.0-py3-none-any.whl",
        "https://files.example/packages/aa/bb/cc/big_thing-1.0-py3-none-any.whl#sha256=x",
        "/packages/aa/bb/cc/big_thing-1.0-py3-none-any.whl",
        "big-thing",
        "Big_Thing",
        "sha256:abababab",
        "ababab",
    ],
)
def test_a_file_is_known_by_every_name_that_people_have_for_it(what: str) -> None:
    assert is_about(CAME, what)


@pytest.mark.parametrize(
    "what", ["big", "thing", "ab", "https://files.example/", "", "/", "other-1.0.whl", "sha256:00"]
)
def test_what_is_another_file_is_not_meant(what: str) -> None:
    assert not is_about(CAME, what)
    assert not is_about({"at": 1, "kind": "incident", "what": what}, what)


@pytest.mark.parametrize("field", [key for key in CAME if key not in ("at", "kind")])
@pytest.mark.parametrize("value", [None, 5, "x", [], [5], {}, {"a": "b"}, True])
def test_an_entry_of_another_version_is_told_as_far_as_it_goes(field: str, value: object) -> None:
    entry = {**CAME, field: value}
    assert of_entry(entry)
    assert list(story(entry, NOW))
    is_about(entry, "big-thing")
