"""How many connections one source is worth: grown step by step while growth brings something.

A source starts with one connection, gets a second with its first answer if others work beside it,
and more each `STEP`: up to `FLOOR` untried, beyond it for as long as its own rate and the sum over
all sources grow. What brought nothing is taken back, and not tried again for `HOLD`, then twice
that.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["STEP", "AdaptiveConcurrency", "Step"]

STEP = 1.0
"""Seconds that a new connection has to show what it brings."""
FLOOR = 3
"""Connections that a source may have without having shown that they bring something."""
HOLD = 6.0
"""Seconds without growth after one that brought nothing."""
GROWTH = 1.12
"""What a new connection must bring to stay."""


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


class AdaptiveConcurrency:
    """Of one source within one transfer."""

    def __init__(self, now: float) -> None:
        """Begin with one connection."""
        self.connections = 1
        self._step_at = now
        self._step_total = 0
        self._step_rate = 0.0
        self._grown_from: tuple[float, float] | None = None
        """This source's and all sources' rate before the newest connection was added."""
        self._hold = HOLD
        self._hold_until = 0.0

    def begin(self, now: float) -> None:
        """Count steps from here on: the first bytes have come."""
        self._step_at = now

    def open_second(self, most: int) -> None:
        """Allow a second connection: it answers, and others work beside it."""
        self.connections = max(self.connections, min(2, most))

    def tune(self, step: Step) -> None:
        """Add or take back a connection.

        Up to `FLOOR` nothing is proved: they fill each other's round trips. A source that gives
        little of the whole is not judged either, its rate says less than its noise. One that is
        alone is judged from the second on: it has no round trips of others to fill.
        """
        now, everybody = step.now, step.everybody
        if now - self._step_at < STEP:
            return
        rate = (step.total - self._step_total) / (now - self._step_at)
        settled = rate < 1.1 * self._step_rate
        self._step_at, self._step_total, self._step_rate = now, step.total, rate
        if self._grown_from is not None:
            before, sum_before = self._grown_from
            self._grown_from = None
            gain = rate - before
            # The sum is an average that lags behind, hence a quarter and not the whole gain.
            taken = gain > 0.05 * sum_before and everybody - sum_before < gain / 4
            if gain < before * (GROWTH - 1) or (taken and not step.alone):
                self.connections = max(1, self.connections - 1)
                self._hold_until = now + self._hold
                self._hold *= 2
        slow = rate * 10 < everybody
        judged = self.connections >= (1 if step.alone else FLOOR) and not slow
        if judged and not settled:  # it still grows by itself, which would be taken for a gain
            return
        if now >= self._hold_until and step.active >= self.connections < step.most:
            self.connections += 1
            if judged:
                self._grown_from = (rate, everybody)

    def shift(self, seconds: float) -> None:
        """Leave out seconds in which this process itself slept."""
        self._step_at += seconds
