"""What a lab looks like: hosts, the lines that lead to them, and what those could carry at best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["ORIGIN", "PAYLOAD_SHARE", "UNEVEN", "Line", "Topology"]

#: The host that names things. Every other host is a mirror.
ORIGIN = "official"

#: Bytes of a file in each byte that a line carries: a full packet of 1500 bytes holds 1448 of them
#: (20 bytes of IPv4, 20 of TCP, 12 of TCP timestamps).
PAYLOAD_SHARE = 1448 / 1500


@dataclass(frozen=True, slots=True)
class Line:
    """The way from one host to the client."""

    rate: float
    """Mbit/s towards the client, headers included."""
    rtt: float
    """Milliseconds there and back with empty queues."""
    loss: float = 0.0
    """Per cent of the packets towards the client that vanish, at random."""
    congestion: str = "cubic"
    """The host's TCP congestion control."""
    each: float = 0.0
    """Mbit/s that the host gives to each connection; 0: as much as the line bears."""

    @property
    def queue(self) -> float:
        """Milliseconds that the tail-drop queue holds: one round trip, as routers are dimensioned,
        and at least 20.
        """
        return max(self.rtt, 20.0)


@dataclass(frozen=True, slots=True)
class Topology:
    """Hosts by name, and the access link that they share on their way to the client."""

    lines: Mapping[str, Line]
    access: float = 200.0
    """Mbit/s of the client's own link."""

    @property
    def mirrors(self) -> tuple[str, ...]:
        """All hosts but the origin."""
        return tuple(name for name in self.lines if name != ORIGIN)

    def only(self, *names: str) -> Topology:
        """Return the same lab with these hosts alone."""
        return Topology({name: self.lines[name] for name in names}, self.access)

    def behind(self, access: float) -> Topology:
        """Return the same lab behind another access link, in Mbit/s."""
        return Topology(self.lines, access)

    def rate(self, names: Iterable[str] | None = None) -> float:
        """Bytes of files per second that the lines carry together, the access link considered."""
        total = sum(self.lines[name].rate for name in (self.lines if names is None else names))
        return min(total, self.access) * PAYLOAD_SHARE * 1e6 / 8

    def bound(self, size: int, names: Iterable[str] | None = None) -> float:
        """Seconds below which nobody can bring `size` bytes over these lines."""
        return size / self.rate(names)


#: Two near mirrors, one far and lossy, and an origin that is far, lossy and slow: together
#: 148 Mbit/s, of which the best single mirror has 80.
UNEVEN = Topology(
    {
        "a": Line(40, 30),
        "b": Line(80, 60),
        "c": Line(20, 200, 1.0),
        ORIGIN: Line(8, 200, 2.0),
    }
)
