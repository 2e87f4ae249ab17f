"""The transfer's transitions, one event at a time: what comes in, what goes out."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from headrace.models import Fault, Source
from headrace.transfer import messages as m
from headrace.transfer.adaptive_concurrency import UNTRIED
from headrace.transfer.machine import GIVE_UP, HOLD_BACK, WHOLE_BELOW, Phase, Spec, Transfer
from headrace.transfer.scheduler import SMALL
from headrace.transfer.source_state import CUTS
from headrace.transfer.state import MOST_RESTARTS

MB = 1 << 20
SIZE = 20 * MB
MIRROR = Source("mirror", "http://mirror/f", rate=5e6, rtt=0.03)
ORIGIN = Source("origin", "http://origin/f", is_origin=True, rate=1e6, rtt=0.1)


def begin(
    size: int | None = SIZE, *sources: Source, checked: bool = True
) -> tuple[Transfer, list[m.Fetch]]:
    transfer = Transfer(Spec(size, checked), sources or (MIRROR, ORIGIN), 0.0)
    return transfer, fetches(transfer.handle(m.Tick(), 0.0))


def fetches(actions: list[m.Action]) -> list[m.Fetch]:
    return [a for a in actions if isinstance(a, m.Fetch)]


def of(actions: list[m.Action], kind: type[m.Action]) -> list[m.Action]:
    return [a for a in actions if isinstance(a, kind)]


def at(transfer: Transfer) -> Phase:
    """Return the phase; a call, so that the type checker does not remember the last one."""
    return transfer.phase


def deliver(transfer: Transfer, fetch: m.Fetch, now: float = 1.0) -> list[m.Action]:
    """Let a request bring all that it was asked for."""
    out = transfer.handle(m.Opened(fetch.request, SIZE), now)
    assert fetch.end is not None
    out += transfer.handle(m.Received(fetch.request, fetch.end - fetch.start), now)
    out += transfer.handle(m.Ended(fetch.request), now)
    return out


def complete(transfer: Transfer, open_: list[m.Fetch]) -> list[m.Action]:
    """Deliver everything that is asked for until the digest is."""
    now, actions = 1.0, list[m.Action]()
    while not of(actions, m.Verify):
        now += 0.01
        actions = deliver(transfer, open_.pop(0), now)
        open_ += fetches(actions)
    return actions


def test_everybody_is_asked_at_once_and_nobody_for_the_same() -> None:
    transfer, first = begin()
    assert {f.source for f in first} == {"mirror", "origin"}
    runs = sorted((f.start, f.end or 0) for f in first)
    assert runs[0][0] == 0
    assert all(a[1] <= b[0] for a, b in pairwise(runs))
    assert at(transfer) is Phase.FETCHING
    assert transfer.horizon == SIZE - HOLD_BACK


def test_unknown_first_choice_is_hedged_by_the_origin_at_offset_0() -> None:
    mirror = Source("mirror", "http://mirror/f")
    origin = Source("origin", "http://origin/f", is_origin=True)
    _, first = begin(SIZE, mirror, origin)
    assert [(f.source, f.start) for f in first] == [("mirror", 0), ("origin", 0)]


def test_an_unchecked_file_of_a_known_version_comes_in_parts_side_by_side() -> None:
    one = Source("origin", "http://origin/f", is_origin=True, rate=1e6, rtt=0.1)
    in_one_piece = fetches(Transfer(Spec(SIZE, checked=False), [one], 0.0).handle(m.Tick(), 0.0))
    assert len(in_one_piece) == 1
    transfer = Transfer(Spec(SIZE, checked=False, etag='"v1"'), [one], 0.0)
    asked = fetches(transfer.handle(m.Tick(), 0.0))
    assert all(fetch.validator == '"v1"' for fetch in asked)
    transfer.handle(m.Opened(asked[0].request, SIZE, ranged=True, validator='"v1"'), 0.1)
    transfer.handle(m.Received(asked[0].request, 200_000), 0.2)
    for tick in range(3, 40):
        asked += fetches(transfer.handle(m.Tick(), tick / 10))
    assert len(asked) > 1


def test_unchecked_file_of_no_known_version_is_asked_for_whole_however_slow_it_comes() -> None:
    transfer, [first] = begin(SIZE, ORIGIN, checked=False)
    transfer.handle(m.Opened(first.request, SIZE), 0.1)
    for tick in range(2, 60):
        transfer.handle(m.Received(first.request, 1000), tick / 10)
        assert not fetches(transfer.handle(m.Tick(), tick / 10))
    out = transfer.handle(m.Failed(first.request, Fault.CUT), 6.0)
    out += transfer.handle(m.Tick(), 6.1)
    assert [(fetch.start, fetch.end) for fetch in fetches(out)] == [(0, SIZE)]


def test_a_part_of_another_version_is_no_part_of_this_file() -> None:
    one = Source("origin", "http://origin/f", is_origin=True, rate=1e6, rtt=0.1)
    transfer = Transfer(Spec(SIZE, checked=False, etag='"v1"'), [one], 0.0)
    [first, *_] = fetches(transfer.handle(m.Tick(), 0.0))
    out = transfer.handle(m.Opened(first.request, SIZE, ranged=True, validator='"v2"'), 0.1)
    blame = [each for each in out if isinstance(each, m.SourceFault)]
    detail = "the file changed meanwhile"
    assert blame == [m.SourceFault("origin", Fault.NOT_THE_FILE, detail, first.request)]


def test_length_comes_from_the_first_good_answer() -> None:
    transfer, first = begin(None)
    assert at(transfer) is Phase.SIZING
    assert transfer.size is None
    assert transfer.horizon == 0
    assert all(f.start == 0 for f in first)
    actions = transfer.handle(m.Opened(first[0].request, SIZE), 0.1)
    assert transfer.size == SIZE
    assert at(transfer) is Phase.FETCHING
    assert fetches(actions)


def test_the_origins_length_replaces_a_mirrors() -> None:
    transfer, [mirrors, origins] = begin(None)
    transfer.handle(m.Opened(mirrors.request, SIZE + 1), 0.1)
    transfer.handle(m.Received(mirrors.request, 1000), 0.1)
    actions = transfer.handle(m.Opened(origins.request, SIZE), 0.2)
    assert of(actions, m.Forget) == [m.Forget(0, SIZE + 1)]
    assert of(actions, m.Resize) == [m.Resize(SIZE)]
    assert transfer.size == SIZE
    assert transfer.sources["mirror"].out is Fault.NOT_THE_FILE
    assert {fetch.source for fetch in fetches(actions)} == {"origin"}


def test_a_length_of_which_no_bytes_have_the_digest_gives_way_to_another() -> None:
    """What answers in the origin's place, a portal say, may be wrong about it as well."""
    transfer, [mirrors, origins] = begin(None)
    transfer.handle(m.Opened(origins.request, 1000), 0.1)
    transfer.handle(m.Opened(mirrors.request, SIZE), 0.2)
    assert transfer.sources["mirror"].out is Fault.NOT_THE_FILE
    open_, resized = [origins], list[m.Action]()
    for step in range(3, 50):
        now = step / 10
        actions = transfer.handle(m.Tick(), now)
        for fetch in open_:
            actions += transfer.handle(m.Opened(fetch.request, 1000), now)
            actions += transfer.handle(m.Received(fetch.request, 1000), now)
            actions += transfer.handle(m.Ended(fetch.request), now)
        if of(actions, m.Verify):
            actions += transfer.handle(m.Digested(agrees=False), now)
        open_, resized = fetches(actions), of(actions, m.Resize)
        if resized:
            break
    assert resized == [m.Resize(SIZE)]
    assert [each.id for each in transfer.state.eligible()] == ["mirror"]
    complete(transfer, open_)


