"""One download: events in, actions out, time as an argument. No socket, no clock, no bytes.

The phases, and everything that leads from one to the next:

    SIZING    -> FETCHING   the first good answer tells the length
    FETCHING  -> VERIFYING  every byte is held
    VERIFYING -> DONE       the digest agrees
    VERIFYING -> TRIAL      it does not: somebody lied
    TRIAL     -> FETCHING   the culprit is found, its bytes are dropped
    TRIAL     -> FETCHING   nobody contradicts anybody: once more, from the origin alone
    any       -> FAILED     nobody is left, or nothing came for `GIVE_UP` seconds

What readers may be given is `horizon`: nothing at or above that offset leaves the house.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from headrace.models import Fault, Source
from headrace.transfer import messages as m
from headrace.transfer.blame import EARLIER, Piece, Trial
from headrace.transfer.extents import Extents
from headrace.transfer.scheduler import PROBE, SMALL, Choice, Move, Scheduler
from headrace.transfer.segments import Segment, Segments
from headrace.transfer.upstreams import Upstream

__all__ = ["GIVE_UP", "HOLD_BACK", "WHOLE_BELOW", "Phase", "Spec", "Transfer"]

HOLD_BACK = 64 << 10
"""The end of a large file, which waits for the digest: no client holds a whole wrong file."""
WHOLE_BELOW = 8 << 20
"""Up to this size nothing goes out before the digest agrees."""
GIVE_UP = 30.0
"""Seconds without a byte from anybody, after which the client's own retry is the better way."""
TICK = 0.1
OVERSLEPT = 0.4
"""A tick that is later than this was held up by this process: no source is to blame for it."""
SOON = 5.0
"""A trial waits this long for a witness that is paused."""


class Phase(enum.Enum):
    """Where a transfer stands. The module's docstring has the transitions."""

    SIZING = "sizing"
    FETCHING = "fetching"
    VERIFYING = "verifying"
    TRIAL = "trial"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Spec:
    """What is to be fetched."""

    size: int | None
    """None: the first good answer tells."""
    checked: bool = True
    """There is a digest. Without one only the origin is asked, in one piece."""
    held: tuple[tuple[int, int], ...] = ()
    """What an earlier run left on the disk; unproven until the digest agrees."""


