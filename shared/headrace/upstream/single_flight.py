"""Single flight: whoever asks while the same question is under way shares its answer.

Go's word for it (``golang.org/x/sync/singleflight``); RFC 9111 section 4 calls such requests
collapsed. A flight belongs to nobody: those who leave early, be it the last one, do not end it, so
that the next one finds what it brought. It is ended by `aclose` alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

__all__ = ["SingleFlight"]

K = TypeVar("K")
V = TypeVar("V")


class SingleFlight(Generic[K, V]):
    """One task for each key at a time. For one event loop."""

    def __init__(self) -> None:
        """Begin with nothing under way."""
        self._flights: dict[K, asyncio.Task[V]] = {}

    def start(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> asyncio.Task[V]:
        """Return what is under way for a key, else begin it. Its task is not the caller's to
        cancel: wait for it with `asyncio.wait` or `asyncio.shield`.
        """
        task = self._flights.get(key)
        if task is None:
            task = self._flights[key] = asyncio.ensure_future(work())
            task.add_done_callback(lambda done: self._landed(key, done))
        return task

    async def do(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """Return what `work` brings, or raise what it raises, to all who ask meanwhile."""
        return await asyncio.shield(self.start(key, work))

    def _landed(self, key: K, task: asyncio.Task[V]) -> None:
        del self._flights[key]
        # Nobody may be waiting any more; the exception counts as seen.
        if not task.cancelled():
            task.exception()

    async def aclose(self) -> None:
        """Cancel everything that is under way, and wait for its end."""
        tasks = list(self._flights.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
