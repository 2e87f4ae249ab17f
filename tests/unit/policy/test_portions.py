"""How much a reader is given at a time, alone and among many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headrace.policy.portions import LARGEST, SMALLEST, portion


def test_one_reader_is_given_much_and_hundreds_little_each() -> None:
    assert [portion(readers) for readers in (0, 1, 16, 32, 256, 1000)] == [
        LARGEST,
        LARGEST,
        LARGEST,
        LARGEST // 2,
        SMALLEST,
        SMALLEST,
    ]


@given(st.integers(1, 10_000))
def test_all_together_hold_sixteen_mebibytes_or_the_smallest_portions(readers: int) -> None:
    assert SMALLEST <= portion(readers) <= LARGEST
    assert readers * portion(readers) <= max(16 << 20, readers * SMALLEST)
