"""Whether a connection still leads anywhere.

A network that lost it (a laptop that slept, a router that forgot) says nothing, and a server that
takes its time says nothing either. So a silent one is asked for a sign of life, which each server
gives at once (RFC 9113 section 6.7).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpcore

__all__ = ["Pulse"]

#: Seconds without a byte after which a server is asked, and seconds that it has to answer. Both
#: together are less than a request waits, so that there is time to ask elsewhere.
STILL = 4.0


class Pulse:
    """Looks now and then, as long as somebody expects something. For one event loop."""

    def __init__(
        self,
        ask: Callable[[], None],
        gone: Callable[[Exception], None],
        tells: Callable[[str], Any],
    ) -> None:
        """`ask` asks for a sign of life, `gone` hears that there is none. `tells` is the
        connection's `get_extra_info`.
        """
        self._ask = ask
        self._gone = gone
        self._tells = tells
        self._silent = 0
        """Looks since something came."""
        self._resting = True
        self._timer: asyncio.TimerHandle | None = None

    def expect(self) -> None:
        """Something is to come from now on."""
        self._resting = False
        if self._timer is None:
            self._silent = 1
            self._later()

    def came(self) -> None:
        """Something did, whatever it was."""
        self._silent = 0

    def rest(self) -> None:
        """Nobody expects anything any more. Who left before anything came leaves the question."""
        self._resting = True
        if not self._silent:
            self.end()

    def end(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(STILL, self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._silent and self._resting:
            return
        # What lies there unread came: this process had no time for it.
        if self._silent > 1 and not self._tells("is_readable"):
            self._gone(httpcore.ReadError("the server gives no sign of life"))
            return
        if self._silent == 1:
            self._ask()
        self._silent += 1
        self._later()
