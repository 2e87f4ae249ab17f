"""What one download knows of one source: its speed, its failures, how many connections it is worth.

Three rules live here, and nowhere else:

1. *Growth.* A source starts with one connection, gets a second with its first answer if others
   work beside it, and more each `STEP`: up to `FLOOR` untried, beyond it for as long as its own
   rate and the sum over all sources grow. What brought nothing is taken back, and not tried again
   for `HOLD`, then twice that.
2. *Penalty.* A refusal of this file (403, 404, another file's bytes) ends the source for this
   download. What may pass (reset, silence, 5xx) pauses it for 1, 2, 4, 8 s, with one connection
   as a probe afterwards. 429 costs it a connection while others of it deliver, else the pause
   that it asked for.
3. *Several failures at the same moment are one*: four connections that a server resets together
   must not cost four steps.
"""

from __future__ import annotations

from headrace.models import Fault, Source
from headrace.transfer.rates import Meter

__all__ = ["HOLD", "STEP", "SourceState"]

STEP = 1.0
"""Seconds that a new connection has to show what it brings."""
CUTS = 3
"""Bodies cut short in a row after which a source gets one connection and short pauses."""
CUT_PAUSE = 0.5
FLOOR = 3
"""Connections that a source may have without having shown that they bring something."""
HOLD = 6.0
"""Seconds without growth after one that brought nothing."""
GROWTH = 1.12
"""What a new connection must bring to stay."""
RATE_LIMIT_PAUSE = 30.0
"""Seconds after a 429 that names no time (RFC 6585 section 4)."""
LONGEST_PAUSE = 8.0
FINAL = frozenset({Fault.FORBIDDEN, Fault.MISSING, Fault.NOT_THE_FILE, Fault.WRONG_BYTES})
"""Faults that do not pass while one file is fetched."""


