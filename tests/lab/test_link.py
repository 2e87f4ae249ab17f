"""Laws of one direction of a line; no privilege needed."""

from __future__ import annotations

import random

import pytest
from benchmarks.lab.link import Link

PACKET = bytes(1500)


def _never() -> float:
    return 1.0


def test_packets_leave_at_the_links_rate() -> None:
    link = Link(_never)
    link.shape(rate=12, delay=0, queue=1000)  # 12 Mbit/s: a packet of 1500 bytes each millisecond
    for _ in range(10):
        link.offer(PACKET, 5.0)
    assert [len(link.due(5.0 + n / 1000 + 1e-9)) for n in range(11)] == [0] + [1] * 10


def test_delay_is_added_to_every_packet_and_keeps_the_order() -> None:
    link = Link(_never)
    link.shape(rate=0, delay=30)
    for number in range(3):
        link.offer(bytes([number]), number / 1000)
    assert link.due(0.0299) == []
    assert link.next_at == pytest.approx(0.030)
    assert link.due(0.0321) == [b"\x00", b"\x01", b"\x02"]


def test_queue_drops_its_tail_and_nothing_before() -> None:
    link = Link(_never)
    link.shape(rate=12, delay=0, queue=100.5)
    for _ in range(150):
        link.offer(PACKET, 0.0)
    # A hundred packets wait for a hundred milliseconds; a hundred-first still finds room.
    assert link.dropped == 150 - 101
    assert len(link.due(1.0)) == 101


def test_loss_is_the_share_that_was_asked_for() -> None:
    link = Link(random.Random(3).random)
    link.shape(rate=0, delay=0, loss=2)
    for number in range(20_000):
        link.offer(PACKET, number / 1000)
    assert link.lost / 20_000 == pytest.approx(0.02, rel=0.15)


def test_cut_link_loses_what_is_under_way() -> None:
    link = Link(_never)
    link.shape(rate=0, delay=50)
    link.offer(PACKET, 0.0)
    link.cut()
    link.offer(PACKET, 0.01)
    assert link.due(1.0) == []
    link.mend()
    link.offer(PACKET, 1.0)
    assert len(link.due(2.0)) == 1
