"""Gateways that are killed, or stand still, while a client is being sent something."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

import pytest

from lib.capabilities import lacks
from lib.gateway import Gateway
from lib.waiting import until

__all__ = ["FAULTS", "ON_LINUX", "SHARES", "strike"]

ON_LINUX = pytest.mark.skipif(
    sys.platform != "linux", reason=lacks("system", "elsewhere a client is cut, and resumes")
)
FAULTS = {"killed": signal.SIGKILL, "stopped": signal.SIGSTOP}
SHARES = (0.02, 0.5, 0.95)
"""How much of a file sources have given when it happens."""


def strike(gateway: Gateway, fault: str, when: Callable[[], object]) -> None:
    """Kill or stop the worker of now when `when` says so; the next one has come afterwards."""
    until(when, gateway.told)
    pid = gateway.worker()
    os.kill(pid, FAULTS[fault])
    until(lambda: gateway.worker() != pid, gateway.told)
