"""A network of a test's own, with this process and all that it starts in it.

Engines make bridges and rules there, and none of it is left. Servers that a test starts are there
too; this machine's own network is out of reach.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

__all__ = ["ADDRESS", "own_network"]

#: This machine's address there, beside loopback: what containers can reach by themselves.
ADDRESS = "10.199.0.1"
_NEW_NETWORK = 0x40000000


@contextlib.contextmanager
def own_network() -> Iterator[None]:
    """Move there, and back. For the calling thread and whatever it starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        _do(libc.unshare(_NEW_NETWORK))
        for words in (
            "link set lo up",
            "link add world0 type bridge",
            f"addr add {ADDRESS}/24 dev world0",
            "link set world0 up",
            f"route add default via {ADDRESS}",
        ):
            subprocess.run(["ip", *words.split()], check=True)
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        yield
    finally:
        _do(libc.setns(before, _NEW_NETWORK))
        os.close(before)


def _do(code: int) -> None:
    if code:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
