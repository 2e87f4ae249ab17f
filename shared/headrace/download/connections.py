"""How many connections all downloads together may have: so many to a host, so many in all.

Fair: who was refused waits in a queue, and a connection that comes free goes to the head of the
queue before its last holder may have it again. A holder gives one back at the end of each range,
so a new download waits for about a range at most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

__all__ = ["ConnectionLimiter", "host_of"]

#: Connections that there may be beside the limits.
_BESIDE = 256


def host_of(url: str) -> str:
    """Return what counts as one host: scheme, name and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}"


class ConnectionLimiter:
    """Counts them. For one event loop; nothing here blocks."""

    def __init__(self, total: int) -> None:
        """Allow `total` connections over all hosts."""
        self._total = total
        self._used: Counter[str] = Counter()
        self.busy: Counter[str] = Counter()
        """Requests that run now, by the source's id: selection weighs it."""
        self._queue: dict[tuple[str, object], tuple[int, Callable[[], None]]] = {}
        self._waking = False

    @property
    def used(self) -> int:
        """Connections in use."""
        return self._used.total()

    def free(self, host: str, limit: int) -> bool:
        """Say whether `take` would succeed."""
        return self.used < self._total and self._used[host] < limit

    def take(self, host: str, limit: int, source: str = "") -> bool:
        """Take a connection to `host`, which bears `limit` of them; False: `wait` for one."""
        return self.free(host, limit) and self._take(host, source)

    def take_beside(self, host: str, source: str = "") -> bool:
        """Take one beside the limits, nearer for others meanwhile; False: hundreds are out."""
        return self.used < self._total + _BESIDE and self._take(host, source)

    def _take(self, host: str, source: str) -> bool:
        self._used[host] += 1
        self.busy[source] += 1
        return True

    def give(self, host: str, source: str = "") -> None:
        """Give a connection back and offer it down the queue."""
        self.busy[source] -= 1
        self._used[host] -= 1
        if not self._used[host]:
            del self._used[host]
        if self._waking:  # who walks the queue just now goes on to its end by itself
            return
        self._waking = True
        try:
            for key, (limit, wake) in list(self._queue.items()):
                if self.used >= self._total:
                    break
                if self._used[key[0]] < limit and key in self._queue:
                    del self._queue[key]
                    wake()
        finally:
            self._waking = False

    def wait(self, host: str, limit: int, waiter: object, wake: Callable[[], None]) -> None:
        """Join the queue, once; `wake` is called when a connection may be had, and no promise."""
        self._queue.setdefault((host, waiter), (limit, wake))

    def leave(self, waiter: object) -> None:
        """Leave the queue of every host."""
        for key in [key for key in self._queue if key[1] is waiter]:
            del self._queue[key]
