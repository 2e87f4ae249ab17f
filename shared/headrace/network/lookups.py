"""Performs an ecosystem's look-ups: brings the documents and entries that it asks for.

What a large document names is put into a table once for each version, in a thread, as soon as the
document is here; after that a name costs a score of short reads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

from headrace.errors import HeadraceError
from headrace.hookspecs import Ecosystem
from headrace.lookups import Effort, LookUp, Seen, Want
from headrace.models import Artifact, ServeDocument
from headrace.network.small import SmallArtifacts
from headrace.network.verbatim import Verbatim
from headrace.system import tables
from headrace.system.copies import Copy

__all__ = ["LookUps"]

_log = logging.getLogger("headrace.lookups")

#: Bytes of a document that is read as a whole; larger ones are tables.
LARGEST = 32 << 20
_PART = 1 << 20


class LookUps:
    """Runs look-ups, and makes the tables that they search."""

    def __init__(
        self, verbatim: Verbatim, small: SmallArtifacts, ecosystems: Mapping[str, Ecosystem]
    ) -> None:
        """All are shared with everybody else; `ecosystems` by name."""
        self._verbatim = verbatim
        self._small = small
        self._ecosystems = ecosystems
        verbatim.kept = self._kept
        self._making: dict[str, asyncio.Future[bool]] = {}

    async def run(self, ecosystem: Ecosystem, look_up: LookUp) -> Artifact | None:
        """Take a look-up to its end; UpstreamError and the like count as "cannot be had"."""
        seen: Seen | None = None
        begun = False
        while True:
            try:
                want = await asyncio.to_thread(_step, look_up, seen, begun=begun)
            except _Found as found:
                return found.artifact
            begun = True
            try:
                seen = await self._bring(ecosystem, want)
            except (HeadraceError, OSError) as error:
                _log.info("a look-up goes on without a document: %s", error)
                seen = None

    async def _bring(self, ecosystem: Ecosystem, want: Want) -> Seen | None:
        if isinstance(want.what, Artifact):
            if want.effort is Effort.AT_HAND:
                content = await self._small.at_hand(want.what)
            else:
                content = await self._small.get(want.what)
            return None if content is None else Seen(str(want.what.digest), 0.0, content)
        plan = want.what
        if want.effort is Effort.AT_HAND:
            copy = await self._verbatim.at_hand(plan)
        else:
            copy = await self._verbatim.whole(plan, renew=want.effort is Effort.RENEW)
        if copy is None:
            return None
        at = copy.document.fetched_at
        if want.entry:
            if not await self.prepare(ecosystem, plan, copy):
                return None
            entry = await asyncio.to_thread(tables.find, copy.table, want.entry)
            return Seen(copy.version, at, entry=entry)
        if copy.size > LARGEST:
            return None
        return Seen(copy.version, at, await asyncio.to_thread(copy.path.read_bytes))

    def _kept(self, plan: ServeDocument, copy: Copy) -> None:
        """Make the table of a new document while its client still reads it."""
        if plan.table:
            ecosystem = self._ecosystems[plan.origin.ecosystem]
            asyncio.ensure_future(self.prepare(ecosystem, plan, copy))  # noqa: RUF006 - `_making`

    async def prepare(self, ecosystem: Ecosystem, plan: ServeDocument, copy: Copy) -> bool:
        """Make sure that a copy's table is there; False: the document is no table."""
        key = str(copy.table)
        making = self._making.get(key)
        if making is None:
            making = asyncio.ensure_future(asyncio.to_thread(_make, ecosystem, plan, copy))
            self._making[key] = making
            making.add_done_callback(lambda _: self._making.pop(key, None))
        return await asyncio.shield(making)


class _Found(Exception):  # noqa: N818 - the end of a look-up; StopIteration cannot leave a thread
    def __init__(self, artifact: Artifact | None) -> None:
        self.artifact = artifact


def _step(look_up: LookUp, seen: Seen | None, *, begun: bool) -> Want:
    try:
        return look_up.send(seen) if begun else next(look_up)
    except StopIteration as end:
        raise _Found(end.value) from None


def _make(ecosystem: Ecosystem, plan: ServeDocument, copy: Copy) -> bool:
    if copy.table.exists():
        return True
    try:
        count = tables.write(copy.table, ecosystem.entries(plan, _parts(copy.path)))
    except (OSError, ValueError) as error:
        _log.warning("%s cannot be read for its names: %s", plan.key, error)
        return False
    _log.info("%s names %d artifacts", plan.key, count)
    return True


def _parts(path: Path) -> Iterator[bytes]:
    with path.open("rb", 0) as file:
        while part := file.read(_PART):
            yield part
