"""One download: events in, actions out, time as an argument. No socket, no clock, no bytes.

The phases, and everything that leads from one to the next:

    SIZING    -> FETCHING   the first good answer tells the length
    FETCHING  -> VERIFYING  every byte is held
    VERIFYING -> DONE       the digest agrees
    VERIFYING -> SEARCHING  it does not: some source gave wrong bytes
    SEARCHING -> FETCHING   the culprit is found, its bytes are dropped
    SEARCHING -> FETCHING   no two sources disagree: once more, from the origin alone
    any       -> FETCHING   the length was a source's word, and another one's is to be tried
    any       -> FAILED     nobody is left, or nothing came for `GIVE_UP` seconds

What readers may be given is `horizon`: nothing at or above that offset goes out.

Rules of this room. Rule 1: what decides about bytes and requests is in `state`, `scheduler`,
`dispatcher` and `integrity_check`; this file only leads events to them. Rule 2: every event ends in
`_advance`, which alone changes the phase forward and starts requests.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any

from headrace.models import Fault, Source
from headrace.transfer import messages as m
from headrace.transfer.culprit_search import EARLIER
from headrace.transfer.dispatcher import Dispatcher
from headrace.transfer.integrity_check import IntegrityCheck
from headrace.transfer.range_set import RangeSet
from headrace.transfer.segments import Segment, Segments
from headrace.transfer.source_state import SourceState
from headrace.transfer.state import TransferState
from headrace.transfer.told_lengths import ToldLengths
from headrace.values import dataclass
from headrace.wording import counted

__all__ = ["GIVE_UP", "HOLD_BACK", "WHOLE_BELOW", "Phase", "Spec", "Transfer"]

HOLD_BACK = 64 << 10
"""The end of a large file, which waits for the digest: no client holds a whole wrong file."""
WHOLE_BELOW = 8 << 20
"""Up to this size nothing goes out before the digest agrees."""
GIVE_UP = 30.0
"""Seconds without a byte from anybody, after which the client's own retry is the better way."""
AT_FIRST = 8.0
"""The same for the very first byte, where it is known before that nobody may be asked sooner."""
TICK = 0.1
OVERSLEPT = 0.4
"""A tick that is later than this was held up by this process: no source is to blame for it."""
STALL, STALL_ALONE = 1.5, 6.0
"""Seconds without a byte in a body until the rest is given to another, or to a new connection."""


class Phase(enum.Enum):
    """Where a transfer stands. The module's docstring has the transitions."""

    SIZING = "sizing"
    FETCHING = "fetching"
    VERIFYING = "verifying"
    SEARCHING = "searching"
    """For the source of wrong bytes. The value is the log's word."""
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
    """What an earlier task left on the disk; unproven until the digest agrees."""
    etag: str | None = None
    """Where there is no digest: the strong validator of the one version that is wanted. With it
    parts may be asked for side by side (RFC 9110 section 13.1.5)."""
    verify_first_below: int = 0
    """As `Artifact.verify_first_below`."""
    patience: float = 0.0
    """As `m.ReadersBear`, from the start."""


