"""What lies beside a file, cut out of it: the metadata of a wheel lies within the wheel.

A small wheel that is wanted for its metadata is mostly wanted for itself a moment later. So it is
fetched once, from a near mirror, and what is cut out of it is held against the digest of the page
that names it. Where that is a mirror's page the path of the wheel is the digest that counts. What
cannot be cut is the origin's own.
"""

from __future__ import annotations

import asyncio

from headrace.artifacts.held_files import HeldFiles
from headrace.artifacts.index import ArtifactIndex
from headrace.artifacts.small_files import SmallFiles
from headrace.errors import UpstreamError
from headrace.interface.ecosystems import CutsCompanions, Ecosystem
from headrace.models import Artifact, ServeArtifact

__all__ = ["ORIGIN_AFTER", "ORIGIN_AFTER_AHEAD", "Companions"]

#: Seconds after which the origin is asked too: for a client, and where nobody waits yet.
ORIGIN_AFTER = 0.4
ORIGIN_AFTER_AHEAD = 2.0


class Companions:
    """Performs what an ecosystem's `CutsCompanions` says."""

    def __init__(self, index: ArtifactIndex, held: HeldFiles, small: SmallFiles) -> None:
        self._index = index
        self._held = held
        self._small = small

    async def get(
        self,
        ecosystem: Ecosystem,
        plan: ServeArtifact,
        companion: Artifact,
        form: str,
        *,
        origin_after: float = ORIGIN_AFTER,
    ) -> tuple[bytes, Artifact | None]:
        """Return the content, and the artifact that it was cut from; None: it is the origin's own,
        which is asked too after so many seconds.

        UpstreamError or IntegrityError when it cannot be had.
        """
        if not isinstance(ecosystem, CutsCompanions) or await self._small.cached(companion):
            return await self._small.get(companion), None
        cutting = asyncio.ensure_future(self._cut(ecosystem, plan, companion, form))
        await asyncio.wait({cutting}, timeout=origin_after)
        if cutting.done() and (found := cutting.result()) is not None:
            return found
        own = asyncio.ensure_future(self._small.get(companion))
        try:
            await asyncio.wait({cutting, own}, return_when=asyncio.FIRST_COMPLETED)
            if own.done() and own.exception() is None:
                return own.result(), None
            return await cutting or (await own, None)
        finally:
            # What they wait for goes on by itself.
            for each in (cutting, own):
                each.cancel()
            await asyncio.gather(cutting, own, return_exceptions=True)

    async def _cut(
        self, ecosystem: CutsCompanions, plan: ServeArtifact, companion: Artifact, form: str
    ) -> tuple[bytes, Artifact | None] | None:
        """Cut it out of what holds it; None: that is not to be had, or holds something else."""
        try:
            holder = await self._holder(ecosystem, plan, form)
        except (UpstreamError, ValueError):
            return None
        if holder is None or not isinstance(ecosystem, Ecosystem):
            return None
        whole = await self._held.get(holder, ecosystem)
        if whole is None:
            return None
        content = await asyncio.to_thread(ecosystem.cut, companion.path, whole)
        if content is None or not _agrees(companion, content):
            return None
        if companion.digest is not None:
            self._small.remember(companion.digest, content)
        return content, holder

    async def _holder(
        self, ecosystem: CutsCompanions, plan: ServeArtifact, form: str
    ) -> Artifact | None:
        path = ecosystem.holder(plan.path)
        if path is None or not isinstance(ecosystem, Ecosystem):
            return None
        return await self._index.find(ecosystem, ServeArtifact(path, plan.named_by), form)


def _agrees(companion: Artifact, content: bytes) -> bool:
    """Whether it is what a page of the origin's own names."""
    if companion.digest is None:
        return companion.provisional is not None
    return companion.digest.is_of(content)
