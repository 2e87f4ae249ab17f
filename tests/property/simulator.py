"""A network in miniature that drives a `Transfer`: rates, round trips, faults, lies; no sockets.

Links are shared fairly among the requests that run on them, in steps of a few milliseconds. Every
byte's true supplier is remembered, so that the simulator, like a digest, knows whether the file is
right. Deterministic: the same script gives the same run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from headrace.models import Fault, Source
from headrace.transfer import messages as m
from headrace.transfer.machine import Spec, Transfer
from headrace.transfer.range_set import RangeSet

MBIT = 125_000.0


@dataclass
class Server:
    """One simulated source, with what goes wrong at it and when."""

    id: str
    rate: float
    """Bytes per second of its link."""
    rtt: float = 0.05
    per_connection: float = float("inf")
    is_origin: bool = False
    connections: int = 4
    fault: str = ""
    """dead, refuse, slow, lie, length, truncate, 403, 404, 429, 500, 503, norange, html, stall, or
    none.
    """
    too_long: int = 1000
    """Bytes that it says are there beyond the file's end, where its fault is the length."""
    retry_after: float | None = 30.0
    """What its 429 and 503 name."""
    at: float = 0.0
    """Seconds after which the fault begins."""
    known: bool = False
    budget: int | None = None
    """Lies, cuts and so on only this many times; None: for ever."""
    reserve: bool = False

    def source(self) -> Source:
        rate = self.rate if self.known else None
        return Source(
            self.id,
            f"http://{self.id}/f",
            self.is_origin,
            self.connections,
            rate,
            self.rtt if self.known else None,
            reserve=self.reserve,
        )


@dataclass
class Stream:
    """One request on its way."""

    fetch: m.Fetch
    server: Server
    begins: float
    position: int
    end: int
    stop: int
    fails: Fault | None = None
    retry_after: float | None = None
    opened: bool = False
    ranged: bool = True
    lies: bool = False
    told: int = 0
    """The file's length, as it says."""
    breaks_at: int | None = None
    silent: bool = False
    credit: float = 0.0


@dataclass
class Outcome:
    """What came of a run."""

    done: bool
    seconds: float
    transfer: Transfer
    wrong: int
    """Bytes that are wrong in the end."""
    most: dict[str, int]
    """Most requests at a time, by source."""
    first_byte: float | None
    half: float | None
    fetched: dict[str, int]
    released_wrong: bool
    last_byte: float = 0.0
    actions: list[tuple[float, m.Action]] = field(default_factory=list)
    refusals: list[tuple[float, str, float | None, int]] = field(default_factory=list)
    """When a source answered 429 or 5xx, which one, the pause that it named, and how many actions
    there had been.
    """