class Transfer:
    """The state machine. `repr` tells its state; tests and the log read that."""

    def __init__(self, spec: Spec, sources: Sequence[Source], now: float) -> None:
        """Prepare; the first event starts it."""
        self.spec = spec
        self.phase = Phase.SIZING
        self.failure: m.Fail | None = None
        self.state = TransferState(now)
        self.state.checked = spec.checked
        self.state.origin_alone = not spec.checked
        self.state.etag = spec.etag
        self.state.patience = spec.patience
        self.integrity = IntegrityCheck(self.state)
        self.lengths = ToldLengths(self.state) if spec.size is None and spec.checked else None
        """What sources tell of a length that nobody else knows."""
        self.dispatcher = Dispatcher(self.state, now)
        self._held = spec.held
        self._quiet_since = now
        self._came = False
        self._tick_due: float | None = None
        self._handlers: dict[type, Callable[[Any, float, list[m.Action]], None]] = {
            m.Tick: self._tick,
            m.Opened: self._opened,
            m.Ended: self._ended,
            m.Failed: self._failed,
            m.Denied: self._denied,
            m.Freed: self._freed,
            m.Allowed: self._allowed,
            m.Joined: self._joined,
            m.Resumed: self._resumed,
            m.ReadersAt: self._readers_at,
            m.ReadersBear: self._patience,
            m.Compared: self._compared,
            m.Digested: self._digested,
        }
        self._joined(m.Joined(tuple(sources)), now, [])
        if spec.size is not None:
            self._sized(spec.size)

    # ------------------------------------------------------------------ what others may see

    @property
    def sources(self) -> dict[str, SourceState]:
        """The sources, by id."""
        return self.state.sources

    @property
    def segments(self) -> Segments:
        """The map of the file."""
        return self.state.segments

    @property
    def size(self) -> int | None:
        """The file's length, once anybody told."""
        return self.segments.size if self.segments.known else None

    @property
    def over(self) -> bool:
        """Nothing more will happen."""
        return self.phase in (Phase.DONE, Phase.FAILED)

    @property
    def horizon(self) -> int:
        """The hold-back rule: readers may be given held bytes below this offset, no others."""
        size = self.size
        if size is None or self.phase in (Phase.SEARCHING, Phase.FAILED):
            return 0
        if self.phase is Phase.DONE or not self.spec.checked:
            return size
        return 0 if size <= max(WHOLE_BELOW, self.spec.verify_first_below) else size - HOLD_BACK

    def own_end(self, offset: int) -> int:
        """The rule for readers that can take nothing back: return the offset below which they may
        be given held bytes from `offset` on.

        Before the digest agrees that is what the origin itself gave, and of that not the end.
        """
        size = self.size
        if self.phase is Phase.DONE or not self.spec.checked:
            return self.horizon
        if size is None or size <= WHOLE_BELOW or self.phase in (Phase.SEARCHING, Phase.FAILED):
            return 0
        own = [self.state.provenance.get(u.id) for u in self.sources.values() if u.source.is_origin]
        return min(max((runs.run_end(offset) for runs in own if runs), default=0), size - HOLD_BACK)

    def next_wake(self, now: float) -> float | None:
        """Return when `Tick` is due; None when this is over."""
        if self.over:
            return None
        if self._tick_due is None:
            self._tick_due = now + TICK
        return self._tick_due

    def __repr__(self) -> str:
        """Show phase, map and sources."""
        search = f" {self.integrity.search!r}" if self.integrity.search else ""
        return (
            f"<Transfer {self.phase.value} {self.segments!r} "
            f"{list(self.sources.values())}{search} mismatches={self.integrity.mismatches}>"
        )

    # ------------------------------------------------------------------ events

    def handle(self, event: m.Event, now: float) -> list[m.Action]:
        """Take an event; return what is to be done about it, in this order."""
        if self.over:
            return []
        if isinstance(event, m.Received):  # some thousands a second
            return self._received(event, now)
        out: list[m.Action] = []
        self._handlers[type(event)](event, now, out)
        self._advance(now, out)
        return out

    def _joined(self, event: m.Joined, now: float, _out: list[m.Action]) -> None:
        for source in event.sources:
            if not (self.spec.checked or source.is_origin):
                continue
            known = self.sources.get(source.id)
            if known is None:
                self.sources[source.id] = SourceState(source, now)
            else:
                known.learn(source)

    def _resumed(self, event: m.Resumed, _now: float, _out: list[m.Action]) -> None:
        if self.phase is Phase.SIZING:
            self._held = event.held

    def _readers_at(self, event: m.ReadersAt, _now: float, _out: list[m.Action]) -> None:
        self.dispatcher.readers_at = event.offsets or (0,)

    def _patience(self, event: m.ReadersBear, _now: float, _out: list[m.Action]) -> None:
        self.state.patience = event.seconds

    def _allowed(self, event: m.Allowed, _now: float, _out: list[m.Action]) -> None:
        if event.source is None:
            self.state.most = event.connections
        elif upstream := self.sources.get(event.source):
            upstream.share = event.connections

    def _denied(self, event: m.Denied, _now: float, _out: list[m.Action]) -> None:
        self.integrity.lost(event.request)
        if segment := self.state.drop(event.request):
            self.sources[segment.source].denied = True

    def _freed(self, event: m.Freed, _now: float, _out: list[m.Action]) -> None:
        if upstream := self.sources.get(event.source):
            upstream.denied = False

    # ------------------------------------------------------------------ a request's life

    def _sized(self, size: int) -> None:
        held = RangeSet((low, min(high, size)) for low, high in self._held if low < size)
        if held.total:
            self.state.provenance[EARLIER] = RangeSet(held)
        self.segments.resize(size, held)
        self.phase = Phase.FETCHING

    def _opened(self, event: m.Opened, now: float, out: list[m.Action]) -> None:
        segment = self.segments.in_flight.get(event.request)
        if segment is None:
            return
        upstream = self.sources[segment.source]
        segment.opened(now)
        waited = now - segment.asked_at if event.rtt is None else event.rtt
        upstream.opened(segment.id, waited, alone=self.state.alone())
        if self.lengths and event.total is not None:
            self.lengths.told[upstream.id] = event.total
            if upstream.source.is_origin and self.lengths.may_try(event.total):
                self._begin_anew(event.total, out)
                return
        if event.total is None or self.size not in (None, event.total):
            self.integrity.lost(segment.id)
            total = "no length" if event.total is None else counted(event.total, "byte")
            detail = f"gives {total} instead of {self.size}"
            self.state.reject(segment, Fault.NOT_THE_FILE, detail, now, out)
            return
        if not self.spec.checked and not self._same_version(event, upstream):
            detail = "the file changed meanwhile"
            if self.spec.etag is not None:
                self.state.reject(segment, Fault.NOT_THE_FILE, detail, now, out)
                return
            out.append(m.SourceFault(upstream.id, Fault.NOT_THE_FILE, detail, segment.id))
            self.state.cancel([segment], out)
            self.state.from_the_start(upstream, out)
            return
        upstream.validator = event.validator
        if self.phase is Phase.SIZING:
            self._sized(event.total)
            if self.lengths:
                self.lengths.tried.add(event.total)
        if not event.ranged:
            self._opened_whole(segment, upstream, out)

    def _begin_anew(self, size: int, out: list[m.Action]) -> None:
        """Drop everything: the length was another source's word, and this one is to be believed."""
        assert self.lengths is not None
        self.state.cancel(self.segments.in_flight.values(), out)
        self.state.forget([(0, self.segments.size)], out)
        self.state.provenance.clear()
        self.state.origin_alone = False
        self.lengths.take(size, out)
        self.segments.resize(size, RangeSet())
        self.integrity = IntegrityCheck(self.state, self.integrity.mismatches)
        self.phase = Phase.FETCHING
        out.append(m.Resize(size))

    def _same_version(self, event: m.Opened, upstream: SourceState) -> bool:
        """Say whether what comes may stand beside what is held, where no digest will tell."""
        if self.spec.etag is not None:
            return event.validator == self.spec.etag
        if not self.segments.held.total:
            return True
        return event.validator is not None and event.validator == upstream.validator

    def _opened_whole(self, segment: Segment, upstream: SourceState, out: list[m.Action]) -> None:
        """A 200: its body runs from 0 to the end, whatever we asked for."""
        if segment.whole:
            return
        if upstream.ranged:
            upstream.ranged = False
            out.append(m.SourceFault(upstream.id, Fault.NO_RANGES, "ignores Range", segment.id))
        if segment.check or segment.start > 0:
            self.integrity.lost(segment.id)
            self.state.cancel([segment], out)
            return
        segment.whole = True
        self.segments.extend(segment)

    def _received(self, event: m.Received, now: float) -> list[m.Action]:
        segment = self.segments.in_flight.get(event.request)
        if segment is None:
            return []
        segment.last = self._quiet_since = now
        self._came = True
        segment.meter.add(event.length, now)
        self.state.backpressure.received(event.length, now, len(self.segments.in_flight))
        self.sources[segment.source].received(event.length, now)
        at = segment.cursor
        fresh = self.segments.accept(segment, event.length)
        if segment.check:
            return [m.Compare(segment.id, lo, lo - at, hi - at) for lo, hi in fresh]
        if segment.hedged:
            came = min(segment.cursor, segment.end) - at
            self.state.waste.add(max(0, came - sum(hi - lo for lo, hi in fresh)))
        out: list[m.Action] = []
        for low, high in fresh:
            self.state.credit(segment.source, low, high)
            out.append(m.Write(segment.id, low, low - at, high - at))
        if segment.hedged:
            self.state.cancel(self.segments.superfluous(), out)
        if not self.segments.missing:
            self._advance(now, out)
        return out

    def _ended(self, event: m.Ended, now: float, out: list[m.Action]) -> None:
        segment = self.segments.in_flight.get(event.request)
        if segment is None:
            return
        if self.segments.lacks(segment):
            detail = f"ended {counted(segment.left, 'byte')} early"
            self._failed(m.Failed(segment.id, Fault.CUT, detail), now, out)
        else:
            self.integrity.lost(segment.id)  # a check that ended before its last comparison
            self.sources[segment.source].completed()
            self.state.drop(segment.id)

    def _failed(self, event: m.Failed, now: float, out: list[m.Action]) -> None:
        self.integrity.lost(event.request)
        if segment := self.segments.in_flight.get(event.request):
            self.state.fail(segment, event, now, out)

    # ------------------------------------------------------------------ right or wrong?

    def _compared(self, event: m.Compared, _now: float, out: list[m.Action]) -> None:
        self.integrity.compared(event, out)
        if self.phase is Phase.SEARCHING and self.integrity.search is None:
            self.phase = Phase.FETCHING

    def _digested(self, event: m.Digested, _now: float, out: list[m.Action]) -> None:
        if self.phase is not Phase.VERIFYING:
            return
        if event.agrees:
            self.phase = Phase.DONE
            out.append(m.Finish())
            return
        self.integrity.open()
        self.phase = Phase.SEARCHING

    # ------------------------------------------------------------------ time

    def _tick(self, _event: m.Tick, now: float, out: list[m.Action]) -> None:
        late = now - self._tick_due if self._tick_due is not None else 0.0
        self._tick_due = now + TICK
        if late > OVERSLEPT:
            self._shift(late)
            return
        alone = self.state.alone()
        for segment in list(self.segments.in_flight.values()):
            rtt = self.sources[segment.source].expected_rtt()
            patience = STALL_ALONE if alone else max(STALL, 6 * rtt)
            if segment.opened_at is not None and now - segment.last > patience:
                self.integrity.lost(segment.id)
                detail = f"no byte for {now - segment.last:.1f} s"
                self.state.reject(segment, Fault.STALLED, detail, now, out)
        if self.state.in_one_piece:
            return
        everybody = self.dispatcher.scheduler.total_rate(now)
        if self.state.backpressure.felt(now):
            return
        left = self.segments.missing / max(everybody, 1.0)
        for upstream in self.sources.values():
            upstream.tune(now, everybody, left, alone=alone)

    def _shift(self, seconds: float) -> None:
        """Take our own sleep out of everybody's account."""
        self._quiet_since += seconds
        self.state.backpressure.shift(seconds)
        for segment in self.segments.in_flight.values():
            segment.shift(seconds)
        for upstream in self.sources.values():
            upstream.shift(seconds)

    # ------------------------------------------------------------------ what next?

    def _advance(self, now: float, out: list[m.Action]) -> None:
        """Move on to the next phase where it is time, then put idle connections to work."""
        if self.phase is Phase.FETCHING and not self.segments.missing:
            self._complete(out)
        if self.over or self.phase is Phase.VERIFYING:
            self._quiet_since = now
            return
        if self.phase is Phase.SEARCHING:
            failure = self.integrity.advance(now, out)
            if failure is not None:
                self._end(failure, out)
                if self.over:
                    return
            if self.integrity.search is None:
                self.phase = Phase.FETCHING
        if self.phase in (Phase.SIZING, Phase.FETCHING):
            self.dispatcher.fill(now, out)
        self._give_up(now, out)

    def _complete(self, out: list[m.Action]) -> None:
        self.state.cancel(self.segments.in_flight.values(), out)
        if self.spec.checked:
            self.phase = Phase.VERIFYING
            out.append(m.Verify())
        else:
            self.phase = Phase.DONE
            out.append(m.Finish())

    def _give_up(self, now: float, out: list[m.Action]) -> None:
        if not self.state.eligible():
            faults = ", ".join(f"{u.id}: {u.out.value}" for u in self.sources.values() if u.out)
            self._end(m.Fail(f"no source is left ({faults or 'there was none'})"), out)
        elif now - self._quiet_since >= self._longest():
            self._fail(m.Fail(f"no source gave a byte for {self._longest():.0f} s"), out)
        elif self._all_limit(self._quiet_since + (GIVE_UP if self._came else AT_FIRST)):
            self._fail(
                m.Fail("every source asks to be left alone for longer than anybody waits"), out
            )

    def _longest(self) -> float:
        """Return the seconds without a byte after which there is no hope: while somebody may still
        answer, readers who wait longer than others are waited for.
        """
        return max(GIVE_UP, self.state.patience) if self.segments.in_flight else GIVE_UP

    def _all_limit(self, until: float) -> bool:
        """Say whether nobody works and nobody may be asked before `until`."""
        if self.segments.in_flight:
            return False
        return all(upstream.bound_until >= until for upstream in self.state.eligible())

    def _end(self, failure: m.Fail, out: list[m.Action]) -> None:
        """Fail, unless the file may have another length."""
        size = self.lengths.untried() if self.lengths else None
        if size is None:
            self._fail(failure, out)
        else:
            self._begin_anew(size, out)

    def _fail(self, failure: m.Fail, out: list[m.Action]) -> None:
        self.state.cancel(self.segments.in_flight.values(), out)
        self.phase = Phase.FAILED
        self.failure = failure
        out.append(failure)
