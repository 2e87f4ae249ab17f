"""How many connections one source is worth: grown step by step while growth brings something.

A source starts with one connection, unless selection says more (`Source.untried`). Its first answer
brings `FLOOR` where others work beside it: untried, because they fill each other's round trips. One
that is alone gets a second. From there on the number doubles each step, up to what the source
allows, as long as its own rate and the sum over all sources grow. What brought nothing is taken
back, and not tried again for `HOLD`, then twice that.
"""

from __future__ import annotations

from headrace.values import dataclass

__all__ = ["STEP", "UNTRIED", "AdaptiveConcurrency", "Step"]

STEP = 1.0
"""Seconds that new connections have to show what they bring."""
STEP_ALONE = 0.4
"""The same for the only source: nobody else brings bytes meanwhile."""
TRIPS = 6
"""Round trips, at least, until new connections show it: a handshake, and windows that grow."""
FLOOR = 4
"""Connections that a source may have without having shown that they bring something."""
UNTRIED = 4
"""The same over all downloads together, where there are other sources."""
HOLD = 6.0
"""Seconds without growth after one that brought nothing."""
FALLEN = 0.9
"""Share of the rate that a source had then, below which it is another matter: its line was full
before the first packets were lost, for one.
"""
GAIN = 1 / 3
"""What new connections must bring to stay, as a share of what those before bring."""
WORTH = 4.0
"""Seconds that a source must still work at its rate: less does not pay for handshakes."""


@dataclass(frozen=True, slots=True)
class Step:
    """What there is to judge by."""

    now: float
    total: int
    """Bytes that the source has given so far."""
    everybody: float
    """The sum of all sources' rates."""
    active: int
    """Its requests at present."""
    most: int
    """Connections that it may have at all."""
    alone: bool
    """No other source is left."""
    rtt: float = 0.0
    """Seconds to the first byte of its answers."""
    left: float = float("inf")
    """Seconds until all is here, as things go."""
    denied: bool = False
    """Others have the connections that it was to have."""


class AdaptiveConcurrency:
    """Of one source within one transfer."""

    def __init__(self, now: float, connections: int = 1) -> None:
        """Begin with so many connections."""
        self.connections = connections
        self._step_at = now
        self._step_total = 0
        self._step_rate = 0.0
        self._grown_from: tuple[int, float, float] | None = None
        """The number of connections, this source's and all sources' rate before the last growth."""
        self._hold = HOLD
        self._hold_until = 0.0
        self._held_at = 0.0
        """This source's rate when growth brought nothing."""
        self._denied = False
        """It did not get what it was allowed, in this step."""

    def begin(self, now: float) -> None:
        """Count steps from here on: the first bytes have come."""
        self._step_at = now

    def answered(self, most: int, *, alone: bool) -> None:
        """Allow what needs no proof: it answers."""
        if not alone:
            self.connections = max(self.connections, min(FLOOR, most))

    def halve(self, used: int) -> int:
        """Take half of those that were used back: it said that they are too many. Return the rest,
        which is at least one.
        """
        self.connections = max(1, min(self.connections, used) // 2)
        self._grown_from = None
        return self.connections

    def tune(self, step: Step) -> None:
        """Add connections, or take them back.

        Of a source that gives little of the whole the sum says nothing: its own rate is judged. One
        that is alone is not waited for until it no longer grows by itself: what came of that
        is seen a step later.
        """
        now, everybody = step.now, step.everybody
        self._denied = self._denied or step.denied
        trips = 2 if self._grown_from is None else TRIPS
        length = max(STEP_ALONE if step.alone else STEP, trips * step.rtt)
        if now - self._step_at < length:
            return
        rate = (step.total - self._step_total) / (now - self._step_at)
        settled = rate < 1.1 * self._step_rate
        self._step_at, self._step_total, self._step_rate = now, step.total, rate
        slow = rate * 10 < everybody
        denied, self._denied = self._denied, False
        if denied and step.alone and self._grown_from is not None:
            return  # others had what it was to show something with: its trial begins now
        proved = self._judge(step, rate, slow=slow)
        if not (settled or proved or step.alone or slow or self.connections < FLOOR):
            return  # it still grows by itself, which would be taken for a gain
        fallen = rate < FALLEN * self._held_at
        if (now < self._hold_until and not fallen) or step.left < WORTH:
            return
        if step.active >= self.connections < step.most:
            if self.connections >= FLOOR:
                self._grown_from = self.connections, rate, everybody
            more = self.connections if step.alone or slow else max(1, self.connections // 2)
            self.connections = min(max(FLOOR, self.connections + more), step.most)

    def _judge(self, step: Step, rate: float, *, slow: bool) -> bool:
        """Take back what brought nothing; say whether it brought nearly all that it could."""
        if self._grown_from is None:
            return False
        connections, before, sum_before = self._grown_from
        self._grown_from = None
        gain = rate - before
        most = before * (self.connections / connections - 1)
        # The sum is an average that lags behind, hence a quarter and not the whole gain.
        taken = gain > 0.05 * sum_before and step.everybody - sum_before < gain / 4
        if gain < GAIN * most or (taken and not step.alone and not slow):
            self.connections = connections
            self._hold_until, self._held_at = step.now + self._hold, rate
            self._hold *= 2
            return False
        return gain > 1.5 * GAIN * most

    def shift(self, seconds: float) -> None:
        """Leave out seconds in which this process itself slept."""
        self._step_at += seconds
