"""How much each client is sent, where there are limits: equal shares of what all may have, and no
more than its own. Pure: time is an argument.
"""

from __future__ import annotations

from dataclasses import field

from headrace.values import dataclass

__all__ = ["Shares"]

#: Seconds without a byte after which a client takes no share any more.
_ACTIVE = 1.0
#: Seconds' worth that may go out at once: short answers need not wait.
_BURST = 0.25
#: Seconds after which it is looked again at the latest, for shares change.
_LONGEST = 0.5
#: Seconds that are worth no wait.
_SHORTEST = 0.001
#: Clients that are remembered; those that have not asked for longest are forgotten.
_MOST = 4096


@dataclass(slots=True)
class _Client:
    owes: float
    """Bytes that it was sent and whose time is not over; below zero: it may be sent so many."""
    at: float
    """When that was so."""


@dataclass(slots=True)
class Shares:
    """What clients were sent, and when each may be sent more."""

    total: int = 0
    """Bytes a second for all together; 0: no limit."""
    each: int = 0
    """Bytes a second for one; 0: no limit."""
    _clients: dict[str, _Client] = field(default_factory=dict)

    def limited(self, own: int | None) -> bool:
        """Whether a client, of which `own` is the limit that it has for itself, is held to any."""
        return bool(self.total or self.each or own)

    def rate(self, client: str, own: int | None, now: float) -> float:
        """Return the bytes a second that a client may be sent now; 0: as many as it takes."""
        limit = self.each if own is None else own
        if not self.total:
            return limit
        active = sum(
            now - each.at < _ACTIVE for name, each in self._clients.items() if name != client
        )
        share = self.total / (active + 1)
        return min(limit, share) if limit else share

    def sent(self, client: str, size: int, own: int | None, now: float) -> float:
        """Count `size` bytes for a client; return the seconds until it is to be asked (`wait`)
        whether more may go out.
        """
        here = self._clients.pop(client, None) or _Client(-self.rate(client, own, now), now)
        self._clients[client] = here  # the newest last
        if len(self._clients) > _MOST:
            del self._clients[next(iter(self._clients))]
        here.owes += size
        return self.wait(client, own, now)

    def wait(self, client: str, own: int | None, now: float) -> float:
        """Return the seconds until a client may be sent more, or is to be looked at again."""
        here, rate = self._clients.get(client), self.rate(client, own, now)
        if here is None or not rate:
            return 0.0
        here.owes = max(-_BURST * rate, here.owes - (now - here.at) * rate)
        here.at = now
        wait = here.owes / rate
        return min(_LONGEST, wait) if wait > _SHORTEST else 0.0
