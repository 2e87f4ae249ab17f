"""sd_notify(3) without a library: READY, STOPPING and WATCHDOG to whoever started this process."""

from __future__ import annotations

import contextlib
import math
import os
import socket
from collections.abc import Mapping

__all__ = ["Notifier"]


class Notifier:
    """Tells systemd; where there is none every word goes nowhere."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """Read NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID of sd_watchdog_enabled(3)."""
        path = env.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        watched = env.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        limit = env.get("WATCHDOG_USEC", "")
        #: Seconds between two signs of life: half of what systemd waits, if it does.
        self.every = int(limit) / 2e6 if watched and limit.isdecimal() and int(limit) else math.inf

    def ready(self) -> None:
        """Say that requests are answered from now on."""
        self._send("READY=1")

    def alive(self) -> None:
        """Give a sign of life."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that it ends."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel,
        ):
            channel.sendto(text.encode(), self._address)
