"""How much each client is sent: laws of `Shares`, on a clock of the test's own."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.policy.serving.shares import Shares

MB = 1 << 20


def drive(
    shares: Shares, sizes: Mapping[str, int], seconds: float, own: int | None = None
) -> dict[str, int]:
    """Let clients send as fast as they may; return what each was sent by the end."""
    sent = dict.fromkeys(sizes, 0)
    free = dict.fromkeys(sizes, 0.0)
    while (client := min(free, key=lambda name: free[name])) and free[client] < seconds:
        now = free[client]
        if wait := shares.wait(client, own, now):
            free[client] = now + wait
            continue
        sent[client] += sizes[client]
        free[client] = now + max(1e-6, shares.sent(client, sizes[client], own, now))
    return sent


def test_without_limits_nobody_waits() -> None:
    shares = Shares()
    assert not shares.limited(None)
    assert shares.sent("a", 10**12, None, 0.0) == 0.0


#: Seconds' worth that goes out in one piece.
PIECES = st.floats(0.02, 1.0)


@settings(max_examples=25)
@given(rate=st.integers(10_000, 10**9), piece=PIECES, clients=st.integers(1, 4))
def test_nobody_has_more_than_its_rate(rate: int, piece: float, clients: int) -> None:
    seconds, size = 10.0, int(rate * piece)
    sizes = {str(number): size for number in range(clients)}
    for count in drive(Shares(each=rate), sizes, seconds).values():
        # What is sent in one piece may go past it once.
        assert count <= rate * (seconds + 1.0) + size
        assert count >= rate * (seconds - 1.0) - size


@settings(max_examples=25)
@given(rate=st.integers(10_000, 10**9), piece=st.floats(0.02, 0.1))
def test_all_together_have_no_more_than_the_whole_and_equal_parts_of_it(
    rate: int, piece: float
) -> None:
    seconds, size = 15.0, int(rate * piece)
    sizes = {"a": size, "b": 4 * size, "c": size}
    sent = drive(Shares(total=rate), sizes, seconds)
    assert sum(sent.values()) <= rate * (seconds + 2.0) + 8 * size
    assert max(sent.values()) <= min(sent.values()) * 1.3 + 8 * size + rate


def test_whoever_is_alone_has_the_whole() -> None:
    shares = Shares(total=8 * MB)
    assert shares.rate("a", None, 0.0) == 8 * MB
    shares.sent("a", MB, None, 0.0)
    assert shares.rate("b", None, 0.5) == 4 * MB
    assert shares.rate("b", None, 5.0) == 8 * MB


@pytest.mark.parametrize(("own", "rate"), [(None, MB), (2 * MB, 2 * MB), (10 * MB, 4 * MB)])
def test_a_clients_own_limit_goes_before_the_common_one(own: int | None, rate: int) -> None:
    shares = Shares(total=4 * MB, each=MB)
    assert shares.rate("a", own, 0.0) == rate
    assert shares.limited(own)


def test_clients_of_before_are_forgotten() -> None:
    shares = Shares(each=1)
    for number in range(10_000):
        shares.sent(str(number), 1, None, 0.0)
    assert len(shares._clients) <= 4096
