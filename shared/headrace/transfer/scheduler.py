"""Which bytes to ask a source for next. Looks at the map and the sources, changes neither.

The aim is that bytes come in order, that all sources are busy until the end, and that nobody ever
waits for a slow one:

- *take*: ranges of equal time, not of equal size, shorter towards the end. A slow source works
  ahead of the frontier, where its bytes will be done when the frontier arrives.
- *rescue*: the range that holds the frontier up goes to somebody who is much faster.
- *steal*: when nothing is free, the range that would end last is split so that both ends meet.
- *hedge*: what is too small or too silent to be split is asked for twice.

All times are in seconds, all rates in bytes per second.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

from headrace.transfer.segments import Segment, Segments
from headrace.transfer.source_state import SourceState
from headrace.transfer.waste import Waste, on_their_way
from headrace.values import dataclass

__all__ = ["SMALL", "Assignment", "Move", "Scheduler"]

KIB = 1024
SMALL = 1024 * KIB
"""Up to here one source gives the whole file: latency decides, not bandwidth."""
SMALLEST, LEAST = 64 * KIB, 16 * KIB
"""No range below the first, where there is a choice; where that takes long, none below the second.
"""
BRIEF = 0.3
"""Seconds that the smallest range takes of a connection that gives little."""
PROBE = 256 * KIB
"""What an unknown source is asked for first."""
LARGEST = 256 << 20
LONGEST_TURN, SHORTEST_TURN = 3.0, 0.25
"""Limits to the time that one range of a fast source takes."""
FAR_TURN = 8.0
"""The same where a round trip is a good part of that."""
SLOW_TURN = 6.0
"""The same for a slow source: an extra round trip costs it more, and nobody waits for it."""
LONE_TURN = 5.0
"""The same where there is no other source: each range costs a round trip that nobody else fills."""
ONLY_SOURCE_TURN = 3.0
"""What the first connection to the only source keeps of its range when a second one comes."""
WORTH_PROBING = 1.0
"""Seconds that a range must still need before an unknown source is probed on its end."""
SPREAD = 16 << 20
"""Distance of the unknown sources' first ranges, so that a slow one is not soon in the way."""
MOST_COPIES = 6
"""Requests for the same bytes at a time; each must be much quicker than all before it."""
URGENT, LATE = 4.0, 0.5
"""Who would take so many times as long as another, and so many seconds more, is not waited for,
whatever comes for nothing then.
"""
SLOW_SHARE = 8
"""Who gives less than this part of the whole is slow."""
SLOW_START = 5.0
"""Round trips until a connection gives what it can."""
SAVED = 1.0
"""Seconds that sharing a request for most of what lacks must save to have its price."""
HARDLY = 0.05
"""Seconds, beside a round trip, that sharing a request must save at least. What ends sooner than
that is not weighed: of a fast download that is nearly every request, each time that one ends.
"""
PATIENCE = 0.3
"""Seconds of data waiting behind a hole before somebody else fills it."""


class Move(enum.Enum):
    """How a range was come by."""

    TAKE = "take"
    RESCUE = "rescue"
    STEAL = "steal"
    HEDGE = "hedge"


@dataclass(frozen=True, slots=True)
class Assignment:
    """A range to ask for, and the request that loses it, if any."""

    move: Move
    start: int
    end: int
    victim: int | None = None


