"""What follows a digest that does not agree: who is asked, who goes, which bytes, and the end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headrace.models import Fault, Source
from headrace.transfer import messages as m
from headrace.transfer.culprit_search import EARLIER
from headrace.transfer.integrity_check import SOON, IntegrityCheck
from headrace.transfer.range_set import RangeSet
from headrace.transfer.source_state import SourceState
from headrace.transfer.state import TransferState

MB = 1 << 20
A = Source("a", "http://a/f", connections=4, rate=5e6, rtt=0.03)
B = Source("b", "http://b/f", connections=4, rate=4e6, rtt=0.03)
C = Source("c", "http://c/f", connections=4, rate=3e6, rtt=0.03)
ORIGIN = Source("origin", "http://origin/f", is_origin=True, connections=4, rate=2e6, rtt=0.1)
WRONG = "its bytes do not have the digest"
CONTRADICTED = "another source contradicts it"


def wrong(
    given: dict[str, tuple[int, int]], *sources: Source
) -> tuple[TransferState, IntegrityCheck]:
    """Return the state of a file that is all here, and wrong, and its check, opened."""
    state = TransferState()
    for source in sources:
        state.sources[source.id] = SourceState(source, 0.0)
    state.segments.resize(max(end for _, end in given.values()), RangeSet())
    for who, (start, end) in given.items():
        state.segments.held.add(start, end)
        state.segments.free.remove(start, end)
        state.credit(who, start, end)
    check = IntegrityCheck(state)
    check.open()
    return state, check


def advance(check: IntegrityCheck, now: float = 0.0) -> list[m.Fetch]:
    """Let it ask; return whom and for what."""
    out: list[m.Action] = []
    assert check.advance(now, out) is None
    return [action for action in out if isinstance(action, m.Fetch)]


def answer(check: IntegrityCheck, fetch: m.Fetch, differs_at: int | None = None) -> list[m.Action]:
    """Let a comparison be done, with one result for all of it."""
    out: list[m.Action] = []
    assert fetch.end is not None
    check.compared(m.Compared(fetch.request, fetch.start, fetch.end, differs_at), out)
    check._state.drop(fetch.request)
    return out


def agree(check: IntegrityCheck) -> m.Fail | None:
    """Let everybody confirm whatever is asked, until nothing more is."""
    for _ in range(99):
        out: list[m.Action] = []
        failure = check.advance(0.0, out)
        asked = [action for action in out if isinstance(action, m.Fetch)]
        if failure is not None or check.search is None:
            return failure
        for fetch in asked:
            answer(check, fetch)
    pytest.fail("it asks for ever")


def test_culprit_goes_with_its_bytes_and_the_others_stay() -> None:
    state, check = wrong({"a": (0, MB), "b": (MB, 2 * MB), "c": (2 * MB, 3 * MB)}, A, B, C, ORIGIN)
    asked = {fetch.source: fetch for fetch in advance(check)}
    assert {who: fetch.start for who, fetch in asked.items()} == {"a": MB, "b": 0, "origin": 2 * MB}
    assert all(segment.check for segment in state.segments.in_flight.values())
    assert answer(check, asked["b"], 5) == [m.Cancel(asked["b"].request)]
    assert answer(check, asked["origin"]) == []
    [tie] = advance(check)
    assert (tie.source, tie.start, tie.end) == ("origin", 5, 5 + (64 << 10))
    assert answer(check, tie, 5) == [
        m.Cancel(tie.request),
        m.SourceFault("a", Fault.WRONG_BYTES, CONTRADICTED),
        m.Cancel(asked["a"].request),
        m.Forget(0, MB),
    ]
    assert state.sources["a"].out is Fault.WRONG_BYTES
    assert [u.id for u in state.eligible()] == ["b", "c", "origin"]
    assert list(state.segments.held) == [(MB, 3 * MB)]
    assert list(state.segments.free) == [(0, MB)]
    assert (check.search, dict(state.segments.in_flight)) == (None, {})


def test_bytes_of_the_culprit_that_another_confirmed_stay() -> None:
    state, check = wrong({"a": (0, 9 * MB)}, A, ORIGIN)
    [last] = advance(check)
    assert (last.start, last.end) == (8 * MB, 9 * MB)
    assert answer(check, last) == []
    [before] = advance(check)
    out = answer(check, before, before.start + 7)
    assert m.Forget(0, 8 * MB) in out
    assert list(state.segments.held) == [(8 * MB, 9 * MB)]
    assert list(state.provenance["a"]) == [(8 * MB, 9 * MB)]


def test_what_corrupt_sources_confirmed_to_each_other_goes_with_the_second_of_them() -> None:
    state, check = wrong({"a": (0, 9 * MB)}, A, B, ORIGIN)
    by_source = {fetch.source: fetch for fetch in advance(check)}
    last = by_source["b"]
    assert (last.start, last.end) == (8 * MB, 9 * MB)
    answer(check, last)
    answer(check, by_source["origin"], by_source["origin"].start)
    assert list(state.segments.held) == [(8 * MB, 9 * MB)]
    state.segments.held.add(0, 8 * MB)
    state.segments.free.remove(0, 8 * MB)
    state.credit("b", 0, 8 * MB)
    check.open()
    [fetch, *_] = [each for each in advance(check) if each.start < 8 * MB]
    out = answer(check, fetch, fetch.start)
    assert m.SourceFault("b", Fault.WRONG_BYTES, CONTRADICTED) in out
    assert list(state.segments.held) == []
    assert (check.search, state.provenance["a"].total) == (None, 0)


def test_part_of_a_comparison_confirms_nothing_yet() -> None:
    state, check = wrong({"a": (0, MB)}, A, ORIGIN)
    [fetch] = advance(check)
    out: list[m.Action] = []
    check.compared(m.Compared(fetch.request, 0, 1000, None), out)
    assert advance(check) == []
    check.compared(m.Compared(fetch.request, 1000, MB, 2000), out)
    assert state.sources["a"].out is Fault.WRONG_BYTES


def test_who_only_contradicted_goes_and_the_search_goes_on() -> None:
    state, check = wrong({"a": (0, MB)}, A, B, ORIGIN)
    [first] = advance(check)
    assert first.source == "b"
    answer(check, first, 5)
    [tie] = advance(check)
    out = answer(check, tie)
    assert m.SourceFault("b", Fault.WRONG_BYTES, CONTRADICTED) in out
    assert [u.id for u in state.eligible()] == ["a", "origin"]
    assert not [action for action in out if isinstance(action, m.Forget)]
    assert [fetch.source for fetch in advance(check)] == ["origin"]


def test_dispute_that_nobody_is_left_to_settle_costs_who_gave_the_bytes() -> None:
    state, check = wrong({"a": (0, MB)}, A, B)
    [first] = advance(check)
    answer(check, first, 5)
    out: list[m.Action] = []
    assert check.advance(0.0, out) is None
    assert m.SourceFault("a", Fault.WRONG_BYTES, WRONG) in out
    assert [u.id for u in state.eligible()] == ["b"]
    assert m.Forget(0, MB) in out


def test_comparison_that_is_lost_is_asked_for_again() -> None:
    state, check = wrong({"a": (0, MB)}, A, ORIGIN)
    [first] = advance(check)
    state.drop(first.request)
    assert advance(check) == []
    check.lost(first.request)
    [again] = advance(check)
    assert (again.start, again.end) == (first.start, first.end)


def test_comparison_under_way_is_waited_for_though_its_source_is_asked_for_no_other() -> None:
    state, check = wrong({"a": (0, MB)}, A, ORIGIN)
    [fetch] = advance(check)
    for upstream in state.sources.values():
        upstream.paused_until = 100.0
    assert advance(check) == []
    assert check.search is not None
    assert answer(check, fetch) == []
    assert len(state.eligible()) == 2


def test_comparison_of_a_search_that_is_over_changes_nothing() -> None:
    state, check = wrong({"a": (0, MB)}, A, ORIGIN)
    [fetch] = advance(check)
    answer(check, fetch, 0)
    assert check.search is None
    check.lost(fetch.request)
    assert answer(check, fetch, 0) == []
    assert [u.id for u in state.eligible()] == ["origin"]


# ------------------------------------------------------------------------- who is asked


@pytest.mark.parametrize(
    ("pause", "ranged", "asked"),
    [
        (0.0, True, ["b"]),
        (SOON - 0.1, True, []),  # worth waiting for
        (SOON, True, ["origin"]),
        (0.0, False, ["origin"]),
    ],
)
def test_who_is_away_for_long_or_has_no_ranges_is_asked_for_no_comparison(
    pause: float,
    ranged: bool,  # noqa: FBT001 - a table
    asked: list[str],
) -> None:
    slow = replace(ORIGIN, rate=1e5)  # asked only where nobody else can be
    state, check = wrong({"a": (0, MB)}, A, B, slow)
    state.sources["b"].paused_until = 10.0 + pause
    state.sources["b"].ranged = ranged
    assert [fetch.source for fetch in advance(check, 10.0)] == asked


def test_nobody_waits_for_one_that_fails_whenever_it_is_asked() -> None:
    slow = replace(ORIGIN, rate=1e5)  # asked only where nobody else can be
    state, check = wrong({"a": (0, MB)}, A, B, slow)
    [fetch] = advance(check, 10.0)
    assert fetch.source == "b"
    check.lost(fetch.request)
    state.drop(fetch.request)
    state.sources["b"].paused_until = 11.0
    assert [fetch.source for fetch in advance(check, 10.1)] == ["origin"]


def test_slow_ones_and_those_in_reserve_check_only_what_no_better_one_can() -> None:
    given = {"a": (0, MB), "b": (MB, 2 * MB)}
    slow, reserve = replace(C, rate=9e5), replace(ORIGIN, rate=9e6, reserve=True)
    _, check = wrong(given, A, B, slow, reserve)
    assert {f.source: f.start for f in advance(check)} == {"a": MB, "b": 0}
    _, check = wrong({"a": (0, MB)}, A, slow, reserve)
    assert [fetch.source for fetch in advance(check)] == ["c"]
    _, check = wrong({"a": (0, MB)}, A, reserve)
    assert [fetch.source for fetch in advance(check)] == ["origin"]


@pytest.mark.parametrize(("rate", "asked"), [(1e6, ["origin", "c"]), (9.9e5, ["origin"])])
def test_source_is_slow_that_gives_less_than_a_fifth_of_the_best(
    rate: float, asked: list[str]
) -> None:
    given = {"a": (0, MB), "b": (MB, 2 * MB)}
    best = replace(ORIGIN, rate=5e6)
    state, check = wrong(given, A, B, best, replace(C, rate=rate))
    state.sources["a"].denied = state.sources["b"].denied = True
    assert [fetch.source for fetch in advance(check)] == asked


def test_who_stumbled_is_asked_only_where_nobody_else_can_be() -> None:
    state, check = wrong({"a": (0, MB)}, A, B, ORIGIN)
    state.sources["b"].strikes = 1
    assert [fetch.source for fetch in advance(check)] == ["origin"]


def test_no_more_comparisons_are_asked_for_than_there_may_be_requests() -> None:
    given = {"a": (0, MB), "b": (MB, 2 * MB), "c": (2 * MB, 3 * MB)}
    state, check = wrong(given, A, B, C, ORIGIN)
    state.most = 2
    assert len(advance(check)) == 2
    assert advance(check) == []


# ------------------------------------------------------------------------- the last resort


def test_bytes_that_all_agree_on_and_are_wrong_are_fetched_again_from_the_origin_alone() -> None:
    state, check = wrong({"a": (0, MB), "origin": (MB, 2 * MB)}, A, B, ORIGIN)
    out: list[m.Action] = []
    [first] = advance(check)
    assert first.source == "b"
    answer(check, first)
    assert check.advance(0.0, out) is None  # begins a strict search
    [strict] = advance(check)
    assert (strict.source, strict.start, strict.end) == ("origin", 0, MB)
    answer(check, strict)
    # The origin confirmed all of it: what is left is that it was wrong itself.
    assert check.advance(0.0, out) is None
    assert state.origin_alone
    assert [u.id for u in state.eligible()] == ["origin"]
    assert m.Forget(0, 2 * MB) in out
    assert state.segments.missing == 2 * MB


def test_origin_without_ranges_settles_it_by_giving_all_that_is_not_its_own() -> None:
    state, check = wrong({"a": (0, MB), "origin": (MB, 2 * MB)}, A, ORIGIN)
    state.sources["origin"].ranged = False
    out: list[m.Action] = []
    assert check.advance(0.0, out) is None
    assert out == [m.Forget(0, MB)]
    assert (state.origin_alone, check.search) == (True, None)
    assert list(state.segments.held) == [(MB, 2 * MB)]


def test_origin_is_asked_twice_for_all_of_it_and_not_a_third_time() -> None:
    state, check = wrong({"origin": (0, MB)}, ORIGIN)
    for forgotten in ([m.Forget(0, MB)], []):
        out: list[m.Action] = []
        failure = check.advance(0.0, out)
        if check.search is not None:  # the strict one
            failure = check.advance(0.0, out)
        assert out == forgotten
        if forgotten:
            assert failure is None
            state.segments.held.add(0, MB)
            state.credit("origin", 0, MB)
            check.open()
    assert failure == m.Fail("the origin's own bytes do not have its digest", integrity=True)
    assert check.mismatches == 2


def test_without_an_origin_bytes_that_all_agree_on_are_the_end() -> None:
    state, check = wrong({EARLIER: (0, MB)}, A, B, ORIGIN)
    state.sources["origin"].out = Fault.MISSING
    assert agree(check) == m.Fail(
        "the bytes of every source that is left do not have the digest", integrity=False
    )
