"""The simulator with lines as TCP has them: windows that grow, queues, packets that vanish.

What the plain simulator leaves out decides about the seconds of a real transfer: a connection is
slow at first, gives little where packets are lost, idles for a round trip between two ranges, and
what is on its way when it is closed comes all the same. Random numbers have a seed, so the same
script gives the same run.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from headrace.transfer import messages as m
from property.simulator import Server, Simulator, Stream

MSS = 1448
INITIAL_WINDOW = 10.0
"""Packets (RFC 6928)."""
BACKOFF = 0.7
CUBIC = 0.4
"""RFC 9438 sections 4.6 and 4.1."""
FRIENDLY = 3 * (1 - BACKOFF) / (1 + BACKOFF)
DRAINED = 64 << 10
"""Bytes that the gateway reads to their end rather than lose a connection."""


@dataclass
class Line(Server):
    """A server behind a line with a tail-drop queue of one round trip, and at least 20 ms."""

    loss: float = 0.0
    """Share of the packets that vanish."""
    dips: tuple[tuple[float, float, float], ...] = ()
    """From when, until when, and what share of its rate it has meanwhile."""

    def carries(self, now: float) -> float:
        """Bytes per second at this moment."""
        shares = [share for low, high, share in self.dips if low <= now < high]
        return self.rate * min(shares, default=1.0)


@dataclass
class Connection:
    """One connection: its window in packets, and what it remembers of its last loss."""

    window: float = INITIAL_WINDOW
    threshold: float = float("inf")
    highest: float = 0.0
    lost_at: float = -1.0
    idle_since: float = 0.0

    def lose(self, now: float) -> None:
        """Take a loss: no more than one in a round trip, says the caller."""
        self.highest = self.window
        self.window = self.threshold = max(2.0, self.window * BACKOFF)
        self.lost_at = now

    def grow(self, packets: float, now: float, rtt: float) -> None:
        """Grow by what was delivered."""
        if self.window < self.threshold:
            self.window = min(self.window + packets, self.threshold)
            return
        since = now + rtt - self.lost_at
        middle = (self.highest * (1 - BACKOFF) / CUBIC) ** (1 / 3)
        cubic = CUBIC * (since - middle) ** 3 + self.highest
        friendly = self.window + FRIENDLY * packets / self.window
        share = packets / self.window
        self.window = max(friendly, self.window + max(0.0, cubic - self.window) * share)


class TcpSimulator(Simulator):
    """Drives one transfer over such lines. `busy` is how late the gateway does everything."""

    def __init__(
        self,
        size: int,
        servers: Sequence[Line],
        *,
        busy: float = 0.0,
        seed: int = 1,
        **options: object,
    ) -> None:
        super().__init__(size, servers, **options)  # type: ignore[arg-type]
        self.busy = busy
        self.chance = random.Random(seed).random
        self.idle: dict[str, list[Connection]] = {}
        self.connection: dict[int, Connection] = {}
        self.requests: dict[str, int] = {}
        self.closed = 0
        """Connections that ended before their answer."""
        self.junk: dict[str, float] = {}
        """Bytes that still come over closed connections."""

    def perform(self, actions: list[m.Action]) -> None:
        before = dict(self.streams)
        super().perform(actions)
        for ident, stream in before.items():
            if ident not in self.streams:
                self._leave(ident, stream)

    def _fetch(self, fetch: m.Fetch) -> None:
        super()._fetch(fetch)
        server = self.servers[fetch.source]
        assert isinstance(server, Line)
        kept = self.idle.get(server.id)
        connection = kept.pop() if kept else None
        stream = self.streams[fetch.request]
        rtt = server.rtt + self._queue(server)
        if connection is None:
            connection, begins = Connection(), self.now + 2 * rtt
        else:
            begins = self.now + rtt
            if self.now - connection.idle_since > 0.2 + server.rtt:
                connection.threshold = max(connection.window, 10.0)
                connection.window = min(connection.window, INITIAL_WINDOW)
        if stream.fails is None:
            stream.begins = begins + self.busy
        self.connection[fetch.request] = connection
        self.requests[server.id] = self.requests.get(server.id, 0) + 1

    def _leave(self, ident: int, stream: Stream) -> None:
        """A request is over: its connection is kept, or what is on its way comes for nothing."""
        connection = self.connection.pop(ident)
        left = stream.end - stream.position
        if stream.opened and left <= DRAINED and stream.breaks_at is None:
            connection.idle_since = self.now
            self.idle.setdefault(stream.server.id, []).append(connection)
            wasted = max(0, left)
        else:
            self.closed += 1
            wasted = min(left, int(connection.window * MSS)) if stream.opened else 0
        name = stream.server.id
        self.junk[name] = self.junk.get(name, 0.0) + wasted
        self.out.fetched[name] = self.out.fetched.get(name, 0) + wasted

    def _on(self, server: Line) -> list[Connection]:
        return [
            self.connection[ident]
            for ident, stream in self.streams.items()
            if stream.server is server and stream.opened and not stream.fails
        ]

    def _queue(self, server: Line) -> float:
        """Seconds that a packet waits before the line."""
        rate = max(server.carries(self.now), 1.0)
        inside = sum(each.window for each in self._on(server)) * MSS
        return max(0.0, inside / rate - server.rtt)

    def _share(
        self, streams: list[Stream], running: list[tuple[int, Stream, float]]
    ) -> list[tuple[int, Stream, float]]:
        given = super()._share(streams, running)  # faults, the access link
        by_server: dict[str, list[tuple[int, Stream]]] = {}
        for ident, stream, rate in given:
            if rate > 0:
                by_server.setdefault(stream.server.id, []).append((ident, stream))
        rates = {ident: 0.0 for ident, _, _ in given}
        for name, here in by_server.items():
            self._over(name, here, rates)
        scale = min(1.0, self.access / max(sum(rates.values()), 1.0))
        return [(ident, stream, rates[ident] * scale) for ident, stream, _ in given]

    def _over(self, name: str, here: list[tuple[int, Stream]], rates: dict[int, float]) -> None:
        """Share one line: windows by the round trip as long as it bears them, else by weight."""
        server = self.servers[name]
        assert isinstance(server, Line)
        line = server.carries(self.now)
        junk = min(self.junk.get(name, 0.0), line * self.step)
        self.junk[name] = self.junk.get(name, 0.0) - junk
        free = line - junk / self.step
        flows = [(ident, self.connection[ident]) for ident, _ in here]
        total = sum(flow.window for _, flow in flows) * MSS
        room = line * server.rtt
        queue = max(0.0, total - room)
        rtt = server.rtt + queue / line
        if queue > line * max(server.rtt, 0.02):
            able = [flow for _, flow in flows if self.now - flow.lost_at > rtt]
            if able:
                max(able, key=lambda flow: flow.window).lose(self.now)
        for ident, flow in flows:
            rate = min(free * flow.window * MSS / max(total, room), server.per_connection)
            rates[ident] = rate
            packets = rate * self.step / MSS
            lost = server.loss and self.chance() < 1 - (1 - server.loss) ** packets
            if lost and self.now - flow.lost_at > rtt:
                flow.lose(self.now)
            if rate < server.per_connection:  # a window that is not used does not grow
                flow.grow(packets, self.now, rtt)

    def _give(self, ident: int, stream: Stream, amount: float) -> None:
        super()._give(ident, stream, amount)
        if ident not in self.streams and ident in self.connection:
            self._leave(ident, stream)
