"""Laws of byte ranges (RFC 9110 section 14)."""

from __future__ import annotations

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.http.ranges import ContentRange, RangeRequest, Unsatisfiable
from headrace.transfer.range_set import RangeSet

sizes = st.integers(0, 1 << 40)
offsets = st.integers(0, 1 << 40)


@st.composite
def requests(draw: st.DrawFn) -> RangeRequest:
    if draw(st.booleans()):
        return RangeRequest(suffix=draw(sizes))
    start = draw(offsets)
    length = draw(st.none() | st.integers(1, 1 << 40))
    return RangeRequest(start, None if length is None else start + length)


@given(requests())
def test_a_range_is_read_as_it_was_written(request: RangeRequest) -> None:
    assert RangeRequest.parse(str(request)) == request


@given(requests(), sizes)
def test_a_resolved_range_lies_in_the_file_and_is_not_empty(
    request: RangeRequest, size: int
) -> None:
    try:
        start, end = request.resolve(size)
    except Unsatisfiable:
        assert size == 0 or request.suffix == 0 or (request.start or 0) >= size
        return
    assert 0 <= start < end <= size
    if request.suffix is not None:
        assert end == size
        assert end - start == min(request.suffix, size)
    else:
        assert start == request.start
        assert request.end is None or end == min(request.end, size)


@given(offsets, st.integers(1, 1 << 40), st.none() | st.integers(0, 1 << 40))
def test_a_content_range_is_read_as_it_was_written(
    start: int, length: int, behind: int | None
) -> None:
    total = None if behind is None else start + length + behind
    value = ContentRange(start, start + length, total)
    assert ContentRange.parse(str(value)) == value


@given(st.text(alphabet="bytes=-0123456789, */x", max_size=30))
def test_no_header_breaks_the_parsers(text: str) -> None:
    RangeRequest.parse(text)
    with contextlib.suppress(ValueError):
        ContentRange.parse(text)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", RangeRequest(0, 1)),
        ("bytes=9500-", RangeRequest(9500)),
        ("bytes=-500", RangeRequest(suffix=500)),
        ("Bytes = 1-2 ", RangeRequest(1, 3)),
        (None, None),
        ("", None),
        ("bytes=-", None),
        ("bytes=2-1", None),
        ("bytes=0-1,5-6", None),
        ("lines=0-1", None),
        ("bytes=0x1-2", None),
        ("bytes=+1-2", None),
        ("bytes=" + "9" * 18 + "-", RangeRequest(int("9" * 18))),
        ("bytes=0-" + "9" * 18, RangeRequest(0, 10**18)),
        ("bytes=" + "9" * 19 + "-", None),
        ("bytes=0-" + "9" * 19, None),
        ("bytes=" + "9" * 400 + "-", None),
    ],
)
def test_headers_that_clients_send(header: str | None, expected: RangeRequest | None) -> None:
    assert RangeRequest.parse(header) == expected


@pytest.mark.parametrize(
    "header",
    [
        "bytes 5-4/9",
        "bytes 0-9/9",
        f"bytes 0-1/{'9' * 19}",
        "bytes */*",
        "items 0-1/2",
        "bytes 0-/2",
        "bytes 0-1/",
        "",
    ],
)
def test_impossible_content_ranges_are_refused(header: str) -> None:
    with pytest.raises(ValueError):
        ContentRange.parse(header)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes 0-8/9", ContentRange(0, 9, 9)),
        ("bytes 0-0/*", ContentRange(0, 1, None)),
        (" Bytes\t1-2/3 ", ContentRange(1, 3, 3)),
        ("bytes 0-1/" + "9" * 18, ContentRange(0, 2, int("9" * 18))),
    ],
)
def test_content_ranges_that_servers_send(header: str, expected: ContentRange) -> None:
    assert ContentRange.parse(header) == expected


def test_the_unsatisfied_form_gives_the_total() -> None:
    assert ContentRange.parse("bytes */47022") == ContentRange(None, None, 47022)
    assert str(ContentRange(None, None, 47022)) == "bytes */47022"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"start": 1, "suffix": 1},
        {"suffix": -1},
        {"suffix": 1, "end": 2},
        {"start": -1},
        {"start": 2, "end": 2},
    ],
)
def test_what_no_header_could_say_is_no_range(fields: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        RangeRequest(**fields)


# ---------------------------------------------------------------------- sets of ranges

operations = st.lists(st.tuples(st.booleans(), st.integers(0, 60), st.integers(0, 60)), max_size=30)


@given(operations, st.integers(0, 60), st.integers(0, 60))
def test_a_range_set_is_the_set_of_their_offsets(
    steps: list[tuple[bool, int, int]], low: int, high: int
) -> None:
    ranges, model = RangeSet(), set[int]()
    for add, start, end in steps:
        if add:
            ranges.add(start, end)
            model |= set(range(start, end))
        else:
            ranges.remove(start, end)
            model -= set(range(start, end))
        runs = list(ranges)
        assert {o for run in runs for o in range(*run)} == model
        assert all(a < b for a, b in runs)
        assert all(x[1] < y[0] for x, y in pairwise(runs))
        assert ranges.total == len(model)
    window = set(range(low, high))
    assert {o for run in ranges.within(low, high) for o in range(*run)} == model & window
    assert {o for gap in ranges.gaps(low, high) for o in range(*gap)} == window - model
    assert ranges.covers(low, high) == (window <= model)
    end = ranges.run_end(low)
    assert end not in model
    assert set(range(low, end)) <= model
    assert RangeSet(runs) == ranges if steps else not len(ranges)