def test_whoever_names_another_length_each_time_is_not_asked_for_ever() -> None:
    one = Source("mirror", "http://mirror/f", rate=5e6, rtt=0.03)
    transfer, open_ = begin(None, one, replace(one, id="other"))
    lengths = 0
    for step in range(1, 1000):
        actions = transfer.handle(m.Tick(), step / 10)
        for fetch in open_:
            lengths += 1
            actions += transfer.handle(m.Opened(fetch.request, 1000 + lengths), step / 10)
            actions += transfer.handle(m.Received(fetch.request, 1000 + lengths), step / 10)
            actions += transfer.handle(m.Ended(fetch.request), step / 10)
        if at(transfer) is Phase.VERIFYING:
            actions += transfer.handle(m.Digested(agrees=False), step / 10)
        open_ = fetches(actions)
    assert at(transfer) is Phase.FAILED
    assert lengths < 20


def test_a_check_that_brings_another_length_does_not_hold_up_the_search() -> None:
    transfer, open_ = begin()
    complete(transfer, open_)
    [check, *_] = fetches(transfer.handle(m.Digested(agrees=False), 9.0))
    transfer.handle(m.Opened(check.request, SIZE - 1), 9.1)
    search = transfer.integrity.search
    assert search is None or check.request not in search.asked


