"""A few HTTP/2 connections to one host, where one would do if no packet was ever lost.

All streams of a connection share one congestion window, and a lost packet holds up every one of
them. Many connections, as HTTP/1.1 needs, cost a handshake each instead. So requests that follow
each other keep to the first connection, and a burst is dealt out over a few. A resolver's eighty
small answers over 200 ms and 2 % loss: 15 s with one connection, 11 s with HTTP/1.1, 10 s so; over
60 ms without loss: 4.8 s, 5.4 s, 4.3 s.

Questions without a body have connections of their own: behind the pages on a lossy line they took
three times as long.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

__all__ = ["CONNECTIONS", "Http2Pool", "numbers"]

#: Connections to one host at most, and streams on each before the next one is opened.
CONNECTIONS = 4
STREAMS = 3
#: Connections that pieces of one thing are spread over. The last one is opened by a burst alone:
#: the piece that opens it comes three round trips after the others, and all wait for it.
SPREAD = 3
#: Connections for questions whose answers have no body.
SHORT = 3


def numbers(*, short: bool) -> range:
    """Return the numbers of the connections for one kind of request."""
    return range(CONNECTIONS, CONNECTIONS + SHORT) if short else range(CONNECTIONS)


class Http2Pool:
    """Counts what runs where. The connections themselves are whoever's who asks."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, bool], list[int]] = {}

    @contextlib.contextmanager
    def take(self, host: str, *, short: bool = False, spread: bool = False) -> Iterator[int]:
        """Give the number of the connection for one request, for as long as the context lasts.

        `short`: its answer has no body. `spread`: what is asked beside it goes over others, as far
        as there are any.
        """
        running = self._running.setdefault((host, short), [0] * (SHORT if short else CONNECTIONS))
        several = running[:SPREAD] if spread else running
        connection = several.index(min(several))
        if not short and not spread:
            connection = next(
                (each for each, streams in enumerate(running) if streams < STREAMS), connection
            )
        running[connection] += 1
        try:
            yield connection + (CONNECTIONS if short else 0)
        finally:
            running[connection] -= 1
            if not any(running):
                self._running.pop((host, short), None)
