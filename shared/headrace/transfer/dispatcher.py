"""Puts idle connections to work: whose turn it is, and whether one more request is polite.

What a connection is asked for is the scheduler's business.
"""

from __future__ import annotations

from headrace.transfer import messages as m
from headrace.transfer.scheduler import PROBE, SMALL, Assignment, Move, Scheduler
from headrace.transfer.source_state import CUTS, SourceState
from headrace.transfer.state import TO_THE_END, TransferState

__all__ = ["Dispatcher"]

HEDGE_AFTER = 0.3
"""Seconds, at least, until a small file is asked for a second time elsewhere."""
HEDGE_AT_LAST = 3.0
"""The same, at most."""
SIZING_HEDGE = 1.0
"""Seconds until a third source is asked while the length is not known."""
WAIT_FOR_BETTER = 0.5
"""Seconds that a small file waits for a busy source that is much better than the free ones."""
SLOW_AFTER = 5.0
"""Seconds after which sources that crawl are helped by one in reserve."""
CRAWL = 256 * 1024
"""Bytes per second, of all of them together, below which they crawl."""
AGAIN = 9.0
"""Seconds without an answer after which a source that is waited for longer is asked a second time
beside that, and once more after twice as many: the first request may have been lost."""
MOST_AGAIN = 3
"""Requests for the same bytes that nobody has answered, at most."""
BRIEF = 1.0
"""A pause of up to this many seconds is cut short when nobody else is there, unless the source
asked for it.
"""