class Scheduler:
    """Decides for one idle connection at a time."""

    def __init__(
        self,
        segments: Segments,
        upstreams: Mapping[str, SourceState],
        waste: Waste | None = None,
    ) -> None:
        """Look at these; all change under our eyes."""
        self._segments = segments
        self._sources = upstreams
        self._waste = waste or Waste()

    # ------------------------------------------------------------------ estimates

    def total_rate(self, now: float) -> float:
        """Return the rate of all sources that work at present."""
        return sum(u.rate(now) or 0.0 for u in self._sources.values() if u.active)

    def eta(self, segment: Segment, now: float) -> float:
        """Return seconds until a request ends, as far as can be told; a silent one grows late."""
        upstream = self._sources[segment.source]
        rate = segment.rate(now)
        if rate is not None:
            return segment.left / max(rate, self._promised(segment, now), 1.0)
        waited = now - segment.asked_at
        usual = 2 * upstream.expected_rtt()
        rate = upstream.rate_of_each(now) or PROBE / 2.0
        late = max(0.0, waited - usual)
        return max(0.0, usual - waited) + segment.left / rate + 4 * late

    def _promised(self, segment: Segment, now: float) -> float:
        """Return the rate that an answer which has just begun is known to come to: at first each
        is slow, by its window.
        """
        upstream = self._sources[segment.source]
        opened = segment.opened_at
        if opened is None or now - opened > SLOW_START * upstream.expected_rtt():
            return 0.0
        return (upstream.source.rate or 0.0) / max(1, len(upstream.active))

    # ------------------------------------------------------------------ the choice

    def choose(
        self, upstream: SourceState, readers_at: tuple[int, ...], now: float
    ) -> Assignment | None:
        """Return the best use of one more connection to `upstream`; None: better none."""
        front = self._segments.front(readers_at)
        rate = upstream.rate_per_request(now)
        return (
            self._rescue(upstream, rate, front, now)
            or self._take(upstream, rate, front, now)
            or self._steal(upstream, rate, now)
        )

    def _rescue(
        self, upstream: SourceState, rate: float | None, front: int, now: float
    ) -> Assignment | None:
        victim = self._holder(front, now)
        if rate is None or victim is None:
            return None
        size = min(victim.left, self._sized(upstream, rate, now))
        mine = upstream.expected_rtt() + size / rate
        theirs = self.eta(victim, now) * size / max(victim.left, 1)
        copies = self._segments.copies(victim)
        if theirs <= 2 * mine + 0.5:
            return None
        head = int((victim.rate(now) or 0.0) * mine)
        if len(copies) == 1 and victim.left - head >= SMALLEST and head >= LEAST:
            choice = Assignment(Move.RESCUE, victim.position + head, victim.end, victim.id)
        elif any(copy.source == upstream.id for copy in copies):
            return None
        else:
            choice = Assignment(Move.HEDGE, victim.position, victim.position + size, victim.id)
        return choice if self._worth_its_price(choice, victim, mine, theirs, now) else None

    def _holder(self, front: int, now: float) -> Segment | None:
        """Return the request that everything waits for, where others would be allowed to help."""
        waiting = self._segments.held.total - front
        if front and waiting < PATIENCE * self.total_rate(now):
            return None
        holders = self._segments.at(front)
        if not 1 <= len(holders) < MOST_COPIES:
            return None
        return min(holders, key=lambda segment: self.eta(segment, now))

    def _take(
        self, upstream: SourceState, rate: float | None, front: int, now: float
    ) -> Assignment | None:
        segments = self._segments
        if not segments.free.total:
            return None
        if segments.size <= SMALL or not upstream.ranged or self._alone_and_idle(upstream):
            size = segments.size
        elif rate is None and self._alone(upstream) and upstream.concurrency.connections > 1:
            # Side by side from the start; what each gives decides how they share the rest.
            size = -(-segments.size // upstream.concurrency.connections)
        elif rate is None:  # one probe is enough to learn it
            return None if upstream.active else self._probe(upstream, front)
        else:
            size = self._sized(upstream, rate, now)
            total = self.total_rate(now)
            left = segments.missing / max(total, rate)
            most = int(rate * (0.9 * left - upstream.expected_rtt()))
            if size > most and self._others_are_quicker(upstream, rate, now):
                if most < _smallest(rate):  # it would be the last to end
                    return None
                size = most
            if self._is_slow(upstream, now):
                return self._last_free(size)
        return self._first_free(front, size)

    def _others_are_quicker(self, upstream: SourceState, rate: float, now: float) -> bool:
        mine = upstream.expected_rtt() + SMALLEST / rate
        return any(
            1.5 * (u.expected_rtt() + SMALLEST / (u.rate_per_request(now) or 1.0)) < mine
            for u in self._sources.values()
            if u.delivering and u is not upstream
        )

    def _probe(self, upstream: SourceState, front: int) -> Assignment | None:
        """Place an unknown source: the first at the frontier, the others well ahead of it."""
        others = sum(1 for u in self._sources.values() if u.probed and u is not upstream)
        size = self._segments.size
        probe = max(SMALLEST, min(PROBE, size // 16))
        ahead = others * min(SPREAD, size // 8)
        return self._first_free(min(front + ahead, max(front, size - probe)), probe)

    def _alone_and_idle(self, upstream: SourceState) -> bool:
        """The only source, on its only connection, is asked as a plain client would: once."""
        one = not upstream.active and upstream.concurrency.connections == 1
        return one and self._alone(upstream)

    def _alone(self, upstream: SourceState) -> bool:
        return all(u.out or u is upstream for u in self._sources.values())

    def _first_free(self, at: int, size: int) -> Assignment | None:
        free = self._segments.free
        for start, end in free.within(at, self._segments.size):
            rest = end - start - size
            return Assignment(Move.TAKE, start, end if rest < SMALLEST else start + size)
        for start, end in free.within(0, at):
            rest = end - start - size
            return Assignment(Move.TAKE, start, end if rest < SMALLEST else start + size)
        return None

    def _last_free(self, size: int) -> Assignment | None:
        """Give the end of what is free, where nobody waits for it before all else is here."""
        start, end = list(self._segments.free)[-1]
        return Assignment(Move.TAKE, start if end - start - size < SMALLEST else end - size, end)

    def _is_slow(self, upstream: SourceState, now: float) -> bool:
        """Whether it gives so little of the whole that others should not wait for it."""
        return (upstream.rate(now) or 0.0) * SLOW_SHARE < self.total_rate(now)

    def _sized(self, upstream: SourceState, rate: float, now: float) -> int:
        """Return how many bytes fill this source's turn."""
        total = self.total_rate(now)
        slow = self._is_slow(upstream, now)
        left = self._segments.missing / max(2 * total, 1.0)
        usual = LONE_TURN if self._alone(upstream) else LONGEST_TURN
        longest = max(usual, min(40 * upstream.expected_rtt(), FAR_TURN))
        turn = SLOW_TURN if slow else min(max(left, SHORTEST_TURN), longest)
        least = max(_smallest(rate), int(2 * rate * upstream.expected_rtt()))
        return min(max(int(rate * turn), least), LARGEST)

    # ------------------------------------------------------------------ the end game

    def _steal(self, upstream: SourceState, rate: float | None, now: float) -> Assignment | None:
        if rate is None and self._segments.size <= SMALL:
            rate = PROBE / 2.0
        elif rate is None:
            # One that works on its first range already says soon what it is worth.
            return None if upstream.active else self._probe_at_the_end(now)
        for theirs, victim in self._latest(upstream.expected_rtt() + HARDLY, now):
            copies = self._segments.copies(victim)
            choice = self._taken_from(victim, copies, upstream, rate, theirs)
            if choice is None:
                continue
            mine = upstream.expected_rtt() + (choice.end - choice.start) / rate
            if self._worth_its_price(choice, victim, mine, theirs, now):
                return choice
        return None

    def _latest(self, least: float, now: float) -> list[tuple[float, Segment]]:
        """Return the ranges that take more than `least` seconds, with these, the last to end first.

        With each request that ends all others are looked at, so what is cheap comes before.
        """
        found = []
        for segment in self._segments.in_flight.values():
            if segment.check or segment.left <= 0:
                continue
            theirs = self.eta(segment, now)
            if segment.hedged and theirs > least:
                theirs = min(self.eta(copy, now) for copy in self._segments.copies(segment))
            if theirs > least:
                found.append((theirs, segment))
        return sorted(found, key=lambda each: -each[0])

    def _taken_from(
        self,
        victim: Segment,
        copies: list[Segment],
        upstream: SourceState,
        rate: float,
        theirs: float,
    ) -> Assignment | None:
        """Share a range, which takes `theirs` seconds more, or ask for it a second time."""
        rtt = upstream.expected_rtt()
        choice = self._split(victim, theirs, rate, rtt) if len(copies) == 1 else None
        if choice is not None:
            return _in_order(victim, choice, theirs, rate) if self._alone(upstream) else choice
        if len(copies) >= MOST_COPIES or any(copy.source == upstream.id for copy in copies):
            return None
        if rtt + victim.left / rate < 0.6 * theirs - HARDLY:
            return Assignment(Move.HEDGE, victim.position, victim.end, victim.id)
        return None

    def _worth_its_price(
        self, choice: Assignment, victim: Segment, mine: float, theirs: float, now: float
    ) -> bool:
        """Whether a range may be taken from its request, or be asked for twice: as long as little
        comes for nothing, or where its request would be waited for very long. `mine` and `theirs`
        are the seconds that either takes.
        """
        if self._segments.size <= SMALL:
            return True  # who asks for a small one twice has waited before
        upstream = self._sources[victim.source]
        if choice.move is Move.HEDGE:
            twice = (victim.rate(now) or 0.0) * mine
            price = min(float(choice.end - choice.start), twice)
            price += on_their_way(victim, choice.end, upstream)
        else:
            price = on_their_way(victim, choice.start, upstream)
        if self._waste.allows(price, self._segments.size) or theirs > URGENT * mine + LATE:
            return True
        # One request has most of what lacks, since its source was the only one: to share that, once
        # it shows what it gives, is the only way to be faster.
        shown = victim.opened_at is not None and now - victim.opened_at >= SAVED
        most = shown and victim.left * 2 > self._segments.missing
        return (most or self._alone(upstream)) and theirs - mine > SAVED

    def _probe_at_the_end(self, now: float) -> Assignment | None:
        """Give an unknown source the last bytes of the longest range, to learn what it can do."""
        ranges = [s for s in self._segments.in_flight.values() if not s.check and not s.hedged]
        victim = max(ranges, key=lambda segment: self.eta(segment, now), default=None)
        if victim is None or victim.left < 2 * PROBE or self.eta(victim, now) < WORTH_PROBING:
            return None
        return Assignment(Move.STEAL, victim.end - PROBE, victim.end, victim.id)

    def _split(self, victim: Segment, theirs: float, rate: float, rtt: float) -> Assignment | None:
        """Share the rest of a range so that both ends meet."""
        if self._segments.size <= SMALL:
            return None
        their_rate = victim.left / max(theirs, 1e-3)
        split = int((victim.left - their_rate * rtt) * rate / (rate + their_rate))
        stays = victim.left - split
        worth = split / rate + rtt < 0.9 * theirs - max(HARDLY, rtt)
        if worth and split >= _smallest(rate) and stays >= LEAST:
            return Assignment(Move.STEAL, victim.end - split, victim.end, victim.id)
        return None


def _smallest(rate: float) -> int:
    """Return what a range has at least on a connection of this rate."""
    return max(LEAST, min(SMALLEST, int(rate * BRIEF)))


def _in_order(victim: Segment, choice: Assignment, theirs: float, rate: float) -> Assignment:
    """Cut the one range of the only source so that more connections bring it in order."""
    start = victim.position + int(victim.left / max(theirs, 1e-3) * ONLY_SOURCE_TURN)
    if start >= choice.start:
        return choice
    end = min(start + max(int(rate * ONLY_SOURCE_TURN), SMALLEST), victim.end)
    return Assignment(Move.STEAL, start, end, victim.id)