class SourceState:
    """Mutable state of one source within one transfer."""

    def __init__(self, source: Source, now: float) -> None:
        """Know only what selection knew."""
        self.source = source
        self.id = source.id
        self.limit = source.connections
        self.share = source.connections
        """This download's part of `limit`; other downloads have the rest."""
        self.concurrency = 1
        """How many connections it is worth at present."""
        self.active: set[int] = set()
        self.delivering: set[int] = set()
        """Those of `active` whose answer has come."""
        self.meter = Meter(now, window=1.0)
        self.rtt = source.rtt
        self.out: Fault | None = None
        self.paused_until = 0.0
        self.strikes = 0
        """Failures since it was last useful."""
        self.cuts = 0
        """Bodies in a row that ended early although bytes came."""
        self.denied = False
        self.ranged = True
        self.etag: str | None = None
        self.probed = False
        """It has been asked for something in this download."""
        self._step_at = now
        self._step_total = 0
        self._grown_from: tuple[float, float] | None = None
        """This source's and all sources' rate before the newest connection was added."""
        self._step_rate = 0.0
        self._hold = HOLD
        self._hold_until = 0.0

    # ------------------------------------------------------------------ may it be asked?

    def room(self, now: float) -> int:
        """Count the requests that may be started at it now."""
        if self.out or self.denied or now < self.paused_until:
            return 0
        shaky = self.strikes or self.cuts >= CUTS or not self.ranged
        most = min(self.limit, self.share, 1 if shaky else self.concurrency)
        return max(0, most - len(self.active))

    def known(self) -> bool:
        """Say whether there is any rate to reckon with."""
        return self.meter.total > 0 or self.source.rate is not None

    def rate(self, now: float) -> float | None:
        """Return its bytes per second, all connections together."""
        measured = self.meter.rate(now) if self.meter.total else None
        return self.source.rate if measured is None else measured

    def rate_per_request(self, now: float) -> float | None:
        """Return the bytes per second to expect of one more request."""
        rate = self.rate(now)
        if rate is None:
            return None
        if not self.meter.total:
            return rate / max(1, min(self.limit, 4))
        return rate / max(1, min(self.concurrency, len(self.active) + 1))

    def expected_rtt(self) -> float:
        """Return seconds to the first byte of an answer, a guess where nothing is known."""
        return 0.2 if self.rtt is None else self.rtt

    def learn(self, source: Source) -> None:
        """Take what selection knows better by now."""
        self.source = source
        if self.rtt is None:
            self.rtt = source.rtt

    # ------------------------------------------------------------------ what happens to it

    def started(self, request: int, now: float) -> None:
        """Count a request."""
        if not self.active:
            self.meter.restart(now)
        self.active.add(request)
        self.probed = True

    def opened(self, request: int, waited: float, *, alone: bool) -> None:
        """Count an answer; `waited` since the request may hold a handshake, so keep the least."""
        if not alone:
            self.concurrency = max(self.concurrency, min(2, self.limit))
        self.delivering.add(request)
        self.rtt = waited if self.rtt is None else min(self.rtt, waited)

    def received(self, length: int, now: float) -> None:
        """Count bytes; they wipe out old failures."""
        if not self.meter.total:
            self._step_at = now
            self.meter.restart(now)
        self.meter.add(length, now)
        self.strikes = 0

    def completed(self) -> None:
        """Count a request that brought all it was asked for."""
        self.strikes = self.cuts = 0

    def ended(self, request: int) -> None:
        """Forget a request."""
        self.active.discard(request)
        self.delivering.discard(request)

    def failed(
        self, fault: Fault, now: float, retry_after: float | None, *, bytes_came: bool
    ) -> None:
        """Take the consequences of a failure; the request itself has been `ended` before."""
        if fault in FINAL:
            self.out = fault
        elif fault is Fault.RATE_LIMITED:
            self.limit = max(1, min(self.limit, len(self.active) + 1) - 1)
            wait = RATE_LIMIT_PAUSE if retry_after is None else max(1.0, retry_after)
            self.paused_until = now + (1.0 if self.delivering else wait)
        elif bytes_came:
            self.cuts += 1
            if self.cuts > CUTS:  # it gives something each time: tried soon, but singly
                self.paused_until = max(self.paused_until, now + CUT_PAUSE)
        elif now >= self.paused_until:
            self.strikes += 1
            pause = min(LONGEST_PAUSE, 2.0 ** (self.strikes - 1))
            self.paused_until = now + max(pause, retry_after or 0.0)
        if fault not in FINAL:
            self.meter.scale(0.3 if not bytes_came else 0.7)

    def release(self, now: float) -> None:
        """End its pause: everybody else is worse."""
        self.paused_until = min(self.paused_until, now)

    # ------------------------------------------------------------------ growth

    def tune(self, now: float, everybody: float, *, alone: bool) -> None:
        """Add or take back a connection; `everybody` is the sum of all sources' rates.

        Up to `FLOOR` nothing is proved: they fill each other's round trips. A source that gives
        little of the whole is not judged either, its rate says less than its noise. One that is
        alone is judged from the second on: it has no round trips of others to fill.
        """
        if now - self._step_at < STEP or not self.meter.total:
            return
        rate = (self.meter.total - self._step_total) / (now - self._step_at)
        settled = rate < 1.1 * self._step_rate
        self._step_at, self._step_total, self._step_rate = now, self.meter.total, rate
        most = min(self.limit, self.share)
        slow = rate * 10 < everybody
        if self._grown_from is not None:
            before, sum_before = self._grown_from
            self._grown_from = None
            gain = rate - before
            # The sum is an average that lags behind, hence a quarter and not the whole gain.
            taken = gain > 0.05 * sum_before and everybody - sum_before < gain / 4
            if gain < before * (GROWTH - 1) or (taken and not alone):
                self.concurrency = max(1, self.concurrency - 1)
                self._hold_until = now + self._hold
                self._hold *= 2
        judged = self.concurrency >= (1 if alone else FLOOR) and not slow
        if judged and not settled:  # it still grows by itself, which would be taken for a gain
            return
        if now >= self._hold_until and len(self.active) >= self.concurrency < most:
            self.concurrency += 1
            if judged:
                self._grown_from = (rate, everybody)

    def shift(self, seconds: float) -> None:
        """Leave out seconds in which this process itself slept."""
        self.meter.shift(seconds)
        self._step_at += seconds

    def __repr__(self) -> str:
        """Show what decides about it."""
        state = (
            self.out.value if self.out else f"{len(self.active)}/{self.concurrency}/{self.limit}"
        )
        pause = f" paused until {self.paused_until:.2f}" if self.paused_until else ""
        return f"<{self.id} {state}{pause} strikes={self.strikes}>"