def test_bytes_are_written_where_they_belong() -> None:
    transfer, first = begin()
    (front,) = [f for f in first if f.start == 0]
    transfer.handle(m.Opened(front.request, SIZE), 0.1)
    assert transfer.handle(m.Received(front.request, 1000), 0.1) == [
        m.Write(front.request, 0, 0, 1000)
    ]
    assert transfer.handle(m.Received(front.request, 24), 0.1) == [
        m.Write(front.request, 1000, 0, 24)
    ]


def test_whole_file_is_verified_then_finished() -> None:
    transfer, first = begin()
    actions = complete(transfer, first)
    assert at(transfer) is Phase.VERIFYING
    assert actions[-1] == m.Verify()
    assert transfer.horizon == SIZE - HOLD_BACK
    assert transfer.next_wake(2.0) is not None
    assert transfer.handle(m.Digested(agrees=True), 2.0) == [m.Finish()]
    assert at(transfer) is Phase.DONE
    assert transfer.horizon == SIZE
    assert transfer.over
    assert transfer.next_wake(2.0) is None
    assert transfer.handle(m.Tick(), 3.0) == []


def test_mismatch_opens_a_trial_and_closes_the_horizon() -> None:
    transfer, first = begin()
    complete(transfer, first)
    actions = transfer.handle(m.Digested(agrees=False), 2.0)
    assert at(transfer) is Phase.SEARCHING
    assert transfer.horizon == 0
    (check,) = [f for f in fetches(actions) if f.source == "origin"][:1]
    transfer.handle(m.Opened(check.request, SIZE), 2.1)
    actions = transfer.handle(m.Received(check.request, 100), 2.1)
    assert actions == [m.Compare(check.request, check.start, 0, 100)]
    actions = transfer.handle(
        m.Compared(check.request, check.start, check.start + 100, check.start + 7), 2.1
    )
    assert of(actions, m.SourceFault) == [
        m.SourceFault("mirror", Fault.WRONG_BYTES, "another source contradicts it")
    ]
    assert of(actions, m.Forget)
    assert at(transfer) is Phase.FETCHING
    assert {f.source for f in fetches(actions)} == {"origin"}
    assert transfer.sources["mirror"].out is Fault.WRONG_BYTES


@pytest.mark.parametrize(
    ("size", "horizon"),
    [(1, 0), (WHOLE_BELOW, 0), (WHOLE_BELOW + 1, WHOLE_BELOW + 1 - HOLD_BACK)],
)
def test_hold_back_rule(size: int, horizon: int) -> None:
    assert begin(size)[0].horizon == horizon


def test_without_a_digest_the_origin_alone_is_asked_and_nothing_is_held_back() -> None:
    transfer, first = begin(SIZE, MIRROR, ORIGIN, checked=False)
    assert [f.source for f in first] == ["origin"]
    assert transfer.horizon == SIZE
    transfer.handle(m.Opened(first[0].request, SIZE, validator='"1"'), 0.1)
    transfer.handle(m.Received(first[0].request, 5 * MB), 0.2)
    actions = transfer.handle(m.Failed(first[0].request, Fault.CUT), 0.3)
    assert [(f.start, f.validator) for f in fetches(actions)] == [(5 * MB, '"1"')]
    again = fetches(actions)[0]
    actions = transfer.handle(m.Opened(again.request, SIZE, validator='"2"'), 0.4)
    assert m.Forget(0, SIZE) in actions
    assert [(f.start, f.validator) for f in fetches(actions)] == [(0, None)]


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.SILENT, Fault.SERVER_ERROR])
def test_file_of_which_nothing_names_the_version_is_begun_again_a_few_times(fault: Fault) -> None:
    transfer, asked = begin(SIZE, ORIGIN, checked=False)
    now = 0.0
    for _ in range(MOST_RESTARTS + 1):
        (fetch,) = asked
        assert (fetch.start, fetch.validator) == (0, None)
        transfer.handle(m.Opened(fetch.request, SIZE), now)
        transfer.handle(m.Received(fetch.request, 5 * MB), now)
        actions = transfer.handle(m.Failed(fetch.request, fault), now)
        assert m.Forget(0, SIZE) in actions
        now += 10.0
        asked = fetches([*actions, *transfer.handle(m.Tick(), now)])
    assert not asked
    assert transfer.failure is not None


def test_end_of_another_version_is_not_put_behind_what_stalled() -> None:
    transfer, (first,) = begin(SIZE, ORIGIN, checked=False)
    transfer.handle(m.Opened(first.request, SIZE), 0.1)
    transfer.handle(m.Received(first.request, 5 * MB), 0.2)
    actions: list[m.Action] = []
    for tick in range(3, 80):
        actions += transfer.handle(m.Tick(), tick / 10)
    assert m.Forget(0, SIZE) in actions
    assert {fetch.start for fetch in fetches(actions)} == {0}


