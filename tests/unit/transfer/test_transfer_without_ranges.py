"""A source that ignores ranges is found out once, and not asked again for the same hole."""

from __future__ import annotations

from headrace.models import Fault
from headrace.transfer import messages as m
from property.simulator import MBIT, Server, simulate


def test_source_that_loses_ranges_midway_is_left_alone_while_others_have_them() -> None:
    servers = [
        Server("a", 40 * MBIT, 0.03),
        Server("b", 80 * MBIT, 0.06, fault="norange", at=2.0),
        Server("origin", 8 * MBIT, 0.2, is_origin=True),
    ]
    outcome = simulate(60_000_000, servers)
    assert outcome.done
    assert outcome.wrong == 0
    found_at = next(
        at
        for at, action in outcome.actions
        if isinstance(action, m.SourceFault) and action.fault is Fault.NO_RANGES
    )
    again = [
        at
        for at, action in outcome.actions
        if isinstance(action, m.Fetch) and action.source == "b" and at > found_at
    ]
    assert again == []
    # 15 MB came in the first two seconds; the rest takes a and the origin eight seconds.
    assert outcome.seconds < 12