class Transfer:
    """The state machine. `repr` tells its state; tests and the log read that."""

    def __init__(self, spec: Spec, sources: Sequence[Source], now: float) -> None:
        """Prepare; the first `handle(Tick(), now)` starts it."""
        self.spec = spec
        self.phase = Phase.SIZING
        self._held = spec.held
        self.failure: m.Fail | None = None
        self.upstreams: dict[str, Upstream] = {}
        self.provenance: dict[str, Extents] = {}
        self.vouched = Extents()
        self.trial: Trial | None = None
        self.segments = Segments(0, Extents())
        self.mismatches = 0
        self._scheduler = Scheduler(self.segments, self.upstreams)
        self._sizing: dict[int, Segment] = {}
        self._wanted: tuple[int, ...] = (0,)
        self._requests = 0
        self._most = 1 << 30
        self._quiet_since = now
        self._tick_due: float | None = None
        self._origin_alone = not spec.checked
        self._second_try = False
        self._join(sources, now)
        if spec.size is not None:
            self._sized(spec.size)

    # ------------------------------------------------------------------ what others may see

    @property
    def size(self) -> int | None:
        """The file's length, once anybody told."""
        return None if self.phase is Phase.SIZING else self.segments.size

    @property
    def over(self) -> bool:
        """Nothing more will happen."""
        return self.phase in (Phase.DONE, Phase.FAILED)

    @property
    def horizon(self) -> int:
        """The hold-back rule: readers may be given held bytes below this offset, no others."""
        size = self.size
        if size is None or self.phase in (Phase.TRIAL, Phase.FAILED):
            return 0
        if self.phase is Phase.DONE or not self.spec.checked:
            return size
        return 0 if size <= WHOLE_BELOW else size - HOLD_BACK

    def next_wake(self, now: float) -> float | None:
        """Return when `Tick` is due; None when this is over."""
        if self.over:
            return None
        if self._tick_due is None:
            self._tick_due = now + TICK
        return self._tick_due

    def __repr__(self) -> str:
        """Show phase, map and sources."""
        trial = f" {self.trial!r}" if self.trial else ""
        return (
            f"<Transfer {self.phase.value} {self.segments!r} "
            f"{list(self.upstreams.values())}{trial} mismatches={self.mismatches}>"
        )

    # ------------------------------------------------------------------ events

    def handle(self, event: m.Event, now: float) -> list[m.Action]:
        """Take an event; return what is to be done about it, in this order."""
        if self.over:
            return []
        if isinstance(event, m.Received):  # the hot path
            return self._received(event, now)
        out: list[m.Action] = []
        match event:
            case m.Tick():
                self._tick(now, out)
            case m.Opened():
                self._opened(event, now, out)
            case m.Ended():
                self._ended(event, now, out)
            case m.Failed():
                self._failed(event, now, out)
            case m.Denied():
                segment = self._drop(event.request, now)
                if segment:
                    self.upstreams[segment.source].denied = True
            case m.Freed():
                if upstream := self.upstreams.get(event.source):
                    upstream.denied = False
            case m.Allowed():
                self._allowed(event)
            case m.Joined():
                self._join(event.sources, now)
            case m.Resumed():
                self._held = event.held if self.phase is Phase.SIZING else self._held
            case m.Wanted():
                self._wanted = event.offsets or (0,)
            case m.Compared():
                self._compared(event, now, out)
            case m.Digested():
                self._digested(event, now, out)
            case _:
                assert_never(event)
        self._advance(now, out)
        return out

    def _join(self, sources: Sequence[Source], now: float) -> None:
        for source in sources:
            if not (self.spec.checked or source.is_origin):
                continue
            known = self.upstreams.get(source.id)
            if known is None:
                upstream = self.upstreams[source.id] = Upstream(source, now)
                if not self.spec.checked:
                    upstream.limit = 1
            else:
                known.source = source
                known.rtt = source.rtt if known.rtt is None else known.rtt

    def _sized(self, size: int) -> None:
        held = Extents((low, min(high, size)) for low, high in self._held if low < size)
        if held.total:
            self.provenance[EARLIER] = Extents(held)
        self.segments.__init__(size, held)  # type: ignore[misc]  # one map, filled in late
        self.phase = Phase.FETCHING

    def _allowed(self, event: m.Allowed) -> None:
        if event.source is None:
            self._most = event.connections
        elif upstream := self.upstreams.get(event.source):
            upstream.share = event.connections

    # ------------------------------------------------------------------ a request's life

    def _find(self, request: int) -> Segment | None:
        return self.segments.flying.get(request) or self._sizing.get(request)

    def _drop(self, request: int, now: float) -> Segment | None:
        """Take a request out of all books; what it did not bring is free again."""
        segment = self._find(request)
        if segment is None:
            return None
        self._sizing.pop(request, None)
        self.segments.land(segment)
        self.upstreams[segment.source].ended(request)
        if self.trial:
            self.trial.lost(request)
        for other in self.segments.flying.values():
            other.hedged = other.hedged and any(
                o is not other and o.position < other.end and other.position < o.end
                for o in self.segments.flying.values()
                if not o.check
            )
        return segment

    def _opened(self, event: m.Opened, now: float, out: list[m.Action]) -> None:
        segment = self._find(event.request)
        if segment is None:
            return
        upstream = self.upstreams[segment.source]
        segment.opened_at = segment.last = now
        segment.meter.restart(now)
        upstream.opened(segment.id, now - segment.asked_at, alone=self._alone())
        if event.total is None or (self.size not in (None, event.total)):
            detail = f"gives {event.total} bytes instead of {self.size}"
            self._reject(segment, Fault.NOT_THE_FILE, detail, now, out)
            return
        if not self.spec.checked and event.etag != upstream.etag and self.segments.held.total:
            self._reject(segment, Fault.NOT_THE_FILE, "the file changed meanwhile", now, out)
            return
        upstream.etag = event.etag
        if self.phase is Phase.SIZING:
            self._sized(event.total)
            for early in self._sizing.values():
                early.end = min(early.end, event.total)
                early.hedged = len(self._sizing) > 1
                self.segments.launch(early)
            self._sizing.clear()
        if not event.ranged and upstream.ranged:
            upstream.ranged = False
            out.append(m.Blame(upstream.id, Fault.NO_RANGES, "ignores Range", segment.id))
        if not event.ranged:
            self._opened_whole(segment, now, out)

    def _opened_whole(self, segment: Segment, now: float, out: list[m.Action]) -> None:
        """A 200: its stream starts at 0, whatever we asked for."""
        others = any(
            u.ranged and not u.out and u.delivering and u.id != segment.source
            for u in self.upstreams.values()
        )
        if segment.check or (segment.start > 0 and others):
            out.append(m.Cancel(segment.id))
            self._drop(segment.id, now)
            return
        segment.whole, segment.cursor = True, 0
        for low, high in self.segments.free.within(segment.end, self.segments.size):
            if low == segment.end:
                segment.end = high
                self.segments.free.remove(low, high)
            break

    def _received(self, event: m.Received, now: float) -> list[m.Action]:
        segment = self.segments.flying.get(event.request)
        if segment is None:
            return []
        upstream = self.upstreams[segment.source]
        segment.last = self._quiet_since = now
        segment.meter.add(event.length, now)
        upstream.received(event.length, now)
        cursor = segment.cursor
        fresh = self.segments.accept(segment, event.length)
        out: list[m.Action]
        if segment.check:
            return [m.Compare(segment.id, lo, lo - cursor, hi - cursor) for lo, hi in fresh]
        origin = self.provenance.get(segment.source)
        if origin is None:
            origin = self.provenance[segment.source] = Extents()
        out = []
        for low, high in fresh:
            origin.add(low, high)
            out.append(m.Write(segment.id, low, low - cursor, high - cursor))
        if segment.hedged:
            self._settle_hedges(now, out)
        if not self.segments.missing:
            self._advance(now, out)
        return out

    def _settle_hedges(self, now: float, out: list[m.Action]) -> None:
        """End those whose bytes somebody else has brought."""
        held = self.segments.held
        for other in list(self.segments.flying.values()):
            if other.hedged and not other.check and other.position < other.end:
                if held.covers(other.position, other.end):
                    out.append(m.Cancel(other.id))
                    self._drop(other.id, now)

    def _ended(self, event: m.Ended, now: float, out: list[m.Action]) -> None:
        segment = self._find(event.request)
        if segment is None:
            return
        held = self.segments.held
        if segment.left > 0 and (segment.check or not held.covers(segment.position, segment.end)):
            detail = f"ended {segment.left} bytes early"
            self._failed(m.Failed(segment.id, Fault.CUT, detail), now, out)
            return
        if segment.check:
            segment.position = segment.end
        else:
            self._drop(segment.id, now)

    def _failed(self, event: m.Failed, now: float, out: list[m.Action]) -> None:
        segment = self._drop(event.request, now)
        if segment is None:
            return
        upstream = self.upstreams[segment.source]
        came = segment.cursor > segment.start
        upstream.failed(event.fault, now, event.retry_after, bytes_came=came)

    def _reject(
        self, segment: Segment, fault: Fault, detail: str, now: float, out: list[m.Action]
    ) -> None:
        """End a request ourselves."""
        out.append(m.Cancel(segment.id))
        out.append(m.Blame(segment.source, fault, detail, segment.id))
        self._failed(m.Failed(segment.id, fault, detail), now, out)

    # ------------------------------------------------------------------ time

    def _tick(self, now: float, out: list[m.Action]) -> None:
        late = now - self._tick_due if self._tick_due is not None else 0.0
        self._tick_due = now + TICK
        if late > OVERSLEPT:
            self._quiet_since += late
            for segment in self.segments.flying.values():
                segment.last += late
                segment.asked_at += late
                segment.meter.shift(late)
            for upstream in self.upstreams.values():
                upstream.shift(late)
            return
        alternatives = sum(1 for u in self.upstreams.values() if not u.out)
        for segment in list(self.segments.flying.values()):
            upstream = self.upstreams[segment.source]
            patience = max(1.5, 6 * upstream.expected_rtt()) if alternatives > 1 else 6.0
            if segment.opened_at is not None and now - segment.last > patience:
                detail = f"no byte for {now - segment.last:.1f} s"
                self._reject(segment, Fault.STALLED, detail, now, out)
        everybody = self._scheduler.total_rate(now)
        for upstream in self.upstreams.values():
            upstream.tune(now, everybody, alone=alternatives == 1)

    # ------------------------------------------------------------------ what next?

    def _advance(self, now: float, out: list[m.Action]) -> None:
        """Move on to the next phase where it is time, then put idle connections to work."""
        if self.phase is Phase.FETCHING and not self.segments.missing:
            for segment in list(self.segments.flying.values()):
                if segment.position < segment.end:
                    out.append(m.Cancel(segment.id))
                self._drop(segment.id, now)
            if self.spec.checked:
                self.phase = Phase.VERIFYING
                out.append(m.Verify())
            else:
                self.phase = Phase.DONE
                out.append(m.Finish())
        if self.over or self.phase is Phase.VERIFYING:
            self._quiet_since = now
            return
        if self.phase is Phase.TRIAL:
            self._hear(now, out)
        if self.phase in (Phase.SIZING, Phase.FETCHING):
            self._fill(now, out)
        if self.phase in (Phase.SIZING, Phase.FETCHING, Phase.TRIAL):
            self._despair(now, out)

    def _candidates(self, now: float) -> list[Upstream]:
        """Those that may be asked now: known ones by speed, then unknown ones as selection has it."""
        # One that ignores ranges would take the frontier, lose it at its 200, and take it again.
        ranges = any(
            u.ranged and not u.out and u.paused_until <= now for u in self.upstreams.values()
        )
        asked = [
            u
            for u in self.upstreams.values()
            if u.room(now)
            and (u.ranged or not ranges)
            and (u.source.is_origin or not self._origin_alone)
        ]
        if not asked and not any(u.active for u in self.upstreams.values()):
            resting = [
                u
                for u in self.upstreams.values()
                if not u.out
                and not u.denied
                and u.paused_until - now <= 1.0
                and (u.source.is_origin or not self._origin_alone)
            ]
            for upstream in resting[:1]:
                upstream.release(now)
                asked.append(upstream)
        return sorted(asked, key=lambda u: -(u.lane_rate(now) or 0.0))

    def _fill(self, now: float, out: list[m.Action]) -> None:
        for upstream in self._candidates(now):
            while upstream.room(now) and len(self._flying()) < self._most:
                if self._enough(now):
                    return
                choice = self._choose(upstream, now)
                if choice is None:
                    break
                self._launch(upstream, choice, now, out)

    def _flying(self) -> Mapping[int, Segment]:
        return self.segments.flying or self._sizing

    def _enough(self, now: float) -> bool:
        """Say whether more requests would be impolite: a small file needs one, and later a hedge."""
        flying = self._flying()
        if self.phase is Phase.SIZING:
            return len(flying) >= 2 and now - min(s.asked_at for s in flying.values()) < 1.0
        if self.segments.size > SMALL or not flying:
            return False
        first = min(flying.values(), key=lambda s: s.asked_at)
        upstream = self.upstreams[first.source]
        expected = 3 * upstream.expected_rtt() + self.segments.size / (upstream.rate(now) or 1e7)
        return len(flying) > 1 or now - first.asked_at < max(0.3, 2 * expected)

    def _choose(self, upstream: Upstream, now: float) -> Choice | None:
        if self.phase is Phase.SIZING:
            return None if upstream.active else Choice(Move.HEDGE, 0, PROBE)
        flying = self.segments.flying
        if len(flying) == 1 and upstream.source.is_origin and not upstream.probed:
            only = next(iter(flying.values()))
            known = self.upstreams[only.source].known()
            if not known and only.opened_at is None and self.segments.size > SMALL:
                return Choice(Move.HEDGE, only.start, only.end, only.id)
        return self._scheduler.choose(upstream, self._wanted, now)

    def _launch(self, upstream: Upstream, choice: Choice, now: float, out: list[m.Action]) -> None:
        victim = self.segments.flying.get(choice.victim or -1)
        if victim is not None and choice.move is not Move.HEDGE:
            self.segments.shorten(victim, choice.start)
            out.append(m.Shrink(victim.id, victim.end))
        elif victim is not None:
            if choice.end < victim.end:
                self.segments.shorten(victim, choice.end)
                out.append(m.Shrink(victim.id, victim.end))
            victim.hedged = True
        segment = self._new(upstream, choice.start, choice.end, now)
        segment.hedged = victim is not None and choice.move is Move.HEDGE
        if self.phase is Phase.SIZING:
            self._sizing[segment.id] = segment
        else:
            self.segments.launch(segment)
        out.append(self._fetch(upstream, segment))

    def _new(self, upstream: Upstream, start: int, end: int, now: float) -> Segment:
        self._requests += 1
        upstream.started(self._requests, now)
        return Segment(self._requests, upstream.id, start, end, now)

    def _alone(self) -> bool:
        return sum(1 for u in self.upstreams.values() if not u.out) == 1

    def _fetch(self, upstream: Upstream, segment: Segment) -> m.Fetch:
        alone = self._alone()
        return m.Fetch(
            segment.id,
            upstream.id,
            segment.start,
            segment.end,
            connect_timeout=8.0 if alone else 3.0,
            first_byte_timeout=9.0 if alone else 5.0,
            etag=None if self.spec.checked else upstream.etag,
        )

    def _despair(self, now: float, out: list[m.Action]) -> None:
        left = [
            u
            for u in self.upstreams.values()
            if not u.out and (u.source.is_origin or not self._origin_alone)
        ]
        if left and now - self._quiet_since < GIVE_UP:
            return
        faults = ", ".join(f"{u.id}: {u.out.value}" for u in self.upstreams.values() if u.out)
        if left:
            self._fail(f"no source gave a byte for {GIVE_UP:.0f} s", now, out)
        else:
            self._fail(f"no source is left ({faults or 'there was none'})", now, out)

    def _fail(
        self, reason: str, now: float, out: list[m.Action], *, integrity: bool = False
    ) -> None:
        for request in [*self.segments.flying, *self._sizing]:
            out.append(m.Cancel(request))
            self._drop(request, now)
        self.phase = Phase.FAILED
        self.failure = m.Fail(reason, integrity)
        out.append(self.failure)

    # ------------------------------------------------------------------ right or wrong?

    def _digested(self, event: m.Digested, now: float, out: list[m.Action]) -> None:
        if self.phase is not Phase.VERIFYING:
            return
        if event.agrees:
            self.phase = Phase.DONE
            out.append(m.Finish())
            return
        self.mismatches += 1
        out.append(m.Restart())
        self.phase = Phase.TRIAL
        self.trial = Trial(self.provenance, self.vouched, self._origin_id())

    def _origin_id(self) -> str | None:
        ids = [u.id for u in self.upstreams.values() if u.source.is_origin and not u.out]
        return ids[0] if ids else None

    def _hear(self, now: float, out: list[m.Action]) -> None:
        """Ask for second opinions; end the trial when there are none to be had."""
        assert self.trial is not None
        witnesses = [
            u
            for u in self.upstreams.values()
            if not u.out and u.ranged and u.paused_until - now < SOON
        ]
        ids = [u.id for u in witnesses]
        if self.trial.origin not in ids:
            self.trial.without_origin()
        if stuck := self.trial.deadlocked(ids):
            self._condemn(stuck.supplier, "its bytes do not have the digest", now, out)
            return
        if self.trial.settled(ids):
            self._last_resort(now, out)
            return
        best = max((u.lane_rate(now) or 0.0 for u in witnesses), default=0.0)
        for upstream in sorted(witnesses, key=lambda u: -(u.lane_rate(now) or 0.0)):
            while upstream.room(now) and len(self.segments.flying) < self._most:
                piece = self.trial.next_for(upstream.id)
                slow = (upstream.lane_rate(now) or 0.0) < best / 5
                if piece is None or (slow and self._other_witness(piece, upstream, ids)):
                    break
                segment = self._new(upstream, piece.start, piece.end, now)
                segment.check = True
                self.trial.ask(piece, segment.id)
                self.segments.launch(segment)
                out.append(self._fetch(upstream, segment))

    @staticmethod
    def _other_witness(piece: Piece, upstream: Upstream, ids: Sequence[str]) -> bool:
        if piece.accuser is not None:
            return False
        return any(i not in (piece.supplier, upstream.id) for i in ids)

    def _compared(self, event: m.Compared, now: float, out: list[m.Action]) -> None:
        segment = self.segments.flying.get(event.request)
        if segment is None or self.trial is None:
            return
        culprit: str | None = None
        if event.differs_at is not None:
            culprit = self.trial.differed(segment.id, segment.source, event.differs_at)
            out.append(m.Cancel(segment.id))
        elif event.end < segment.end:
            return
        else:
            piece, culprit = self.trial.agreed(segment.id)
            self.vouched.add(piece.start, piece.end)
        self._drop(segment.id, now)
        if culprit is not None:
            self._condemn(culprit, "another source contradicts it", now, out)

    def _condemn(self, culprit: str, why: str, now: float, out: list[m.Action]) -> None:
        """Drop a liar and all of its bytes that nobody else vouches for."""
        if upstream := self.upstreams.get(culprit):
            upstream.out = Fault.WRONG_BYTES
            out.append(m.Blame(culprit, Fault.WRONG_BYTES, why))
        self._end_trial(now, out)
        runs = [g for run in self.provenance.get(culprit, ()) for g in self.vouched.gaps(*run)]
        self._forget(runs, out)
        if not self.segments.missing:  # it had only accused others
            self.phase = Phase.TRIAL
            self.trial = Trial(self.provenance, self.vouched, self._origin_id())

    def _last_resort(self, now: float, out: list[m.Action]) -> None:
        """Nobody contradicts anybody, and still the digest does not agree."""
        self._end_trial(now, out)
        origin = self._origin_id()
        foreign = [run for who, runs in self.provenance.items() if who != origin for run in runs]
        if origin is not None and foreign and not self._origin_alone:
            self._origin_alone = True
            self.vouched = Extents()
            self._forget(foreign, out)
        elif origin is not None and not self._second_try:
            self._second_try = self._origin_alone = True
            self.vouched = Extents()
            self._forget([(0, self.segments.size)], out)
        else:
            reason = "the bytes of every source that is left do not have the digest"
            self._fail(reason, now, out, integrity=origin is not None)

    def _end_trial(self, now: float, out: list[m.Action]) -> None:
        self.trial = None
        self.phase = Phase.FETCHING
        for segment in list(self.segments.flying.values()):
            out.append(m.Cancel(segment.id))
            self._drop(segment.id, now)

    def _forget(self, runs: Sequence[tuple[int, int]], out: list[m.Action]) -> None:
        for start, end in list(runs):
            self.segments.forget(start, end)
            for extents in self.provenance.values():
                extents.remove(start, end)
            out.append(m.Forget(start, end))