@pytest.mark.parametrize(
    ("fault", "out"),
    [
        (Fault.FORBIDDEN, True),
        (Fault.MISSING, True),
        (Fault.NOT_THE_FILE, True),
        (Fault.RATE_LIMITED, False),
        (Fault.REFUSED, False),
        (Fault.SERVER_ERROR, False),
        (Fault.SILENT, False),
        (Fault.CUT, False),
        (Fault.TLS, False),
    ],
)
def test_faults_move_the_work_to_others(fault: Fault, out: bool) -> None:  # noqa: FBT001
    transfer, first = begin()
    (lost,) = [f for f in first if f.source == "mirror"][:1]
    transfer.handle(m.Failed(lost.request, fault, "told"), 0.1)
    mirror = transfer.sources["mirror"]
    assert (mirror.out is fault) == out
    assert mirror.room(0.2) == 0
    assert not transfer.over


def test_all_sources_gone_is_the_end_with_the_reasons() -> None:
    transfer, first = begin()
    for fetch in first:
        transfer.handle(m.Failed(fetch.request, Fault.MISSING), 0.1)
    assert transfer.failure == m.Fail(
        "no source is left (mirror: missing, origin: missing)", integrity=False
    )
    assert transfer.horizon == 0


def test_no_source_at_all_is_the_end() -> None:
    transfer = Transfer(Spec(10), (), 0.0)
    assert transfer.handle(m.Tick(), 0.0) == [m.Fail("no source is left (there was none)")]


def test_silence_of_all_sources_is_given_up() -> None:
    transfer, _ = begin()
    now = 0.0
    while not transfer.over:
        due = transfer.next_wake(now)
        assert due is not None
        now = due
        transfer.handle(m.Tick(), now)
    assert GIVE_UP <= now <= GIVE_UP + 0.5
    assert at(transfer) is Phase.FAILED


def test_another_length_is_another_file() -> None:
    transfer, first = begin()
    (fetch,) = [f for f in first if f.source == "mirror"][:1]
    actions = transfer.handle(m.Opened(fetch.request, SIZE + 1), 0.1)
    assert m.Cancel(fetch.request) in actions
    assert transfer.sources["mirror"].out is Fault.NOT_THE_FILE


def test_source_without_ranges_gives_the_file_from_its_start() -> None:
    transfer, first = begin(SIZE, MIRROR)
    actions = transfer.handle(m.Opened(first[0].request, SIZE, ranged=False), 0.1)
    assert of(actions, m.SourceFault) == [
        m.SourceFault("mirror", Fault.NO_RANGES, "ignores Range", first[0].request)
    ]
    actions = transfer.handle(m.Received(first[0].request, SIZE), 0.5)
    assert actions[0] == m.Write(first[0].request, 0, 0, SIZE)
    assert at(transfer) is Phase.VERIFYING


def test_source_without_ranges_is_not_used_in_the_middle_while_others_work() -> None:
    transfer, first = begin()
    (later,) = [f for f in first if f.start > 0][:1]
    actions = transfer.handle(m.Opened(later.request, SIZE, ranged=False), 0.1)
    assert m.Cancel(later.request) in actions
    assert later.source not in {f.source for f in fetches(actions)}


def test_denied_source_is_asked_again_when_a_connection_is_free() -> None:
    transfer, first = begin(SIZE, MIRROR)
    assert not fetches(transfer.handle(m.Denied(first[0].request), 0.0))
    assert not fetches(transfer.handle(m.Tick(), 0.1))
    assert fetches(transfer.handle(m.Freed("mirror"), 0.2))


@pytest.mark.parametrize(("sources", "together"), [((ORIGIN,), 8), ((MIRROR, ORIGIN), UNTRIED)])
def test_who_has_no_other_source_goes_without_connections_for_nobodys_sake(
    sources: tuple[Source, ...], together: int
) -> None:
    _, first = begin(SIZE, *sources)
    assert [each.connections for each in first if each.source == "origin"] == [together]


