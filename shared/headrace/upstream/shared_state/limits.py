"""What a server said to one replica of how often it wants to be asked holds for all of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import time
from collections.abc import Callable, Iterable
from typing import Any

from headrace.foreign import UnreadableError, foreign
from headrace.policy.rate_limits import RememberedLimit
from headrace.upstream.courtesy import LimitMemory
from headrace.upstream.shared_state.store import PREFIX, StateStore

__all__ = ["SharedLimits"]

_log = logging.getLogger("headrace.state")

_CHANNEL = f"{PREFIX}limits"
#: Nobody is believed for more than a day.
_LONGEST = 86400.0
#: Limits that are read when it begins to listen.
_MOST = 1024


class SharedLimits:
    """Implements `headrace.upstream.courtesy.LimitMemory` beside the one of this disk."""

    def __init__(
        self, store: StateStore, own: LimitMemory, *, wall: Callable[[], float] = time.time
    ) -> None:
        """`own` keeps them for the next process."""
        self._store = store
        self._own = own
        self._wall = wall
        self._tasks: set[asyncio.Task[Any]] = set()
        self._hear: Callable[[RememberedLimit], None] = lambda _: None

    def load(self) -> Iterable[RememberedLimit]:
        """Return what was kept and still holds."""
        return self._own.load()

    def keep(self, limit: RememberedLimit) -> None:
        """Keep one, and tell the others."""
        self._own.keep(limit)
        if limit.seconds > 0:
            self._spawn(self._tell(limit))

    async def _tell(self, limit: RememberedLimit) -> None:
        said = json.dumps(
            {
                "key": limit.key,
                "status": limit.status,
                "until": self._wall() + limit.seconds,
                "named": limit.named,
                "refusals": limit.refusals,
            }
        )
        await self._store.ask(lambda client: client.publish(_CHANNEL, said))
        left = int(min(limit.seconds, _LONGEST) * 1000) or 1
        key = f"{PREFIX}limit:{limit.key}"
        await self._store.ask(lambda client: client.set(key, said, px=left))

    def start(self, hear: Callable[[RememberedLimit], None]) -> None:
        """Begin to listen, on the event loop. `hear` takes what the others were told."""
        self._hear = hear
        self._spawn(self._listen())

    async def _listen(self) -> None:
        async for said in self._store.messages(_CHANNEL, self._said_before):
            limit = _read(said, self._wall())
            if limit is not None:
                self._hear(limit)

    async def _said_before(self, client: Any) -> list[bytes]:
        """Return what holds of all that was said while nobody listened here."""
        keys: list[bytes] = []
        async for key in client.scan_iter(match=f"{PREFIX}limit:*", count=1000):
            keys.append(key)
            if len(keys) >= _MOST:
                break
        said = await client.mget(keys) if keys else []
        return [each for each in said if each is not None]

    def _spawn(self, work: Any) -> None:
        with contextlib.suppress(RuntimeError):  # no event loop: a test, or the end
            task = asyncio.get_running_loop().create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Write down what is not written yet."""
        self._own.close()

    async def aclose(self) -> None:
        """Listen no more."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _read(said: bytes, now: float) -> RememberedLimit | None:
    """Read what another replica says; None where it is nothing of the kind, or over."""
    try:
        with foreign("a limit"):
            table = json.loads(said) if len(said) <= 4096 else {}
            key, status = str(table["key"]), int(table["status"])
            left = float(table["until"]) - now
            named, refusals = bool(table["named"]), int(table["refusals"])
    except UnreadableError:
        return None
    sound = math.isfinite(left) and 0 < left <= _LONGEST and status in (429, 503)
    if not sound or len(key) != 32 or not 0 <= refusals <= 1000:
        return None
    return RememberedLimit(key, status, left, named, refusals)