class Dispatcher:
    """Starts requests. Looks at the state of the transfer and changes it."""

    def __init__(self, state: TransferState, now: float) -> None:
        """Work on this state."""
        self._state = state
        self._begun = now
        self.scheduler = Scheduler(state.segments, state.sources, state.waste)
        self.readers_at: tuple[int, ...] = (0,)
        """Offsets at which readers wait."""

    def fill(self, now: float, out: list[m.Action]) -> None:
        """Give every source that has room the best thing to do, the fastest first."""
        state = self._state
        for segment, end in state.segments.stale():
            state.shorten(segment, end, out)
        if state.patience > AGAIN and (state.checked or state.etag):
            self._ask_again(now, out)
        most = state.most
        if (enough := state.backpressure.enough(now)) is not None:
            most = min(most, enough)
        for upstream in self._candidates(now):
            while upstream.room(now) and len(state.segments.in_flight) < most:
                if self._enough(now):
                    return
                choice = self._choose(upstream, now)
                if choice is None:
                    break
                self._launch(upstream, choice, now, out)

    def _ask_again(self, now: float, out: list[m.Action]) -> None:
        """Ask once more where an answer has been waited for long, without giving up the first."""
        segments = self._state.segments
        for segment in list(segments.in_flight.values()):
            if segment.opened_at is not None or now - segment.asked_at < AGAIN:
                continue
            if segment.check or segment.left <= 0:
                continue
            copies = segments.copies(segment)
            if any(each.opened_at is not None for each in copies) or len(copies) >= MOST_AGAIN:
                continue
            if now - max(each.asked_at for each in copies) < AGAIN * len(copies):
                continue
            upstream = self._state.sources[segment.source]
            room = not upstream.denied and len(upstream.active) < upstream.limit
            if room and now >= upstream.paused_until and len(segments.in_flight) < self._state.most:
                again = Assignment(Move.HEDGE, segment.position, segment.end, segment.id)
                self._launch(upstream, again, now, out)

    def _candidates(self, now: float) -> list[SourceState]:
        eligible = self._without_reserve(now)
        able = [u for u in eligible if u.room(now)]
        if not able and not any(u.active for u in eligible):
            for upstream in eligible:
                if not upstream.denied and upstream.may_be_released(now, BRIEF):
                    upstream.release(now)
                    able = [upstream]
                    break
        # A source without ranges gives all or nothing: it begins a file, or is the last resort.
        if self._state.segments.held.total or self._state.segments.in_flight:
            ranged = [u for u in able if u.ranged]
            hope = any(u.ranged and u.paused_until - now <= BRIEF for u in eligible)
            able = ranged if ranged or hope else able
        segments = self._state.segments
        if segments.known and segments.size <= SMALL:
            return able  # in selection's order: round trips decide, which rates do not tell
        return sorted(able, key=lambda u: -(u.rate_per_request(now) or 0.0))

    def _without_reserve(self, now: float) -> list[SourceState]:
        """Return who may be asked: those in reserve only while no other does well."""
        eligible = self._state.eligible()
        others = [u for u in eligible if not u.source.reserve]
        well = [u for u in others if not u.strikes and u.cuts < CUTS and u.paused_until <= now]
        if len(others) == len(eligible) or not well:
            return eligible
        late = now - self._begun > SLOW_AFTER
        crawling = late and sum(u.rate(now) or 0.0 for u in others) < CRAWL
        return eligible if crawling else others

    # ------------------------------------------------------------------ politeness

    def _enough(self, now: float) -> bool:
        """Say whether one more request would be impolite: a small file needs one, later a hedge."""
        segments = self._state.segments
        in_flight = segments.in_flight.values()
        if not segments.known:
            return len(in_flight) > 1 and now - min(s.asked_at for s in in_flight) < SIZING_HEDGE
        if segments.size > SMALL:
            return self._state.in_one_piece and len(in_flight) > 0
        if not in_flight:
            return self._better_is_busy(now)
        newest = max(in_flight, key=lambda s: s.asked_at)
        upstream = self._state.sources[newest.source]
        usual = 3 * upstream.expected_rtt() + segments.size / (upstream.source.rate or 1e7)
        return now - newest.asked_at < min(max(HEDGE_AFTER, 2 * usual), HEDGE_AT_LAST)

    def _better_is_busy(self, now: float) -> bool:
        """Say whether a small file does better to wait for a source that others use just now."""
        if now - self._begun > WAIT_FOR_BETTER:
            return False
        size = self._state.segments.size
        busy = [self._cost(u, size, now) for u in self._state.eligible() if u.denied]
        free = [self._cost(u, size, now) for u in self._state.eligible() if u.room(now)]
        return bool(busy) and (not free or 3 * min(busy) < min(free))

    @staticmethod
    def _cost(upstream: SourceState, size: int, now: float) -> float:
        return 2 * upstream.expected_rtt() + size / (upstream.rate(now) or 1e6)

    # ------------------------------------------------------------------ the request

    def _choose(self, upstream: SourceState, now: float) -> Assignment | None:
        segments = self._state.segments
        if not segments.known:
            # What no digest will tell comes in one answer.
            end = PROBE if self._state.checked else TO_THE_END
            return None if upstream.active else Assignment(Move.HEDGE, 0, end)
        if len(segments.in_flight) == 1 and upstream.source.is_origin and not upstream.probed:
            # Nothing is known of the first choice: whoever is quicker gives the first byte.
            only = next(iter(segments.in_flight.values()))
            unknown = not self._state.sources[only.source].known()
            if unknown and only.opened_at is None and segments.size > SMALL:
                return Assignment(Move.HEDGE, only.start, only.end, only.id)
        return self.scheduler.choose(upstream, self.readers_at, now)

    def _launch(
        self, upstream: SourceState, choice: Assignment, now: float, out: list[m.Action]
    ) -> None:
        segments = self._state.segments
        victim = segments.in_flight.get(choice.victim) if choice.victim is not None else None
        if victim is not None and choice.move is not Move.HEDGE:
            self._state.shorten(victim, choice.start, out)
        elif victim is not None and choice.end < victim.end:
            self._state.shorten(victim, choice.end, out)
        segments.launch(self._state.launch(upstream, choice.start, choice.end, now, out))
