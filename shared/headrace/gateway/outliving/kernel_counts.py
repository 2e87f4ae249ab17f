"""How much of a connection has been written and read, in the kernel's own count (tcp(7)).

The count is the kernel's and outlives a process that dies with the connection open elsewhere. Linux
alone tells it, and not every system that calls itself Linux: `are_right` tries it out.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import struct
import sys
from typing import NamedTuple

__all__ = ["Counts", "are_right", "counts_of"]

#: linux/tcp.h, struct tcp_info: tcpi_bytes_acked and tcpi_bytes_received, since Linux 4.1.
_ACKED, _LENGTH = 120, 136
_CLOSE_WAIT = 8
_SIOCOUTQ, _FIONREAD = 0x5411, 0x541B


class Counts(NamedTuple):
    """Of one accepted connection."""

    written: int
    """Bytes that were given to the kernel, whether they have arrived or not."""
    read: int
    """Bytes that were taken from the kernel."""


def counts_of(sock: socket.socket) -> Counts | None:
    """Return the counts of an accepted TCP connection; None where they are not to be had."""
    if sys.platform != "linux":
        return None
    with contextlib.suppress(OSError, struct.error):
        # What arrives between two questions is in neither, or in both.
        for _ in range(100):
            before = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LENGTH)
            unsent, unread = _queue(sock, _SIOCOUTQ), _queue(sock, _FIONREAD)
            after = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LENGTH)
            acked, received = struct.unpack_from("=QQ", before, _ACKED)
            if len(before) == _LENGTH and (acked, received) == struct.unpack_from(
                "=QQ", after, _ACKED
            ):
                # The end of the client's side counts as a byte.
                ended = after[0] == _CLOSE_WAIT and before[0] == _CLOSE_WAIT
                return Counts(acked + unsent, received - unread - ended)
    return None


def _queue(sock: socket.socket, which: int) -> int:
    import fcntl  # noqa: PLC0415 - not on Windows

    (count,) = struct.unpack("=i", fcntl.ioctl(sock, which, bytes(4)))
    return int(count)


@functools.cache
def are_right() -> bool:
    """Whether the kernel counts as it should: tried once, on a connection to ourselves."""
    try:
        with (
            socket.create_server(("127.0.0.1", 0), backlog=1) as listener,
            socket.create_connection(listener.getsockname(), timeout=5) as client,
        ):
            ours, _ = listener.accept()
            with ours:
                client.sendall(b"x" * 100)
                ours.settimeout(5)
                taken = len(ours.recv(40))
                ours.sendall(b"y" * 1000)
                before = counts_of(ours)
                arrived = client.recv(1000)
                return bool(arrived) and before == counts_of(ours) == Counts(1000, taken)
    except OSError:
        return False