def test_far_document_of_one_origin_comes_side_by_side_from_the_start() -> None:
    far = Source("origin", "http://origin/f", is_origin=True, untried=4)
    _, first = begin(SIZE, far)
    assert [(each.start, each.end) for each in first] == [
        (part * SIZE // 4, (part + 1) * SIZE // 4) for part in range(4)
    ]
    assert len(begin(SIZE, replace(far, connections=2))[1]) == 2
    assert len(begin(SIZE, replace(far, untried=1))[1]) == 1


def test_a_handshake_before_a_request_is_no_part_of_the_round_trip() -> None:
    transfer, first = begin(SIZE, Source("origin", "http://origin/f", is_origin=True))
    transfer.handle(m.Opened(first[0].request, SIZE, rtt=0.2), 1.0)
    assert transfer.sources["origin"].expected_rtt() == 0.2


def test_fewer_connections_are_used_when_others_need_them() -> None:
    transfer, first = begin()
    assert len(first) == 2
    transfer, _ = begin()
    transfer = Transfer(Spec(SIZE), (MIRROR, ORIGIN), 0.0)
    actions = transfer.handle(m.Allowed(None, 1), 0.0)
    assert len(fetches(actions)) == 1
    assert len(fetches(transfer.handle(m.Allowed(None, 8), 0.0))) == 1


def test_reader_in_the_middle_is_served_first() -> None:
    transfer = Transfer(Spec(SIZE), (MIRROR,), 0.0)
    actions = transfer.handle(m.ReadersAt((10 * MB,)), 0.0)
    # The only source is asked once; a second one goes where the reader waits.
    actions += transfer.handle(m.Joined((ORIGIN,)), 0.0)
    assert fetches(actions)[0].start == 10 * MB


def test_stalled_body_is_given_to_others() -> None:
    transfer, first = begin()
    for fetch in first:
        transfer.handle(m.Opened(fetch.request, SIZE), 0.1)
    (stalled,) = [f for f in first if f.source == "mirror"][:1]
    (fine,) = [f for f in first if f.source == "origin"][:1]
    now, actions = 0.1, list[m.Action]()
    while not of(actions, m.SourceFault):
        now = transfer.next_wake(now) or now
        assert now < 3.0
        transfer.handle(m.Received(fine.request, 1000), now)
        actions = transfer.handle(m.Tick(), now)
    blame = actions[[isinstance(a, m.SourceFault) for a in actions].index(True)]
    assert isinstance(blame, m.SourceFault)
    assert blame.request == stalled.request
    assert blame.fault is Fault.STALLED


def test_unknown_events_change_nothing() -> None:
    transfer, _ = begin()
    before = repr(transfer.segments)
    events: list[m.Event] = [
        m.Opened(99, SIZE),
        m.Received(99, 10),
        m.Ended(99),
        m.Failed(99, Fault.CUT),
        m.Denied(99),
        m.Freed("nobody"),
        m.Compared(99, 0, 1, None),
        m.Digested(agrees=False),
        m.Resumed(((0, 5),)),
    ]
    for event in events:
        transfer.handle(event, 0.0)
    assert repr(transfer.segments) == before


def test_repr_tells_the_state() -> None:
    transfer, _ = begin()
    text = repr(transfer)
    assert text.startswith("<Transfer fetching <0/20971520 held")
    assert "<mirror 1/1/8 strikes=0>" in text


def test_a_stumbling_origin_is_still_asked_when_a_trial_hears_nobody_else() -> None:
    """Two mirrors agree on what is wrong; the strict search that follows must not wait for them."""
    other = Source("other", "http://other/f", rate=5e6, rtt=0.03)
    transfer, first = begin(SIZE, MIRROR, other, ORIGIN)
    complete(transfer, first)
    open_ = fetches(transfer.handle(m.Digested(agrees=False), 2.0))
    ordinary, now, stumbled = transfer.integrity.search, 2.0, 0
    for _ in range(200):
        now += 0.1
        if not open_:
            open_ = fetches(transfer.handle(m.Tick(), now))
            continue
        check = open_.pop(0)
        assert check.end is not None
        if stumbled and check.request > stumbled:
            break  # it is asked again after its pause: nothing waits
        if transfer.integrity.search is not ordinary:
            assert check.source == "origin"
            stumbled = max([check.request, *(f.request for f in open_)])
            actions = transfer.handle(m.Failed(check.request, Fault.UNREACHABLE), now)
        else:
            actions = transfer.handle(m.Opened(check.request, SIZE), now)
            actions += transfer.handle(m.Received(check.request, check.end - check.start), now)
            agreed = m.Compared(check.request, check.start, check.end, None)
            actions += transfer.handle(agreed, now)
            actions += transfer.handle(m.Ended(check.request), now)
        open_ += fetches(actions)
    else:
        pytest.fail(f"nobody is asked any more: {transfer}")


@pytest.mark.parametrize(("rtt", "waits"), [(0.1, True), (0.05, False)])
def test_small_file_waits_for_a_source_that_others_use_where_it_is_much_better(
    rtt: float,
    waits: bool,  # noqa: FBT001 - a table
) -> None:
    origin = replace(ORIGIN, rtt=rtt)
    transfer, first = begin(100_000, MIRROR, origin)
    assert [f.source for f in first] == ["mirror"]
    asked = fetches(transfer.handle(m.Denied(first[0].request), 0.0))
    assert [f.source for f in asked] == ([] if waits else ["origin"])
    late = fetches(transfer.handle(m.Tick(), 0.6))
    assert [f.source for f in late] == (["origin"] if waits else [])


def test_origin_whose_own_bytes_are_wrong_twice_is_believed_to_have_no_right_ones() -> None:
    transfer, open_ = begin(SIZE, ORIGIN)
    complete(transfer, open_)
    assert transfer.handle(m.Digested(agrees=False), 9.0) == []
    again = transfer.handle(m.Tick(), 9.1)
    assert of(again, m.Forget) == [m.Forget(0, SIZE)]
    complete(transfer, fetches(again))
    assert transfer.handle(m.Digested(agrees=False), 19.0) == [
        m.Fail("the origin's own bytes do not have its digest", integrity=True)
    ]
    assert at(transfer) is Phase.FAILED


def test_readers_who_wait_nowhere_want_the_beginning() -> None:
    transfer, _ = begin()
    transfer.handle(m.ReadersAt((5 * MB,)), 0.0)
    assert transfer.dispatcher.readers_at == (5 * MB,)
    transfer.handle(m.ReadersAt(()), 0.0)
    assert transfer.dispatcher.readers_at == (0,)


def test_what_an_earlier_run_left_counts_when_the_length_is_learned_later() -> None:
    transfer, first = begin(None)
    transfer.handle(m.Resumed(((0, 5 * MB),)), 0.0)
    transfer.handle(m.Opened(first[0].request, SIZE), 0.1)
    assert transfer.state.segments.held.total == 5 * MB
    transfer.handle(m.Resumed(((0, 9 * MB),)), 0.2)
    assert transfer.state.segments.held.total == 5 * MB


def test_body_that_ends_early_is_a_cut_and_its_rest_is_asked_for_again() -> None:
    transfer, first = begin(SIZE, MIRROR)
    [only] = first
    transfer.handle(m.Opened(only.request, SIZE), 0.1)
    transfer.handle(m.Received(only.request, MB), 0.2)
    out = transfer.handle(m.Ended(only.request), 0.3)
    assert transfer.sources["mirror"].cuts == 1
    out += transfer.handle(m.Tick(), 60.0)
    assert fetches(out)[0].start == only.start + MB


def test_pause_that_a_source_asks_for_is_kept() -> None:
    transfer, first = begin(SIZE, MIRROR, ORIGIN)
    (lost,) = [f for f in first if f.source == "mirror"]
    transfer.handle(m.Failed(lost.request, Fault.RATE_LIMITED, retry_after=60.0), 1.0)
    assert transfer.sources["mirror"].paused_until == 61.0


def test_fault_that_only_we_can_see_is_told_of_its_source_and_request() -> None:
    transfer, first = begin()
    (fetch,) = [f for f in first if f.source == "mirror"]
    actions = transfer.handle(m.Opened(fetch.request, SIZE + 1), 0.1)
    detail = f"gives {SIZE + 1} bytes instead of {SIZE}"
    assert of(actions, m.SourceFault) == [
        m.SourceFault("mirror", Fault.NOT_THE_FILE, detail, fetch.request)
    ]


def test_source_that_answers_a_comparison_with_the_whole_file_does_not_hold_the_search_up() -> None:
    transfer, first = begin()
    complete(transfer, first)
    open_ = fetches(transfer.handle(m.Digested(agrees=False), 2.0))
    assert {fetch.source for fetch in open_} == {"origin"}
    actions: list[m.Action] = []
    for check in open_:
        actions += transfer.handle(m.Opened(check.request, SIZE, ranged=False), 2.1)
    actions += transfer.handle(m.Tick(), 2.2)
    assert at(transfer) is Phase.FETCHING
    assert of(actions, m.Forget)
    (again,) = fetches(actions)
    assert (again.source, again.start) == ("origin", 0)


def test_source_is_held_to_its_share_of_the_connections() -> None:
    transfer, _ = begin()
    transfer.handle(m.Allowed("mirror", 1), 0.0)
    assert [(u.id, u.share) for u in transfer.sources.values()] == [("mirror", 1), ("origin", 8)]


def test_seconds_that_we_slept_ourselves_are_no_sources_stall() -> None:
    transfer, first = begin()
    for fetch in first:
        transfer.handle(m.Opened(fetch.request, SIZE), 0.1)
    transfer.handle(m.Tick(), 0.1)
    assert transfer.next_wake(0.1) == pytest.approx(0.2)
    assert not of(transfer.handle(m.Tick(), 50.0), m.SourceFault)
    assert not transfer.over


def test_source_far_away_may_be_silent_for_six_round_trips() -> None:
    far = replace(MIRROR, rtt=1.0)
    transfer, first = begin(SIZE, far, ORIGIN)
    (fetch,) = [f for f in first if f.source == "mirror"]
    transfer.handle(m.Opened(fetch.request, SIZE), 1.0)
    now, blame = 1.0, list[m.Action]()
    while not (blame := of(transfer.handle(m.Tick(), now), m.SourceFault)):
        now = transfer.next_wake(now) or now
    detail = "no byte for 6.1 s"
    assert blame == [m.SourceFault("mirror", Fault.STALLED, detail, fetch.request)]


def test_small_file_is_asked_for_a_second_time_when_twice_the_usual_time_is_over() -> None:
    transfer = Transfer(Spec(SMALL), (MIRROR, replace(ORIGIN, rate=4e7)), 5.0)
    [first] = fetches(transfer.handle(m.Tick(), 5.0))
    assert first.source == "mirror"
    usual = 3 * 0.03 + SMALL / 5e6
    assert not fetches(transfer.handle(m.Freed("nobody"), 5.0 + 2 * usual - 0.01))
    [hedge] = fetches(transfer.handle(m.Freed("nobody"), 5.0 + 2 * usual + 0.01))
    assert (hedge.source, hedge.start) == ("origin", 0)


def test_two_sources_at_a_time_are_asked_for_the_length() -> None:
    other = replace(MIRROR, id="other")
    transfer, first = begin(None, MIRROR, other, ORIGIN)
    assert [fetch.source for fetch in first] == ["mirror", "other"]
    assert not fetches(transfer.handle(m.Freed("nobody"), 0.9))
    assert [f.source for f in fetches(transfer.handle(m.Freed("nobody"), 1.1))] == ["origin"]


def test_request_whose_copy_has_gone_stops_where_bytes_begin_that_are_held() -> None:
    transfer, [only] = begin(SIZE, MIRROR)
    transfer.segments.in_flight[only.request].hedged = True
    transfer.segments.held.add(5 * MB, 6 * MB)
    out = transfer.handle(m.Freed("nobody"), 0.1)
    assert m.Shrink(only.request, 5 * MB) in out


@pytest.mark.parametrize(
    ("rate", "after", "cuts", "asked"),
    [
        (1e5, 4.9, 0, []),
        (1e5, 5.1, 0, ["origin"]),
        (5e6, 5.1, 0, []),
        (5e6, 0.1, CUTS - 1, []),
        (5e6, 0.1, CUTS, ["origin"]),
    ],
    ids=["not yet", "crawls", "does well", "cut twice", "cut three times"],
)
def test_source_in_reserve_is_asked_only_when_no_other_does_well(
    rate: float, after: float, cuts: int, asked: list[str]
) -> None:
    mirror = replace(MIRROR, rate=rate)
    reserve = replace(ORIGIN, rate=1e7, reserve=True)
    transfer = Transfer(Spec(SIZE), (mirror, reserve), 100.0)
    assert [f.source for f in fetches(transfer.handle(m.Tick(), 100.0))] == ["mirror"]
    transfer.sources["mirror"].cuts = cuts
    now = 100.0 + after
    assert [f.source for f in fetches(transfer.handle(m.Freed("nobody"), now))] == asked


# ------------------------------------------------------------------------ readers with patience


def patient(seconds: float, *sources: Source) -> tuple[Transfer, list[m.Fetch]]:
    transfer = Transfer(Spec(SIZE, patience=seconds), sources or (MIRROR, ORIGIN), 0.0)
    return transfer, fetches(transfer.handle(m.Tick(), 0.0))


def ticks(transfer: Transfer, until: float) -> list[m.Fetch]:
    """Let time pass, and return what is asked for meanwhile."""
    out: list[m.Fetch] = []
    while (now := transfer.next_wake(0.0)) is not None and now <= until:
        out += fetches(transfer.handle(m.Tick(), now))
    return out


@pytest.mark.parametrize(("patience", "timeout"), [(0.0, 9.0), (5.0, 9.0), (60.0, 60.0)])
def test_origin_may_take_as_long_as_readers_wait(patience: float, timeout: float) -> None:
    _, (fetch, *_) = patient(patience, ORIGIN)
    assert fetch.first_byte_timeout == timeout


def test_mirror_is_given_longer_each_time_it_was_too_slow() -> None:
    transfer, _ = patient(60.0, MIRROR, ORIGIN)
    mirror, out = transfer.sources["mirror"], list[m.Action]()
    for strikes in range(6):
        mirror.strikes = strikes
        transfer.state.launch(mirror, 0, MB, 1.0, out)
    assert [each.first_byte_timeout for each in fetches(out)] == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]


