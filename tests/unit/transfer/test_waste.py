"""What comes for nothing is reckoned before a range is taken away, and counted once."""

from __future__ import annotations

import pytest

from headrace.models import Source
from headrace.transfer import messages as m
from headrace.transfer.machine import Spec, Transfer
from headrace.transfer.segments import Segment
from headrace.transfer.source_state import SourceState
from headrace.transfer.waste import ALLOWED, LEAST_WINDOW, MOST_WINDOW, Waste, on_their_way

MB = 1 << 20


def at_work(until: int = 10 * MB) -> Segment:
    """Give a request that has just been answered."""
    segment = Segment(1, "one", 0, until, 0.0)
    segment.opened(0.2)
    return segment


def source(rate: float | None = 1e6, rtt: float = 0.2) -> SourceState:
    return SourceState(Source("one", "http://one/f", rate=rate, rtt=rtt), 0.0)


@pytest.mark.parametrize(
    ("until", "end", "price"),
    [
        (10 * MB, 5 * MB, 100_000.0),
        (5 * MB + 50_000, 5 * MB, 50_000.0),  # no more than was asked for
        (5 * MB, 5 * MB, 0.0),
    ],
)
def test_a_request_that_is_ended_brings_a_round_trips_worth_more_and_not_what_it_was_not_asked_for(
    until: int, end: int, price: float
) -> None:
    segment = at_work(until)
    assert on_their_way(segment, end, source(5e5)) == price
    assert on_their_way(segment, end, source(5e8)) <= MOST_WINDOW


def test_of_a_source_of_which_nothing_is_known_a_new_connections_window_is_on_its_way() -> None:
    segment = at_work()
    assert on_their_way(segment, MB, source(None)) == LEAST_WINDOW


def test_an_allowance_is_a_share_of_the_file_and_is_used_up() -> None:
    waste = Waste()
    assert waste.allows(ALLOWED * 10 * MB, 10 * MB)
    waste.add(1.0)
    assert not waste.allows(ALLOWED * 10 * MB, 10 * MB)
    assert waste.allows(ALLOWED * 10 * MB, 11 * MB)


def test_bytes_that_two_sources_gave_and_what_a_cancelled_one_still_brings_are_counted_once() -> (
    None
):
    size = 2 * MB
    sources = [Source(name, f"http://{name}/f", name == "o", 1, None, 0.1) for name in ("m", "o")]
    transfer = Transfer(Spec(size), sources, 0.0)
    state, out = transfer.state, list[m.Action]()
    for segment in list(state.segments.in_flight.values()):
        state.cancel([segment], out)
    assert state.waste.bytes == 0.0
    first = state.launch(transfer.sources["m"], 0, size, 0.0, out)
    state.segments.launch(first)
    second = state.launch(transfer.sources["o"], 0, size, 0.0, out)
    state.segments.launch(second)
    for each, begun in ((first, 0.1), (second, 0.2)):
        transfer.handle(m.Opened(each.id, size), begun)
        transfer.handle(m.Received(each.id, 1000), begun)
    twice = state.waste.bytes
    assert twice == 1000.0
    before = second.cursor
    price = on_their_way(second, before, transfer.sources["o"])
    state.shorten(second, before, out)
    state.cancel([second], out)
    assert state.waste.bytes == twice + price