class Simulator:
    """Drives one transfer to its end."""

    def __init__(
        self,
        size: int,
        servers: Sequence[Server],
        *,
        access: float = float("inf"),
        step: float = 0.01,
        known_size: bool = True,
        held: tuple[tuple[int, int], ...] = (),
        held_wrong: bool = False,
        checked: bool = True,
        late: Sequence[tuple[float, Server]] = (),
        watch: Callable[[Simulator], None] | None = None,
    ) -> None:
        self.size = size
        self.servers = {server.id: server for server in servers}
        self.access = access
        self.step = step
        self.late = list(late)
        self.watch = watch
        self.now = 0.0
        self.warm: dict[str, int] = {}
        self.streams: dict[int, Stream] = {}
        self.wrong = RangeSet(held if held_wrong else ())
        self.written = RangeSet(held)
        spec = Spec(size if known_size else None, checked, held)
        self.transfer = Transfer(spec, [s.source() for s in servers], 0.0)
        self.out = Outcome(False, 0.0, self.transfer, 0, {}, None, None, {}, released_wrong=False)
        self.verify_at: float | None = None

    # ------------------------------------------------------------------ actions

    def perform(self, actions: list[m.Action]) -> None:
        for action in actions:
            self.out.actions.append((self.now, action))
            match action:
                case m.Fetch():
                    self._fetch(action)
                case m.Shrink():
                    self.streams[action.request].stop = action.end
                case m.Cancel():
                    self.streams.pop(action.request, None)
                case m.Verify():
                    self.verify_at = self.now + self.size / 2e9
                case m.Forget():
                    self.wrong.remove(action.start, action.end)
                    self.written.remove(action.start, action.end)
                case m.Resize():
                    assert not self.written.total
                case _:
                    pass

    def _fetch(self, fetch: m.Fetch) -> None:
        server = self.servers[fetch.source]
        active = sum(1 for s in self.streams.values() if s.server is server) + 1
        self.out.most[server.id] = max(self.out.most.get(server.id, 0), active)
        new = active > self.warm.get(server.id, 0)
        self.warm[server.id] = max(self.warm.get(server.id, 0), active)
        end = min(self.size, self.size if fetch.end is None else fetch.end)
        begins = self.now + server.rtt * (2 if new else 1)
        stream = Stream(fetch, server, begins, fetch.start, end, 1 << 62, told=self.size)
        self._afflict(stream)
        self.streams[fetch.request] = stream

    def _active(self, server: Server) -> str:
        if self.now < server.at or server.budget == 0:
            return ""
        return server.fault

    def _afflict(self, stream: Stream) -> None:
        server = stream.server
        fault = self._active(server)
        if not fault:
            return
        if server.budget is not None and fault not in ("norange", "slow"):
            server.budget -= 1
        codes = {
            "403": Fault.FORBIDDEN,
            "404": Fault.MISSING,
            "429": Fault.RATE_LIMITED,
            "500": Fault.SERVER_ERROR,
            "503": Fault.SERVER_ERROR,
            "html": Fault.NOT_THE_FILE,
            "refuse": Fault.REFUSED,
        }
        if fault in codes:
            stream.fails = codes[fault]
            if fault in ("429", "503"):
                stream.retry_after = server.retry_after
            if fault == "503" and server.retry_after is not None:
                stream.fails = Fault.RATE_LIMITED
        elif fault == "dead":
            stream.fails = Fault.SILENT
            stream.begins = self.now + stream.fetch.connect_timeout
        else:
            self._distort(stream, fault)

    def _distort(self, stream: Stream, fault: str) -> None:
        """Let a body be another than the one that was asked for."""
        if fault == "truncate":
            stream.breaks_at = (stream.position + stream.end) // 2
        elif fault == "lie":
            stream.lies = True
        elif fault == "length":  # of another file, longer or shorter than the one that is wanted
            stream.lies = True
            stream.told = max(1, self.size + stream.server.too_long)
            asked = stream.fetch.end
            stream.end = stream.told if asked is None else min(asked, stream.told)
        elif fault == "norange":
            stream.ranged = False
            stream.position, stream.end = 0, self.size

    # ------------------------------------------------------------------ the clock

    def run(self, limit: float = 600.0) -> Outcome:
        out = self.out
        self.perform(self.transfer.handle(m.Tick(), 0.0))
        while not self.transfer.over and self.now < limit:
            self.now += self.step
            while self.late and self.late[0][0] <= self.now:
                _, server = self.late.pop(0)
                self.servers[server.id] = server
                self.tell(m.Joined((server.source(),)))
            self._move()
            if self.verify_at is not None and self.now >= self.verify_at:
                self.verify_at = None
                right = self.wrong.total == 0 and self.transfer.size == self.size
                self.tell(m.Digested(right))
            due = self.transfer.next_wake(self.now)
            if due is not None and due <= self.now:
                self.tell(m.Tick())
            self._look()
        out.done = self.transfer.phase.value == "done"
        out.seconds = self.now
        out.wrong = self.wrong.total
        return out

    def tell(self, event: m.Event) -> None:
        self.perform(self.transfer.handle(event, self.now))

    def _look(self) -> None:
        readable = min(self.written.run_end(0), self.transfer.horizon)
        if readable and self.out.first_byte is None:
            self.out.first_byte = self.now
        if readable >= self.size / 2 and self.out.half is None:
            self.out.half = self.now
        if self.transfer.horizon == self.size and self.wrong.total and self.transfer.spec.checked:
            self.out.released_wrong = True
        if self.watch:
            self.watch(self)

    def _move(self) -> None:
        running: list[tuple[int, Stream, float]] = []
        for ident, stream in list(self.streams.items()):
            if ident not in self.streams or self.now < stream.begins:
                continue
            if stream.fails:
                del self.streams[ident]
                if stream.fails in (Fault.RATE_LIMITED, Fault.SERVER_ERROR):
                    told = (self.now, stream.server.id, stream.retry_after, len(self.out.actions))
                    self.out.refusals.append(told)
                self.tell(m.Failed(ident, stream.fails, "", stream.retry_after))
                continue
            if not stream.opened:
                stream.opened = True
                self.tell(m.Opened(ident, stream.told, stream.ranged))
                if ident not in self.streams:
                    continue
            running.append((ident, stream, 0.0))
        for ident, stream, rate in self._share([s for _, s, _ in running], running):
            if ident in self.streams:
                self._give(ident, stream, rate * self.step)

    def _share(
        self, streams: list[Stream], running: list[tuple[int, Stream, float]]
    ) -> list[tuple[int, Stream, float]]:
        count: dict[str, int] = {}
        for stream in streams:
            count[stream.server.id] = count.get(stream.server.id, 0) + 1
        rates = []
        for stream in streams:
            server = stream.server
            rate = min(server.rate / count[server.id], server.per_connection)
            fault = self._active(server)
            if fault in ("dead", "stall"):
                rate = 0.0
            elif fault == "slow":
                rate *= 0.01
            rates.append(rate)
        scale = min(1.0, self.access / max(sum(rates), 1.0))
        return [(i, s, r * scale) for (i, s, _), r in zip(running, rates, strict=True)]

    def _give(self, ident: int, stream: Stream, amount: float) -> None:
        if self._active(stream.server) == "refuse":
            del self.streams[ident]
            self.tell(m.Failed(ident, Fault.CUT))
            return
        stream.credit += amount
        length = int(stream.credit)
        stream.credit -= length
        stop = min(stream.end, stream.stop)
        if stream.breaks_at is not None:
            stop = min(stop, stream.breaks_at)
        length = min(length, stop - stream.position)
        if length > 0:
            self.out.fetched[stream.server.id] = self.out.fetched.get(stream.server.id, 0) + length
            start = stream.position
            stream.position += length
            self.out.last_byte = self.now
            lies = stream.lies or self._active(stream.server) == "lie"
            for action in self.transfer.handle(m.Received(ident, length), self.now):
                if isinstance(action, m.Write):
                    low = action.offset
                    assert low == start + action.low
                    high = low + action.high - action.low
                    assert not list(self.written.within(low, high)), "a byte was written twice"
                    self.written.add(low, high)
                    (self.wrong.add if lies else self.wrong.remove)(low, high)
                elif isinstance(action, m.Compare):
                    self._compare(action, lies)
                else:
                    self.perform([action])
        if ident not in self.streams:
            return
        if stream.breaks_at is not None and stream.position >= stream.breaks_at:
            del self.streams[ident]
            self.tell(m.Failed(ident, Fault.CUT))
        elif stream.position >= min(stream.end, stream.stop):
            del self.streams[ident]
            self.tell(m.Ended(ident))

    def _compare(self, action: m.Compare, lies: bool) -> None:  # noqa: FBT001
        low = action.offset
        high = low + action.high - action.low
        bad = list(self.wrong.within(low, high))
        good = list(self.wrong.gaps(low, high))
        other = good if lies else bad  # two liars tell the same lie: the worst case
        self.tell(m.Compared(action.request, low, high, other[0][0] if other else None))


def simulate(size: int, servers: Sequence[Server], **options: object) -> Outcome:
    """Run one transfer to its end."""
    return Simulator(size, servers, **options).run()  # type: ignore[arg-type]
