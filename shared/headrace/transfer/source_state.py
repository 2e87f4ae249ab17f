"""What one download knows of one source: its speed, its failures, how many connections it is worth.

Two rules live here, and nowhere else (a third, about growth, is in `adaptive_concurrency`):

1. *Penalty.* A refusal of this file (403, 404, another file's bytes) ends the source for this
   download. What may pass (reset, silence, 5xx) pauses it for 1, 2, 4, 8 s, with one connection
   as a probe afterwards. 429 costs it half of its connections, and the pause that it asked for.
   A pause after an answer (429, 5xx) is kept to, whoever else is there: nobody cuts it short.
2. *Several failures at the same moment are one*: four connections that a server resets together
   must not cost four steps.
"""

from __future__ import annotations

from headrace.models import Fault, Source
from headrace.transfer.adaptive_concurrency import UNTRIED, AdaptiveConcurrency, Step
from headrace.transfer.rates import Meter

__all__ = ["SourceState"]

CUTS = 3
"""Bodies cut short in a row after which a source gets one connection and short pauses."""
CUT_PAUSE = 0.5
RATE_LIMIT_PAUSE = 30.0
"""Seconds after a 429 that names no time (RFC 6585 section 4), twice as many after the next."""
FLOOR = 1.0
"""Seconds after a 429 at least, also where it names none or 0, or others of it deliver."""
LONGEST_PAUSE = 8.0
YOUNG = 1 << 20
"""Bytes that a source has given until its rate is that of all its connections."""
FINAL = frozenset(
    {
        Fault.FORBIDDEN,
        Fault.MISSING,
        Fault.NOT_THE_FILE,
        Fault.LED_ASTRAY,
        Fault.WRONG_BYTES,
    }
)
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
        self.concurrency = AdaptiveConcurrency(now, min(source.untried, source.connections))
        """How many connections it is worth at present."""
        self.active: set[int] = set()
        self.delivering: set[int] = set()
        """Those of `active` whose answer has come."""
        self.meter = Meter(now, window=1.0)
        self.rtt = source.rtt
        self.out: Fault | None = None
        self.paused_until = 0.0
        self.bound_until = 0.0
        """Until then it is not asked whatever happens: it answered that it is too much."""
        self.strikes = 0
        """Failures since it was last useful."""
        self.cuts = 0
        """Bodies in a row that ended early although bytes came."""
        self.denied = False
        self.ranged = True
        self.validator: str | None = None
        """Of the version that it gives."""
        self.probed = False
        """It has been asked for something in this download."""

    # ------------------------------------------------------------------ may it be asked?

    def room(self, now: float) -> int:
        """Count the requests that may be started at it now."""
        if self.out or self.denied or now < self.paused_until:
            return 0
        shaky = self.strikes or self.cuts >= CUTS or not self.ranged
        most = min(self.limit, self.share, 1 if shaky else self.concurrency.connections)
        return max(0, most - len(self.active))

    def allowed(self, *, alone: bool) -> int:
        """Return the connections that all downloads together may have to it for the next request:
        more than usual only where this one has seen that more bring more, or has no other source.
        Two downloads with four between them would never see it, and go without for nobody's sake.
        """
        if alone:
            return self.source.connections
        return min(self.source.connections, max(UNTRIED, self.concurrency.connections))

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
        # What one connection brings by itself is soon shared with those that are made beside it.
        young = self.meter.total < YOUNG
        working = self.concurrency.connections if young else len(self.active) + 1
        return rate / max(1, min(self.concurrency.connections, working))

    def rate_of_each(self, now: float) -> float | None:
        """Return the bytes per second to expect of one of those that it has been asked for."""
        rate = self.rate(now)
        if rate is None or not self.meter.total:
            return self.rate_per_request(now)
        return rate / max(1, len(self.active))

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
        self.concurrency.answered(self.limit, alone=alone)
        self.delivering.add(request)
        self.rtt = waited if self.rtt is None else min(self.rtt, waited)

    def received(self, length: int, now: float) -> None:
        """Count bytes; they wipe out old failures."""
        if not self.meter.total:
            self.concurrency.begin(now)
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
            if now >= self.bound_until:
                self.limit = min(self.limit, self.concurrency.halve(len(self.active) + 1))
            self._bind(now + self._wait(retry_after, now))
        elif bytes_came:
            self.cuts += 1
            if self.cuts > CUTS:  # it gives something each time: tried soon, but singly
                self.paused_until = max(self.paused_until, now + CUT_PAUSE)
        elif now >= self.paused_until:
            self.strikes += 1
            self.paused_until = now + min(LONGEST_PAUSE, 2.0 ** (self.strikes - 1))
        if fault is Fault.SERVER_ERROR and not bytes_came:
            self._bind(max(self.paused_until, now + max(retry_after or 0.0, FLOOR)))
        if fault not in FINAL:
            self.meter.scale(0.3 if not bytes_came else 0.7)

    def _wait(self, named: float | None, now: float) -> float:
        """Return the seconds that a 429 costs: what it names, else ever more."""
        if named:
            return max(named, FLOOR)
        if now >= self.paused_until:
            self.strikes += 1
        first = FLOOR if named == 0 or self.delivering else RATE_LIMIT_PAUSE
        return first * 2.0 ** min(max(self.strikes, 1) - 1, 16)

    def _bind(self, until: float) -> None:
        self.bound_until = max(self.bound_until, until)
        self.paused_until = max(self.paused_until, until)

    def may_be_released(self, now: float, within: float) -> bool:
        """Whether its pause ends in so many seconds and may be cut short."""
        return now >= self.bound_until and self.paused_until - now <= within

    def release(self, now: float) -> None:
        """End its pause, unless it asked for it: everybody else is worse."""
        self.paused_until = max(min(self.paused_until, now), self.bound_until)

    # ------------------------------------------------------------------ growth

    def tune(self, now: float, everybody: float, left: float, *, alone: bool) -> None:
        """Add or take back connections; `everybody` is the sum of all sources' rates, `left` the
        seconds until all is here.
        """
        most, active = min(self.limit, self.share), len(self.active)
        if self.meter.total:
            total, rtt = self.meter.total, self.expected_rtt()
            self.concurrency.tune(
                Step(
                    now,
                    total,
                    everybody,
                    active,
                    most,
                    alone=alone,
                    rtt=rtt,
                    left=left,
                    denied=self.denied,
                )
            )

    def shift(self, seconds: float) -> None:
        """Leave out seconds in which this process itself slept."""
        self.meter.shift(seconds)
        self.concurrency.shift(seconds)

    def __repr__(self) -> str:
        """Show what decides about it."""
        state = (
            self.out.value
            if self.out
            else f"{len(self.active)}/{self.concurrency.connections}/{self.limit}"
        )
        pause = f" paused until {self.paused_until:.2f}" if self.paused_until else ""
        return f"<{self.id} {state}{pause} strikes={self.strikes}>"
