"""Who asks again for an arranged page, having taken nothing of its project, found nothing on it.

What is marked yanked there is hidden from all but exact pins. Where a client's whole request is not
known, it may be for what is hidden: then it ends with nothing, and its user tries again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from headrace.policy.lru import LRUCache

__all__ = ["SecondChance"]

#: Seconds within which asking again means that the first page was of no use.
WITHIN = 300.0
#: Clients and projects that are remembered.
_REMEMBERED = 256


class SecondChance:
    """Remembers who was given which arranged page."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._given = LRUCache[tuple[str, str], float](_REMEMBERED)
        self._pages = LRUCache[tuple[str, str], str](8 * _REMEMBERED)

    def given(self, client: str, project: str, pages: Iterable[str]) -> None:
        """Note that a client got a page with releases hidden; `pages` are those that name files of
        the project.
        """
        self._given.put((client, project), self._clock())
        for page in pages:
            self._pages.put((client, page), project)

    def taken(self, client: str, page: str) -> None:
        """Note that a client takes a file, or a file's metadata, that a page names."""
        project = self._pages.get((client, page))
        if project is not None:
            self._given.pop((client, project))

    def is_due(self, client: str, project: str) -> bool:
        """Whether a client that asks for this page is to have it as the index gives it."""
        before = self._given.get((client, project))
        return before is not None and self._clock() - before < WITHIN