def test_source_that_is_waited_for_long_is_asked_again_beside_that_and_a_last_time() -> None:
    transfer, begun = patient(600.0, ORIGIN)
    assert len(begun) == 1
    assert ticks(transfer, 8.9) == []
    (second,) = ticks(transfer, 9.2)
    assert (second.start, second.source) == (0, "origin")
    assert ticks(transfer, 26.0) == []
    (third,) = ticks(transfer, 27.5)
    assert ticks(transfer, 500.0) == []
    assert at(transfer) is Phase.FETCHING
    # Whoever answers first is taken.
    transfer.handle(m.Opened(second.request, SIZE), 501.0)
    out = transfer.handle(m.Received(second.request, MB), 501.1)
    assert of(out, m.Write)
    assert third.request != second.request


def test_nobody_is_asked_twice_for_impatient_readers() -> None:
    transfer, begun = patient(0.0, ORIGIN)
    assert len(begun) == 1
    assert ticks(transfer, 29.0) == []


def test_request_that_has_brought_all_is_not_asked_again() -> None:
    transfer, (fetch, *_) = patient(600.0, ORIGIN)
    assert fetch.end is not None
    transfer.handle(m.Opened(fetch.request, SIZE), 1.0)
    transfer.handle(m.Received(fetch.request, fetch.end - fetch.start), 1.1)
    for each in ticks(transfer, 40.0):
        assert each.end is None or each.end > each.start


