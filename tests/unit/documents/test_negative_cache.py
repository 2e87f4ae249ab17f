"""What an origin answered a moment ago."""

from __future__ import annotations

import gc
import weakref

from headrace.documents import negative_cache
from headrace.documents.negative_cache import NegativeCache
from headrace.errors import OriginError, UpstreamError
from headrace.models import Fault


def test_answer_counts_for_its_seconds_and_is_told_as_it_was() -> None:
    now = [1000.0]
    memory = NegativeCache(5.0, lambda: now[0])
    error = OriginError(Fault.RATE_LIMITED, "slow down", status=429, retry_after=3.0, hint="wait")
    memory.note("a", error)
    now[0] += 4.9
    told = memory.get("a")
    assert type(told) is OriginError
    assert (told.fault, told.message, told.status) == (error.fault, error.message, 429)
    assert (told.retry_after, told.hint) == (3.0, "wait")
    assert memory.get("b") is None
    now[0] += 0.2
    assert memory.get("a") is None


def test_clock_that_was_set_back_makes_nothing_last_for_ever() -> None:
    now = [1000.0]
    memory = NegativeCache(5.0, lambda: now[0])
    memory.note("a", UpstreamError(Fault.MISSING, "no"))
    now[0] -= 3600
    assert memory.get("a") is None


def test_forgotten_is_asked_again() -> None:
    memory = NegativeCache(5.0, lambda: 0.0)
    memory.note("a", UpstreamError(Fault.MISSING, "no"))
    memory.forget("a")
    memory.forget("a")
    assert memory.get("a") is None


def test_oldest_goes_when_there_are_too_many() -> None:
    memory = NegativeCache(5.0, lambda: 0.0)
    for number in range(negative_cache.REMEMBERED + 1):
        memory.note(str(number), UpstreamError(Fault.MISSING, "no"))
    assert memory.get("0") is None
    assert memory.get("1") is not None


def test_memory_holds_nothing_of_what_went_on_when_it_failed() -> None:
    class Large:
        pass

    memory = NegativeCache(5.0, lambda: 0.0)

    def fail() -> weakref.ref[Large]:
        large = Large()
        try:
            int("none")
        except ValueError as cause:
            error = UpstreamError(Fault.CUT, "above")
            error.__cause__ = cause
            memory.note("a", error)
        return weakref.ref(large)

    held = fail()
    gc.collect()
    assert held() is None
    told = memory.get("a")
    assert told is not None
    assert told.__cause__ is None
