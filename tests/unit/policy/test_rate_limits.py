"""Who asked to be left alone, and until when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headrace.policy.rate_limits import FLOOR, LONGEST, RateLimits


def left(limits: RateLimits, key: str, now: float) -> float:
    limit = limits.get(key, now)
    return limit.until - now if limit else 0.0


def test_named_time_is_kept_to_the_letter_and_ends() -> None:
    limits = RateLimits()
    limit = limits.refused("a", 429, 30.0, 100.0)
    assert (limit.status, limit.until, limit.named) == (429, 130.0, True)
    assert limits.get("a", 129.999) is limit
    assert limits.get("a", 130.0) is None
    assert limits.get("b", 100.0) is None


def test_who_speaks_of_no_time_at_all_has_named_none() -> None:
    assert not RateLimits().refused("a", 429, None, 0.0).named


def test_pauses_that_nobody_named_grow_until_it_gives_again() -> None:
    limits, now, pauses = RateLimits(), 0.0, []
    for _ in range(9):
        assert limits.refused("a", 503, 0.0, now).named
        pauses.append(left(limits, "a", now))
        now += pauses[-1]
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 64.0, 64.0]
    assert (pauses[0], pauses[-1]) == (FLOOR, LONGEST)
    limits.answered("a", now)
    limits.refused("a", 429, None, now)
    assert left(limits, "a", now) == FLOOR


def test_what_was_on_its_way_together_is_one_refusal() -> None:
    limits = RateLimits()
    for _ in range(5):
        limits.refused("a", 429, None, 10.0)
    assert left(limits, "a", 10.0) == FLOOR


def test_answer_of_a_request_that_was_on_its_way_ends_no_pause() -> None:
    limits = RateLimits()
    limits.refused("a", 429, 60.0, 0.0)
    limits.answered("a", 1.0)
    assert left(limits, "a", 1.0) == 59.0


def test_less_than_a_second_is_no_pause() -> None:
    limits = RateLimits()
    limits.refused("a", 429, 0.2, 0.0)
    assert left(limits, "a", 0.0) == FLOOR


@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 50.0),
            st.sampled_from([None, 0.0, 1.0, 3.0, 40.0, 86_400.0]) | st.just("fine"),
        ),
        max_size=40,
    )
)
def test_no_later_word_shortens_a_pause(
    events: list[tuple[float, float | str | None]],
) -> None:
    limits, now, until = RateLimits(), 0.0, 0.0
    for waited, said in events:
        now += waited
        if said == "fine":
            limits.answered("a", now)
        else:
            assert said is None or isinstance(said, float)
            limits.refused("a", 429, said, now)
            until = max(until, now + max(said or 0.0, FLOOR))
        assert left(limits, "a", now) >= until - now - 1e-6
