"""Numbers and nouns, articles, and what is shown of a value that somebody typed."""

from __future__ import annotations

import datetime as dt

import pytest

from headrace.wording import counted, listed, meant, nearest, noun, shown, with_article


def test_a_number_and_its_noun_agree() -> None:
    assert [counted(n, "file") for n in (0, 1, 2)] == ["0 files", "1 file", "2 files"]
    assert counted(1, "entry", "entries") == "1 entry"
    assert counted(3.0, "entry", "entries") == "3 entries"
    assert noun(1, "is", "are") == "is"


def test_the_article_goes_by_the_first_letter() -> None:
    assert with_article("integer") == "an integer"
    assert with_article("string") == "a string"


def test_a_long_list_is_counted() -> None:
    assert listed("abc") == "a, b, c"
    assert listed("abcde", most=3) == "a, b, c, 2 more"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("pakages", "; did you mean 'packages'?"),
        ("PACKAGES", "; did you mean 'packages'?"),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_what_was_meant_is_said_where_it_can_be_guessed(typed: str, said: str) -> None:
    assert meant(typed, ["packages", "nexus"]) == said


def test_a_word_that_is_no_word_is_compared_with_nothing() -> None:
    assert nearest("a" * 41, ["a" * 41]) is None
    assert nearest("a", [str(n) for n in range(1001)]) is None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (True, "true"),
        (70000, "70000"),
        (1 << 200, "a number of many digits"),
        (float("nan"), "nan"),
        (1.5, "1.5"),
        ([], "an empty list"),
        ([1], "a list"),
        ({}, "a table"),
        (dt.date(2026, 1, 1), "a date"),
        ("x\ny", "'x?y'"),
        ("a" * 100, f"'{'a' * 60}…'"),
        ("https://me:hunter2@a.example/x", "'https://me:***@a.example/x'"),
        ("python=https://me:hunter2@a.example", "'python=https://me:***@a.example'"),
        ("https://a.example/?token=hunter2", "'https://a.example/?token=***'"),
        ("https://a.example/t/hunter2/x", "'https://a.example/t/***/x'"),
        ("me:hunter2@a.example", "'***'"),
        ("https:me:hunter2@a.example", "'***'"),
    ],
)
def test_a_value_is_shown_short_and_without_its_secret(value: object, said: str) -> None:
    assert shown(value) == said
