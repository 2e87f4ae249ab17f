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
        ({"range": "lines=1-2"}, 0, 100, False),
        ({"range": "bytes=5-2"}, 0, 100, False),
        ({"range": "bytes=10-19", "if-range": TAG}, 10, 20, True),
        ({"range": "bytes=10-19", "if-range": '"other"'}, 0, 100, False),
        ({"range": "bytes=10-19", "if-range": f"W/{TAG}"}, 0, 100, False),
        ({"range": "bytes=10-19", "if-range": "Sat, 01 Jan 2022 00:00:00 GMT"}, 0, 100, False),
    ],
)
def test_range_of_a_client(headers: dict[str, str], start: int, end: int, partial: bool) -> None:  # noqa: FBT001
    wanted = conditional.select_ranges(headers, 100, TAG)
    assert wanted == conditional.SelectedRanges(((start, end),), 100, partial)


def test_weak_tag_of_ours_makes_no_part() -> None:
    weak = f"W/{TAG}"
    wanted = conditional.select_ranges({"range": "bytes=10-19", "if-range": weak}, 100, weak)
    assert wanted == conditional.SelectedRanges.whole(100)


@pytest.mark.parametrize("text", ["bytes=100-", "bytes=200-300", "bytes=-0"])
def test_range_behind_the_end_is_unsatisfiable(text: str) -> None:
    with pytest.raises(Unsatisfiable):
        conditional.select_ranges({"range": text}, 100, TAG)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("bytes=0-1,5-6", [(0, 2), (5, 7)]),
        ("bytes=50-59 ,\t10-19", [(50, 60), (10, 20)]),
        ("bytes=,0-1,,5-6,", [(0, 2), (5, 7)]),
        ("bytes=0-9,10-19", [(0, 10), (10, 20)]),
        ("bytes=0-0,-1", [(0, 1), (99, 100)]),
        ("bytes=90-,0-0", [(90, 100), (0, 1)]),
        ("bytes=0-9,5-14,50-50", [(0, 15), (50, 51)]),
        ("bytes=50-50,5-14,0-9", [(50, 51), (0, 15)]),
        ("bytes=0-0,0-0,0-0", [(0, 1)]),
        ("bytes=0-,-5,3-4", [(0, 100)]),
        ("bytes=5-5,100-,200-300", [(5, 6)]),
        ("bytes=20-,100-,-0", [(20, 100)]),
    ],
)
def test_several_ranges_are_parts_in_their_order_and_overlapping_ones_are_one(
    text: str, parts: list[tuple[int, int]]
) -> None:
    wanted = conditional.select_ranges({"range": text}, 100, TAG)
    assert wanted == conditional.SelectedRanges(tuple(parts), 100)
    assert wanted.total == sum(end - start for start, end in parts)


@pytest.mark.parametrize(
    "text",
    [
        "bytes=0-1,5-2",
        "bytes=0-1,x",
        "bytes=0-1;5-6",
        "bytes=0-1,bytes=5-6",
        "bytes=0-1 5-6",
        "bytes=0-1,5 - 6",
        "bytes=0-1,-",
        "bytes=,",
        "bytes=",
        "bytes",
        "bytes=0-1," + "9" * 19 + "-",
    ],
)
def test_one_ill_formed_range_makes_the_whole_header_nothing(text: str) -> None:
    wanted = conditional.select_ranges({"range": text}, 100, TAG)
    assert wanted == conditional.SelectedRanges.whole(100)


@pytest.mark.parametrize("text", ["bytes=100-,200-300", "bytes=-0,100-"])
def test_ranges_that_all_lie_behind_the_end_are_unsatisfiable(text: str) -> None:
    with pytest.raises(Unsatisfiable):
        conditional.select_ranges({"range": text}, 100, TAG)


def test_ranges_of_one_answer_are_bounded_and_those_that_are_one_count_as_one() -> None:
    most = conditional.MOST_RANGES
    apart = [f"{2 * n}-{2 * n}" for n in range(most + 1)]
    size = 2 * most + 2
    wanted = conditional.select_ranges({"range": f"bytes={','.join(apart[:-1])}"}, size, TAG)
    assert len(wanted.parts) == most
    with pytest.raises(conditional.ExcessiveRanges):
        conditional.select_ranges({"range": f"bytes={','.join(apart)}"}, size, TAG)
    same = ",".join(["0-9"] * 3 * most)
    assert conditional.select_ranges({"range": f"bytes={same}"}, size, TAG).parts == ((0, 10),)
