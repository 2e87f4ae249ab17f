"""Ports of loopback with nobody behind them, in four ways."""

from __future__ import annotations

import contextlib
import os
import random
import socket
from collections.abc import Iterator

#: Below the ports that systems give to connections (32768 on Linux, 49152 elsewhere), above those
#: of services, and without the gateway's own: what is free here stays free until it is used.
_RANGE = range(18_000, 32_000)
#: Tests that run side by side (pytest-xdist) have ports of their own: between looking at one and
#: listening on it, somebody else's server could come.
_MINE = _RANGE[
    int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) :: int(
        os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")
    )
]
_given: set[int] = set()


def free_port() -> int:
    """Give a port that nobody listens on now and that is given to nobody else."""
    chance = random.SystemRandom()
    while True:
        port = chance.choice(_MINE)
        if port in _given:
            continue  # not even looked at: whoever has it may be about to listen
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port


@contextlib.contextmanager
def held_port() -> Iterator[int]:
    """Give a port on which servers may come and go for as long as the context lasts: nobody else's
    `free_port` gives it in between.
    """
    port = free_port()
    with socket.socket() as held:
        # Who says the same may listen there, and who looks whether it is free finds that it is not.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", port))
        yield port


@contextlib.contextmanager
def refusing() -> Iterator[str]:
    """Give the URL of a port that refuses connections for as long as the context lasts."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """Give the URL of a port where connecting never ends: its queue is full (Linux)."""
    with contextlib.ExitStack() as stack:
        held = stack.enter_context(socket.socket())
        held.bind(("127.0.0.1", 0))
        held.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(held.getsockname())
        yield f"http://127.0.0.1:{held.getsockname()[1]}"
