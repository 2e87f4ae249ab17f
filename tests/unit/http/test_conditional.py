from __future__ import annotations

import pytest

from headrace.http import conditional
from headrace.http.ranges import Unsatisfiable


@pytest.mark.parametrize(
    ("header", "yes"),
    [
        (None, False),
        ("", False),
        ("identity", False),
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("deflate;q=0.5, gzip;q=0.1", True),
        ("gzip;q=0", False),
        ("*", True),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("gzip;q=x", False),
        ("gzip;q", False),
        ("gzip;q=0=1", False),
        ("gzip;Q=0", False),
        ("gzip;q=0.5;x=1", True),
        ("gzip;x=1; q=0", False),
        ("x-gzip", True),
        ("GZIP", True),
    ],
)
def test_gzip_is_sent_to_those_who_take_it(header: str | None, yes: bool) -> None:  # noqa: FBT001
    assert conditional.accepts_gzip(header) is yes


def test_if_none_match_compares_weakly() -> None:
    assert conditional.matches('W/"a"', ['"a"'])
    assert conditional.matches('"b", "a"', ['"a"'])
    assert conditional.matches('"b","a"', ['"a"'])
    assert conditional.matches('"a"', ['W/"a"'])
    assert conditional.matches('"a"', ['"b"', '"a"'])
    assert conditional.matches("*", ['"a"'])
    assert conditional.matches(" * ", ['"a"'])
    assert not conditional.matches('"b"', ['"a"'])
    assert not conditional.matches(None, ['"a"'])


TAG = '"abc"'


@pytest.mark.parametrize(
    ("headers", "start", "end", "partial"),
    [
        ({}, 0, 100, False),
        ({"range": "bytes=10-19"}, 10, 20, True),
        ({"range": "bytes=90-"}, 90, 100, True),
        ({"range": "bytes=90-500"}, 90, 100, True),
        ({"range": "bytes=-10"}, 90, 100, True),
        ({"range": "bytes=-500"}, 0, 100, True),
        ({"range": "bytes=0-1,5-6"}, 0, 100, False),
        ({"range": "lines=1-2"}, 0, 100, False),
        ({"range": "bytes=5-2"}, 0, 100, False),
        ({"range": "bytes=10-19", "if-range": TAG}, 10, 20, True),
        ({"range": "bytes=10-19", "if-range": '"other"'}, 0, 100, False),
        ({"range": "bytes=10-19", "if-range": f"W/{TAG}"}, 0, 100, False),
        ({"range": "bytes=10-19", "if-range": "Sat, 01 Jan 2022 00:00:00 GMT"}, 0, 100, False),
    ],
)
def test_range_of_a_client(headers: dict[str, str], start: int, end: int, partial: bool) -> None:  # noqa: FBT001
    wanted = conditional.select_range(headers, 100, TAG)
    assert wanted == conditional.SelectedRange(start, end, partial)


def test_weak_tag_of_ours_makes_no_part() -> None:
    weak = f"W/{TAG}"
    wanted = conditional.select_range({"range": "bytes=10-19", "if-range": weak}, 100, weak)
    assert wanted == conditional.SelectedRange(0, 100, partial=False)


@pytest.mark.parametrize("text", ["bytes=100-", "bytes=200-300", "bytes=-0"])
def test_range_behind_the_end_is_unsatisfiable(text: str) -> None:
    with pytest.raises(Unsatisfiable):
        conditional.select_range({"range": text}, 100, TAG)
