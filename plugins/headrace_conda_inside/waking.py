"""Whether the gateway answers, and how it is started when it does not."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time

from headrace_conda_inside import settings
from headrace_conda_inside.port_owner import port_held_by, stranger

__all__ = ["answers", "wake", "warning"]

#: Seconds for which an answer counts, and that a connection on loopback may take.
_COUNTS = 1.0
_CONNECT = 0.5
#: Seconds that a command waits for a gateway that has to be started.
_START = 10.0

_last: dict[tuple[str, int], tuple[float, bool]] = {}


def answers(gateway: settings.Gateway) -> bool:
    """Whether somebody listens there now who may: the user, root, or the machine's account."""
    key, now = (gateway.host, gateway.port), time.monotonic()
    at, up = _last.get(key, (0.0, False))
    if now - at < _COUNTS and at:
        return up
    try:
        with socket.create_connection(key, timeout=_CONNECT):
            # Whoever took the connection listened before; nothing has been said to it.
            up = stranger(*key) is None
    except OSError:
        up = False
    _last[key] = (time.monotonic(), up)
    return up


def warning(gateway: settings.Gateway) -> str:
    """Say who has the port that should not; "" when nobody is seen."""
    who = stranger(gateway.host, gateway.port)
    return "" if who is None else f"headrace: {port_held_by(gateway.port, who)}: not your gateway"


def wake(command: str) -> None:
    """Make sure that the gateway is up before a command downloads; say so when it is not."""
    del command
    from conda.base.context import context  # noqa: PLC0415 - conda's start-up time

    if context.offline:
        return
    gateway = settings.gateway()
    if gateway is not None and answers(gateway):
        return
    if gateway is not None and (told := warning(gateway)):
        sys.stderr.write(f"{told}; conda goes straight to its channels\n")
        return
    words = settings.command()
    if gateway is None and (not words or settings.turned_off()):
        return  # another user's, in a base that several share; or somebody said `headrace off`
    if words:
        words = [*words, "gateway", "--detach", *(["--port", str(gateway.port)] if gateway else [])]
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(  # noqa: S603 - headrace's own command, as `on` recorded it
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_START,
                check=False,
            )
        _last.clear()
        gateway = settings.gateway()
        if gateway is not None and answers(gateway):
            return
    sys.stderr.write("headrace: the gateway does not answer; conda goes straight to its channels\n")
