"""Who brings which bytes: requests that grow, shrink, are copied, and seconds that were our own."""

from __future__ import annotations

import pytest

from headrace.transfer.range_set import RangeSet
from headrace.transfer.segments import STALE, Segment, Segments


def begun(size: int, *requests: tuple[int, int]) -> tuple[Segments, list[Segment]]:
    segments = Segments()
    segments.resize(size, RangeSet())
    made = [Segment(n, "m", start, end, 0.0) for n, (start, end) in enumerate(requests)]
    for segment in made:
        segments.launch(segment)
    return segments, made


def test_request_goes_on_into_what_is_free_behind_it_and_no_further() -> None:
    segments, (first, second) = begun(100, (0, 10), (50, 60))
    segments.extend(first)
    assert (first.end, list(segments.free)) == (50, [(60, 100)])
    segments.extend(first)
    assert (first.end, list(segments.free)) == (50, [(60, 100)])
    segments.extend(second)
    assert (second.end, list(segments.free)) == (100, [])


def test_request_that_is_shortened_gives_the_rest_back_and_keeps_what_came() -> None:
    segments, (only,) = begun(100, (0, 100))
    assert segments.accept(only, 30) == [(0, 30)]
    segments.shorten(only, 60)
    assert (only.end, only.left, list(segments.free)) == (60, 30, [(60, 100)])
    segments.shorten(only, 10)
    assert (only.end, only.left, list(segments.free)) == (30, 0, [(30, 100)])
    assert segments.accept(only, 5) == []


def test_copies_know_each_other_and_the_later_one_is_superfluous() -> None:
    segments, (first, second) = begun(100, (0, 100), (40, 100))
    assert first.hedged
    assert second.hedged
    assert [segments.at(offset) for offset in (39, 40, 100)] == [[first], [first, second], []]
    assert segments.accept(second, 60) == [(40, 100)]
    assert list(segments.superfluous()) == []
    assert segments.accept(first, 100) == [(0, 40)]
    assert segments.missing == 0
    assert not segments.lacks(first)
    assert segments.accept(first, 1) == [], "more than it was asked for"


def test_copy_of_what_somebody_else_has_brought_is_superfluous() -> None:
    segments, (first, second) = begun(100, (0, 100), (40, 100))
    segments.accept(first, 50)
    assert list(segments.superfluous()) == []
    segments.accept(first, 50)
    assert list(segments.superfluous()) == [second]
    assert not segments.lacks(second)
    second.check = True  # a comparison is of what is held already
    assert list(segments.superfluous()) == []
    assert segments.lacks(second)


def test_only_one_left_of_two_copies_is_told_where_bytes_begin_that_are_held() -> None:
    segments, (first, second) = begun(4 * STALE, (0, 4 * STALE), (STALE, 4 * STALE))
    segments.accept(second, STALE)
    assert list(segments.stale()) == []
    segments.remove(second)
    assert list(segments.stale()) == [(first, STALE)]
    segments, (first, second) = begun(4 * STALE, (0, 4 * STALE), (STALE, 4 * STALE))
    segments.accept(second, STALE - 1)
    segments.remove(second)
    assert list(segments.stale()) == []


def test_request_that_is_removed_frees_what_nobody_else_brings() -> None:
    segments, (first, second) = begun(100, (0, 100), (40, 60))
    segments.accept(first, 10)
    segments.remove(first)
    assert list(segments.free) == [(10, 40), (60, 100)]
    segments.remove(first)
    assert list(segments.in_flight.values()) == [second]


def test_bytes_that_are_forgotten_are_free_again() -> None:
    segments, (only,) = begun(100, (0, 100))
    segments.accept(only, 100)
    segments.remove(only)
    segments.forget(20, 30)
    assert (segments.missing, list(segments.free)) == (10, [(20, 30)])
    assert segments.front((50, 20)) == 20
    assert segments.front((40,)) == 20


def test_seconds_of_our_own_sleep_are_nobodys_silence() -> None:
    segment = Segment(1, "m", 0, 1000, 0.0)
    segment.opened(1.0)
    segment.meter.add(100, 1.2)
    before = segment.rate(1.2)
    segment.shift(10.0)
    assert (segment.asked_at, segment.last) == (10.0, 11.0)
    assert segment.rate(11.2) == pytest.approx(before)


def test_request_shows_what_it_is() -> None:
    segment = Segment(7, "m", 10, 20, 0.0)
    assert repr(segment) == "<7 m [10, 20) at 10>"
    segment.check = segment.hedged = True
    assert repr(segment) == "<7?~ m [10, 20) at 10>"
