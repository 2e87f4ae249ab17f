"""One direction of a line as a value: packets in, the same packets out later, or never. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

__all__ = ["Link"]

_MTU = 1500
#: A queue shorter than this many packets would drop the bursts that any sender makes.
_LEAST_QUEUE = 20 * _MTU


class Link:
    """A transmitter of fixed rate behind a tail-drop queue, then random loss, then delay.

    Times are seconds of the caller's clock; `chance` gives numbers in [0, 1).
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self.chance = chance
        self.rate = 0.0
        """Bytes per second; 0: as fast as asked."""
        self.delay = 0.0
        self.loss = 0.0
        """Share of packets, 0 to 1."""
        self.queue = float("inf")
        """Bytes that may wait for the transmitter."""
        self.alive = True
        self.delivered = 0
        """Bytes, headers included."""
        self.packets = 0
        self.dropped = 0
        self.lost = 0
        self._free_at = 0.0
        self._flying: deque[tuple[float, bytes]] = deque()

    def shape(self, *, rate: float, delay: float, loss: float = 0.0, queue: float = 0.0) -> None:
        """Set the rate in Mbit/s (0: unlimited), delay and queue in milliseconds, loss in %."""
        self.rate = rate * 1e6 / 8
        self.delay = delay / 1000
        self.loss = loss / 100
        room = self.rate * queue / 1000
        self.queue = max(room, _LEAST_QUEUE) if rate else float("inf")

    def cut(self) -> None:
        """Lose everything from now on, what is under way included."""
        self.alive = False
        self._flying.clear()

    def mend(self) -> None:
        """Carry packets again."""
        self.alive = True

    def offer(self, packet: bytes, now: float) -> None:
        """Take a packet, or drop it."""
        if not self.alive:
            self.dropped += 1
            return
        start = max(self._free_at, now)
        if self.rate:
            if (start - now) * self.rate > self.queue:
                self.dropped += 1
                return
            start += len(packet) / self.rate
            self._free_at = start
        if self.loss and self.chance() < self.loss:
            self.lost += 1
            return
        self._flying.append((start + self.delay, packet))

    def due(self, now: float) -> list[bytes]:
        """Hand out, in order, what has arrived by now."""
        flying = self._flying
        arrived = []
        while flying and flying[0][0] <= now:
            packet = flying.popleft()[1]
            self.packets += 1
            self.delivered += len(packet)
            arrived.append(packet)
        return arrived

    @property
    def next_at(self) -> float:
        """When the next packet arrives; infinity when none is under way."""
        return self._flying[0][0] if self._flying else float("inf")