def test_answer_is_waited_for_while_somebody_works_and_no_longer_than_readers_do() -> None:
    transfer, _ = patient(120.0, ORIGIN)
    ticks(transfer, 119.0)
    assert at(transfer) is Phase.FETCHING
    ticks(transfer, 121.0)
    assert at(transfer) is Phase.FAILED


def test_where_nobody_works_patience_changes_nothing() -> None:
    transfer, (fetch, *_) = patient(120.0, ORIGIN)
    transfer.handle(m.Failed(fetch.request, Fault.RATE_LIMITED, "", 100.0), 0.1)
    ticks(transfer, GIVE_UP + 1.0)
    assert at(transfer) is Phase.FAILED


def test_patience_of_a_reader_who_comes_later_counts() -> None:
    transfer, _ = patient(0.0, ORIGIN)
    transfer.handle(m.ReadersBear(120.0), 1.0)
    ticks(transfer, 100.0)
    assert at(transfer) is Phase.FETCHING
    transfer.handle(m.ReadersBear(0.0), 101.0)
    assert at(transfer) is Phase.FAILED


# ------------------------------------------------------------------------ nothing to take back


def test_reader_that_can_take_nothing_back_is_given_what_the_origin_gave_and_not_its_end() -> None:
    transfer, begun = begin(SIZE, MIRROR, ORIGIN)
    bounds: dict[str, tuple[int, int]] = {}
    for fetch in begun:
        deliver(transfer, fetch)
        assert fetch.end is not None
        bounds[fetch.source] = fetch.start, fetch.end
    low, high = bounds["origin"]
    assert transfer.own_end(low) == high
    assert transfer.own_end(bounds["mirror"][0]) <= bounds["mirror"][0]
    whole, (only, *_) = begin(SIZE, ORIGIN)
    whole.handle(m.Opened(only.request, SIZE), 1.0)
    whole.handle(m.Received(only.request, SIZE), 1.1)
    assert at(whole) is Phase.VERIFYING
    assert whole.own_end(0) == SIZE - HOLD_BACK
    whole.handle(m.Digested(agrees=True), 1.2)
    assert whole.own_end(0) == SIZE


@pytest.mark.parametrize("size", [1, WHOLE_BELOW])
def test_of_a_small_file_it_is_given_nothing_before_the_digest_agrees(size: int) -> None:
    transfer, (only, *_) = begin(size, ORIGIN)
    transfer.handle(m.Opened(only.request, size), 1.0)
    transfer.handle(m.Received(only.request, size), 1.1)
    assert transfer.own_end(0) == 0


def test_what_an_earlier_download_left_is_nobodys_own() -> None:
    transfer = Transfer(Spec(SIZE, held=((0, 8 * MB),)), (ORIGIN,), 0.0)
    transfer.handle(m.Tick(), 0.0)
    assert transfer.own_end(0) <= 0
