"""How a source stands, as a person is told it, from what each request taught."""

from __future__ import annotations

from headrace.models import Fault
from headrace.policy.reputation import (
    EVERYTHING,
    NOTHING,
    Observation,
    Record,
    Records,
    learn,
    scope,
)
from headrace.policy.source_conditions import DOES, FAILURES, SourceCondition, report

NOW = 1000.0


def after(*seen: tuple[str, Observation]) -> Records:
    """Learn from requests, one a second."""
    records: dict[tuple[str, str], Record] = {}
    for number, (source, observation) in enumerate(seen):
        for name in {
            scope(observation.fault, "wheel"),
            *([EVERYTHING] if not observation.fault else []),
        }:
            known = records.get((source, name), NOTHING)
            whole = name == EVERYTHING
            records[source, name] = learn(known, observation, NOW + number, whole=whole)
    return records


GOOD = Observation(bytes=1 << 20, seconds=1.0, rtt=0.1)


def failed(fault: Fault, retry_after: float | None = None) -> Observation:
    return Observation(fault=fault, retry_after=retry_after)


def test_one_that_nobody_asked_is_said_to_be_that() -> None:
    assert report("a", after(("b", GOOD)), NOW).state is SourceCondition.NOT_ASKED


def test_one_that_gave_bytes_delivers() -> None:
    assert report("a", after(("a", GOOD)), NOW).state is SourceCondition.DELIVERS


def test_one_that_never_answered_does_not_answer_however_long_ago() -> None:
    records = after(("a", failed(Fault.REFUSED)))
    for now, paused in ((NOW, True), (NOW + 1e6, False)):
        told = report("a", records, now, Fault.REFUSED)
        assert told.state is SourceCondition.SILENT
        assert bool(told.paused_for) is paused
        assert told.why == "refuses connections"


def test_a_success_after_it_ends_that() -> None:
    records = after(("a", failed(Fault.SILENT)), ("a", GOOD))
    assert report("a", records, NOW + 2, None).state is SourceCondition.DELIVERS


def test_one_that_answers_with_something_else_fails_and_says_for_how_long() -> None:
    told = report(
        "a", after(("a", failed(Fault.RATE_LIMITED, retry_after=90.0))), NOW, Fault.RATE_LIMITED
    )
    assert told.state is SourceCondition.FAILS
    assert told.paused_for == 90.0
    assert "429" in told.why


def test_one_that_lacks_a_file_has_done_nothing_wrong() -> None:
    told = report("a", after(("a", failed(Fault.MISSING))), NOW)
    assert told.state is SourceCondition.GAVE_NOTHING
    assert not told.why


def test_every_fault_has_its_words() -> None:
    assert set(DOES) == set(Fault)
    assert set(Fault) > FAILURES
