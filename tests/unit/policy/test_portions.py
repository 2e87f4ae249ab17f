"""How much a reader is given at a time, alone and among many."""

from __future__ import annotations

from headrace.policy.portions import LARGEST, SMALLEST, portion


def test_one_reader_is_given_much_and_hundreds_little_each() -> None:
    given = [portion(readers) for readers in (0, 1, 4, 8, 16, 1000)]
    assert given == [LARGEST, LARGEST, LARGEST, LARGEST // 4, SMALLEST, SMALLEST]
    assert all(portion(n + 1) <= portion(n) for n in range(1, 100))


def test_what_all_were_given_since_there_was_one_has_a_bounded_sum() -> None:
    for readers in (1, 4, 5, 17, 120, 1000):
        held = sum(portion(number) for number in range(1, readers + 1))
        assert held <= (8 << 20) + readers * SMALLEST
