"""A bounded table: what goes, what stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headrace.policy.lru import LRUCache


def keys(cache: LRUCache[str, bytes]) -> list[str]:
    return [key for key, _ in cache.items()]


def test_the_least_recently_used_goes_first() -> None:
    cache = LRUCache[str, bytes](10, len)
    for key in "abc":
        cache.put(key, b"123")
    assert cache.get("a") == b"123"
    cache.put("d", b"123")
    assert keys(cache) == ["c", "a", "d"]
    assert cache.get("b") is None
    assert cache.weight == 9


def test_asking_whether_it_is_here_is_no_use_of_it() -> None:
    cache = LRUCache[str, bytes](2)
    cache.put("a", b"")
    cache.put("b", b"")
    assert "a" in cache
    cache.put("c", b"")
    assert keys(cache) == ["b", "c"]
    assert "a" not in cache


def test_a_value_in_place_of_another_is_weighed_anew() -> None:
    cache = LRUCache[str, bytes](10, len)
    cache.put("a", b"12345678")
    cache.put("b", b"1")
    cache.put("a", b"12")
    assert (keys(cache), cache.weight) == (["b", "a"], 3)
    assert cache.pop("a") == b"12"
    assert cache.pop("a") is None
    assert (len(cache), cache.weight) == (1, 1)
    cache.clear()
    assert (len(cache), cache.weight) == (0, 0)


def test_the_number_is_a_bound_of_its_own() -> None:
    cache = LRUCache[str, bytes](1000, len, most=2)
    for key in "abc":
        cache.put(key, b"")
    assert keys(cache) == ["b", "c"]


def test_the_newest_is_held_alone_whatever_it_weighs() -> None:
    cache = LRUCache[str, bytes](10, len)
    cache.put("a", b"1")
    cache.put("giant", b"1" * 11)
    assert keys(cache) == ["giant"]
    cache.put("b", b"1")
    assert keys(cache) == ["b"]


def test_what_is_above_the_largest_is_not_held_and_drives_out_nobody() -> None:
    cache = LRUCache[str, bytes](10, len, largest=5)
    cache.put("a", b"1")
    cache.put("b", b"12")
    cache.put("b", b"123456")
    assert keys(cache) == ["a"], "what it replaces is gone all the same"
    cache.put("c", b"12345")
    assert keys(cache) == ["a", "c"]


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | st.binary(max_size=12))),
    st.integers(0, 20),
    st.none() | st.integers(1, 4),
    st.none() | st.integers(0, 8),
)
def test_it_is_never_over_its_bounds_and_counts_right(
    steps: list[tuple[str, bytes | None]], limit: int, most: int | None, largest: int | None
) -> None:
    cache = LRUCache[str, bytes](limit, len, most=most, largest=largest)
    for key, value in steps:
        if value is None:
            cache.get(key)
            continue
        cache.put(key, value)
        held = cache.items()
        assert cache.weight == sum(len(each) for _, each in held)
        assert len(held) <= (most or 6)
        assert cache.weight <= limit or len(held) == 1
        assert (key, value) in held or largest is not None
        assert all(largest is None or len(each) <= largest for _, each in held)
