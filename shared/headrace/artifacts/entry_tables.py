"""Tables of what large documents name, made once for each version as soon as the document is here.

They are made in a thread, while the document's own client still reads it; after that a name costs
a score of short reads. Ecosystems read smaller documents themselves.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from headrace.interface.ecosystems import Ecosystem, IndexesDocuments, Learns
from headrace.models import ServeDocument
from headrace.system.storage import tables
from headrace.system.storage.copies import Copy
from headrace.upstream.single_flight import SingleFlight

__all__ = ["LARGEST", "EntryTables"]

_log = logging.getLogger("headrace.lookups")

#: Bytes of a document that is read as a whole; larger ones are tables.
LARGEST = 32 << 20
_PART = 1 << 20


class EntryTables:
    """Makes the tables that look-ups search, one at a time for each copy."""

    def __init__(self, ecosystems: Mapping[str, Ecosystem]) -> None:
        """`ecosystems` by name; they know what a document names."""
        self._ecosystems = ecosystems
        self._making = SingleFlight[str, bool]()
        self._learning: set[asyncio.Task[None]] = set()
        self._closed = False

    def kept(self, plan: ServeDocument, copy: Copy) -> None:
        """Make the table of a new document while its client still reads it; learn from another."""
        ecosystem = self._ecosystems.get(plan.origin.ecosystem)
        if ecosystem is None or self._closed:
            return
        if plan.table:
            self._make(ecosystem, plan, copy)
        elif copy.size <= LARGEST:
            learning = asyncio.ensure_future(asyncio.to_thread(_learn, ecosystem, plan, copy))
            self._learning.add(learning)
            learning.add_done_callback(self._learning.discard)

    async def prepare(self, ecosystem: Ecosystem, plan: ServeDocument, copy: Copy) -> bool:
        """Make sure that a copy's table is there; False: the document is no table."""
        return await asyncio.shield(self._make(ecosystem, plan, copy))

    def _make(self, ecosystem: Ecosystem, plan: ServeDocument, copy: Copy) -> asyncio.Task[bool]:
        return self._making.start(
            str(copy.table),
            lambda: asyncio.to_thread(_make, ecosystem, plan, copy, lambda: self._closed),
        )

    async def aclose(self) -> None:
        """Stop everything that is under way."""
        self._closed = True
        tasks = list(self._learning)
        for task in tasks:
            task.cancel()
        await asyncio.gather(self._making.aclose(), *tasks, return_exceptions=True)


def _learn(ecosystem: Ecosystem, plan: ServeDocument, copy: Copy) -> None:
    if not isinstance(ecosystem, Learns):
        return
    try:
        ecosystem.learn(replace(copy.document, body=copy.path.read_bytes()), plan)
    except Exception as error:  # noqa: BLE001 - what is learned only saves time
        _log.info("nothing is learned from %s: %r", plan.key, error)


def _make(
    ecosystem: Ecosystem, plan: ServeDocument, copy: Copy, stopped: Callable[[], bool]
) -> bool:
    if tables.usable(copy.table):
        return True
    if not isinstance(ecosystem, IndexesDocuments):
        return False
    try:
        count = tables.write(copy.table, ecosystem.entries(plan, _parts(copy.path, stopped)))
    except Exception as error:  # noqa: BLE001 - a document, a disk or a plugin: there is no table
        _log.warning("%s cannot be read for its names: %r", plan.key, error)
        return False
    _log.info("%s names %d artifacts", plan.key, count)
    return True


def _parts(path: Path, stopped: Callable[[], bool]) -> Iterator[bytes]:
    with path.open("rb", 0) as file:
        while part := file.read(_PART):
            if stopped():
                raise InterruptedError("the gateway ends")
            yield part
