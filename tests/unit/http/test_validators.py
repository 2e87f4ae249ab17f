"""What tells that two answers are of the very same bytes."""

from __future__ import annotations

import pytest

from headrace.http.validators import same_version, strong_etag, validator

OLD, NEW = "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:38 GMT"


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({}, None),
        ({"etag": '"a"'}, '"a"'),
        ({"etag": '"a"', "last-modified": OLD, "date": NEW}, '"a"'),
        ({"etag": 'W/"a"'}, None),
        ({"etag": "a"}, None),
        ({"etag": '""'}, None),
        ({"etag": 'W/"a"', "last-modified": OLD, "date": NEW}, OLD),
        ({"last-modified": OLD, "date": NEW}, OLD),
        ({"last-modified": OLD, "date": OLD}, None),
        ({"last-modified": NEW, "date": OLD}, None),
        ({"last-modified": OLD}, None),
        ({"last-modified": "long ago", "date": NEW}, None),
        ({"last-modified": "0", "date": NEW}, None),
    ],
)
def test_validator_is_a_strong_tag_or_a_time_that_has_passed(
    headers: dict[str, str], named: str | None
) -> None:
    assert validator(headers) == named


@pytest.mark.parametrize(
    ("named", "status", "headers", "same"),
    [
        (None, 206, {}, False),
        ('"a"', 206, {"etag": '"a"'}, True),
        ('"a"', 200, {"etag": '"a"'}, True),
        ('"a"', 206, {}, False),
        ('"a"', 206, {"etag": 'W/"a"'}, False),
        ('"a"', 206, {"etag": '"b"'}, False),
        (OLD, 206, {"last-modified": OLD}, True),
        (OLD, 206, {"last-modified": NEW}, False),
        (OLD, 206, {}, True),
        (OLD, 200, {}, False),
        (OLD, 200, {"last-modified": OLD}, True),
    ],
)
def test_version_is_the_same_where_the_answer_says_so(
    named: str | None, status: int, headers: dict[str, str], *, same: bool
) -> None:
    assert same_version(named, status, headers) is same


def test_tag_is_strong_where_it_says_nothing_else() -> None:
    assert strong_etag(' "a" ') == '"a"'
    assert strong_etag(None) is strong_etag("") is strong_etag('W/"a"') is None
