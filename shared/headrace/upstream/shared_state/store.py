"""Asks Valkey or Redis, within bounds: nobody who wants a file waits for it longer than a blink,
and where it is away nobody asks it for a while.

Keys begin with ``headrace:1:``. The number is the schema's: a replica of another version, whose
keys mean something else, uses another number, and neither reads the other's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from headrace.errors import LocalError
from headrace.redact import for_display

__all__ = ["PREFIX", "StateStore"]

_log = logging.getLogger("headrace.state")

PREFIX = "headrace:1:"
"""Before every key and channel of this schema."""
#: Seconds that an answer is waited for, and a connection.
_PATIENCE, _CONNECT = 0.1, 1.0
#: Seconds for which nobody asks after a failure: at first, and at most.
_PAUSE, _LONGEST_PAUSE = 1.0, 30.0

T = TypeVar("T")


class StateStore:
    """One server, or what stands for one. For one event loop."""

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`url` as ``valkey://host:6379/0``; LocalError where the library is not there, or can make
        nothing of the URL. Nothing is asked yet.
        """
        try:
            from valkey.asyncio import Valkey  # noqa: PLC0415 - a fleet's alone
        except ImportError as error:
            raise LocalError(
                "incomplete",
                f"this installation has not what shared state needs: {error}",
                hint="install it with what a fleet needs: headrace[fleet]",
            ) from error
        self.url = for_display(url)
        try:
            self._client: Any = Valkey.from_url(
                url,
                socket_timeout=_CONNECT,
                socket_connect_timeout=_CONNECT,
                decode_responses=False,
                max_connections=32,
            )
        except ValueError as error:
            raise LocalError(
                "bad-shared-state",
                f"serve.shared_state: {self.url} cannot be used: {error}",
                hint="as valkey://HOST:6379/0",
                fault_of="your settings",
            ) from error
        self._clock = clock
        self._failures = 0
        self._until = 0.0
        self.trouble = ""
        """Why it was not to be had lately; empty: it was."""
        self.asked = self.failed = 0

    @property
    def rests(self) -> bool:
        """Whether nobody asks just now, because it was not to be had."""
        return self._clock() < self._until

    async def ask(self, make: Callable[[Any], Coroutine[Any, Any, T]]) -> T | None:
        """Ask something of the client; None: it did not answer in time, or said no."""
        if self.rests:
            return None
        self.asked += 1
        try:
            async with asyncio.timeout(_PATIENCE):
                answer = await make(self._client)
        except Exception as error:  # noqa: BLE001 - the library's own errors are of any kind
            self._stumble(error)
            return None
        self._works()
        return answer

    def _works(self) -> None:
        self._failures, self._until, self.trouble = 0, 0.0, ""

    def _stumble(self, error: BaseException) -> None:
        self.failed += 1
        self._failures += 1
        why = str(error).strip().partition("\n")[0] or type(error).__name__
        self.trouble = for_display(why) if "://" in why else why
        pause = min(_LONGEST_PAUSE, _PAUSE * 2.0 ** (self._failures - 1))
        self._until = self._clock() + pause
        level = logging.WARNING if self._failures == 1 else logging.INFO
        _log.log(level, "%s: each replica goes on alone (%s)", self.url, self.trouble)

    async def messages(
        self, channel: str, before: Callable[[Any], Awaitable[list[bytes]]]
    ) -> AsyncIterator[bytes]:
        """Give what others say in a channel, for as long as somebody listens; first what `before`
        reads by the client. Where the server is away it is tried again.
        """
        while True:
            try:
                async with self._client.pubsub() as listening:
                    await listening.subscribe(channel)
                    self._works()  # whoever rests need not wait longer
                    for each in await before(self._client):
                        yield each
                    while True:
                        said = await listening.get_message(
                            ignore_subscribe_messages=True, timeout=_LONGEST_PAUSE
                        )
                        if said is not None:
                            yield bytes(said["data"])
            except Exception as error:  # noqa: BLE001 - as above
                _log.debug("nobody is heard: %r", error)
                await asyncio.sleep(_PAUSE)

    def table(self) -> dict[str, Any]:
        """Tell how it stands, as plain values."""
        return {
            "server": self.url,
            "trouble": self.trouble,
            "asked": self.asked,
            "failed": self.failed,
        }

    async def aclose(self) -> None:
        """Let connections go."""
        with contextlib.suppress(Exception):
            await self._client.aclose()
