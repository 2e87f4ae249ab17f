"""When this process is what limits a download."""

from __future__ import annotations

import pytest

from headrace.transfer.backpressure import FAST, FULL, Backpressure
from headrace.upstream.http1.streams import PIECE

MB = 1 << 20


def felt(*pieces: int, rate: float = 1.05 * FAST) -> bool:
    """Say whether it is felt after pieces that came at so many bytes per second."""
    now, pressure = 0.0, Backpressure(0.0)
    for piece in pieces:
        now += piece / rate
        pressure.received(piece, now)
    return pressure.felt(now)


def test_pieces_that_stop_their_sender_are_full_ones() -> None:
    assert PIECE // 2 >= FULL


def test_it_is_felt_when_most_of_what_came_lately_came_in_full_pieces() -> None:
    full, small = 32 * MB // FULL, 32 * MB // (FULL - 1)
    assert felt(*[FULL] * full)
    assert not felt(*[FULL - 1] * small)
    assert not felt(*[FULL] * full, *[FULL - 1] * small)
    assert felt(*[FULL - 1] * small, *[FULL] * full)


@pytest.mark.parametrize("piece", [FULL, PIECE])
def test_few_pieces_of_a_moment_tell_nothing(piece: int) -> None:
    assert not felt(*[piece] * (4 * MB // piece))


def test_it_is_never_felt_of_lines_that_are_worth_more_connections() -> None:
    assert not felt(*[FULL] * 1000, rate=0.95 * FAST)


def test_it_is_not_felt_while_nothing_comes() -> None:
    pressure = Backpressure(0.0)
    for step in range(100):
        pressure.received(PIECE, step / 200)
    assert pressure.felt(0.5)
    assert not pressure.felt(5.0)
