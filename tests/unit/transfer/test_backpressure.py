"""When this process is what limits a download."""

from __future__ import annotations

import pytest

from headrace.transfer.backpressure import FAST, FEW, FULL, Backpressure
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


def rate_of_trial(bring: float) -> tuple[list[int | None], bool]:
    """Let twice as many requests bring so much more; return what was enough, and what is felt."""
    rate, now, told = 2 * FAST, 0.0, []
    pressure = Backpressure(now)
    while now < 4.0:
        enough = pressure.enough(now)
        told.append(enough)
        brought = rate * bring if enough == 2 * FEW else rate
        now += PIECE / brought
        pressure.received(PIECE, now)
    return list(dict.fromkeys(told)), pressure.felt(now)


def test_twice_as_many_are_tried_once_and_what_they_bring_decides() -> None:
    assert rate_of_trial(1.1) == ([None, FEW, 2 * FEW], True)
    assert rate_of_trial(1.6) == ([None, FEW, 2 * FEW], False)


def test_nothing_is_tried_while_more_than_few_requests_are_not_over() -> None:
    pressure, now = Backpressure(0.0), 0.0
    while now < 4.0:
        now += PIECE / (2 * FAST)
        pressure.received(PIECE, now, 2 * FEW)
    assert pressure.enough(now) == FEW
