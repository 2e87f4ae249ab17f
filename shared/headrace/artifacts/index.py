"""Which artifact hides behind a path: found in the pages that are here, or by loading the page.

A page is read for its artifacts when the first of them is asked for and not before: most pages
are only resolved from. Where the ecosystem finds one by itself the others are left alone. What was
read is bounded; a path tells its page, so that whatever was forgotten, and everything after a
restart, is found again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote

from headrace.artifacts.lookups import LookUps
from headrace.documents.cache import Documents
from headrace.documents.provisional import Provisional
from headrace.interface.ecosystems import (
    Ecosystem,
    FindsArtifacts,
    ServesDocuments,
    SpellsDigests,
)
from headrace.models import Artifact, Document, ServeArtifact, ServeDocument
from headrace.policy.lru import LRUCache
from headrace.redact import for_files
from headrace.upstream.single_flight import SingleFlight
from headrace.values import dataclass

__all__ = ["ArtifactIndex"]

#: Artifacts in memory, about 1 kB each; one page may be larger than that and is kept all the same.
LIMIT = 10_000
#: Artifacts that were asked for, by their pages. A tree that is resolved again asks for the same
#: ones, and its pages together name more than `LIMIT`.
ASKED_FOR = 2048
#: Origins that are remembered as such.
_ORIGINS = 64


@dataclass(frozen=True, slots=True)
class _Read:
    """What one version of a page names."""

    version: str
    artifacts: Mapping[str, Artifact]
    whole: bool = True
    """False: those that were asked for, of a page that was not read for all."""


class ArtifactIndex:
    """Path to artifact."""

    def __init__(
        self,
        documents: Documents,
        provisional: Provisional,
        look_ups: LookUps,
        *,
        limit: int = LIMIT,
    ) -> None:
        """`limit` counts artifacts."""
        self._documents = documents
        self._provisional = provisional
        self._look_ups = look_ups
        self._read = LRUCache[str, _Read](limit, lambda read: len(read.artifacts), most=limit)
        self._asked_for = LRUCache[tuple[str, str], tuple[str, Artifact]](ASKED_FOR)
        """By page and path, with the page's version."""
        self._told = LRUCache[str, Artifact](ASKED_FOR)
        """By path: what was made of a path and its origin's word alone."""
        self._mistaken = LRUCache[str, bool](_ORIGINS)
        """Origins, by URL, whose word on that was wrong."""
        self._flights = SingleFlight[tuple[str, str], _Read]()

    async def find(
        self, ecosystem: Ecosystem, plan: ServeArtifact, form: str, *, patient: bool = False
    ) -> Artifact | None:
        """Return the artifact; None when no page names it. `patient` as for `LookUps.find`.

        The page that is here is enough, however old: a digest does not age. Only when it does not
        name the path is a new one fetched, and the origin's own waited for where that is a
        mirror's. UpstreamError when that cannot be had; ValueError when the page is none.
        """
        look_up = self._look_ups.of(ecosystem, plan)
        if look_up is not None:
            return await self._look_ups.find(ecosystem, plan, look_up, patient=patient)
        page = plan.named_by
        if page is None:
            return self._among_all(plan.path)
        known = await self._documents.known(page.key)
        artifact = await (
            self._spelt(ecosystem, plan)
            if known is None
            else self._in(ecosystem, page, known[0], known[1], plan.path)
        )
        if artifact is not None:
            return artifact
        fetched = await self._documents.get(ecosystem, page, form)
        if known is None or fetched.version != known[1]:
            artifact = await self._in(ecosystem, page, fetched.document, fetched.version, plan.path)
            if artifact is not None:
                return artifact
        if fetched.document.supplied_by is None:
            return None
        # It may be older than the page that the client has, and names no companions of files.
        own = await self._documents.origins_own(ecosystem, page, form)
        return await self._in(ecosystem, page, own.document, own.version, plan.path)

    async def _spelt(self, ecosystem: Ecosystem, plan: ServeArtifact) -> Artifact | None:
        """Return what a path says of itself and the origin confirms: whoever installs from a lock
        asks for no page, and sixty of them cost more than what they name.
        """
        if not isinstance(ecosystem, SpellsDigests):
            return None
        artifact = ecosystem.spelt(plan)
        if artifact is None or artifact.origin.private or self._mistaken.get(artifact.origin.url):
            return None
        size = await self._provisional.confirmations.length(artifact, ecosystem)
        if size is None:
            return None
        artifact = replace(artifact, size=size)
        self._told.put(plan.path, artifact)
        return artifact

    def needed_no_page(self, artifact: Artifact) -> bool:
        """Whether an artifact was made of its path and its origin's word: a page may say better."""
        return self._told.get(artifact.path) == artifact

    async def renewed(
        self, ecosystem: Ecosystem, plan: ServeArtifact, artifact: Artifact, form: str
    ) -> Artifact | None:
        """Return what the origin says now of an artifact that is looked up, or that needed no page;
        None: nothing else.

        For one whose digest is not that of its bytes: it may have been replaced at its origin; and
        for one that cannot be had: what was said of its length may be wrong.
        """
        look_up = self._look_ups.of(ecosystem, plan)
        if look_up is not None:
            return await self._look_ups.find(ecosystem, plan, look_up, renew=True)
        if not self.needed_no_page(artifact):
            return None
        self._mistaken.put(artifact.origin.url, True)
        named = await self.find(ecosystem, plan, form)
        if named is None or named.size in (None, artifact.size):  # it failed for another reason
            self._mistaken.pop(artifact.origin.url)
        return named

    def renew(self, ecosystem: Ecosystem, plan: ServeArtifact, artifact: Artifact) -> None:
        """Do the same for the next one who asks."""
        look_up = self._look_ups.of(ecosystem, plan)
        if look_up is not None:
            self._look_ups.begin(ecosystem, plan, look_up, renew=True)
        elif self.needed_no_page(artifact):
            self._mistaken.put(artifact.origin.url, True)

    def origin_url(self, plan: ServeArtifact) -> str | None:
        """Guess where the origin keeps a path that no page names (any more).

        Where the origin's URLs end in our paths, what stands before the path is the same for all.
        The URL is for clients: without a secret.
        """
        if plan.url is not None:
            return for_files(plan.url)
        read = self._read.get(plan.named_by.key) if plan.named_by else None
        for artifact in read.artifacts.values() if read else ():
            if artifact.provisional is None:
                path = quote(artifact.path)
                url = for_files(artifact.url)
                if url.endswith(path):
                    return url.removesuffix(path) + quote(plan.path)
                break
        return None

    def origin_redirect(self, plan: ServeArtifact) -> str | None:
        """Return where the origin keeps a path, as far as memory knows."""
        artifact = self._among_all(plan.path)
        return for_files(artifact.url) if artifact else self.origin_url(plan)

    def shrink(self) -> None:
        """Forget what can be read again."""
        self._read.clear()

    def named(self, what: str) -> list[Artifact]:
        """Return the artifacts in memory with that path or file name, for `explain`."""
        return [
            artifact
            for _, read in self._read.items()
            for artifact in read.artifacts.values()
            if what in (artifact.path, artifact.name)
        ]

    def _among_all(self, path: str) -> Artifact | None:
        for _, read in reversed(self._read.items()):
            if (artifact := read.artifacts.get(path)) is not None:
                return artifact
        asked_for = self._asked_for.items()
        return next((a for (_, asked), (_, a) in reversed(asked_for) if asked == path), None)

    async def _in(
        self,
        ecosystem: Ecosystem,
        page: ServeDocument,
        document: Document,
        version: str,
        path: str,
    ) -> Artifact | None:
        asked = self._asked_for.get((page.key, path))
        if asked is not None and asked[0] == version:
            artifact: Artifact | None = asked[1]
        else:
            artifact = await self._read_for(ecosystem, page, document, version, path)
        if artifact is None:
            return None
        self._asked_for.put((page.key, path), (version, artifact))
        if artifact.provisional is not None:
            self._provisional.expect(artifact, ecosystem, page)
        return artifact

    async def _read_for(
        self,
        ecosystem: Ecosystem,
        page: ServeDocument,
        document: Document,
        version: str,
        path: str,
    ) -> Artifact | None:
        """Read a page for one artifact, or where that is not to be found for all."""
        read = self._read.get(page.key)
        if read is None or read.version != version:
            read = _Read(version, {}, whole=False)
        artifact = read.artifacts.get(path)
        if artifact is None and not read.whole and isinstance(ecosystem, FindsArtifacts):
            artifact = await asyncio.to_thread(_found, ecosystem, page, document, path)
            if artifact is not None:
                found = {**read.artifacts, path: artifact}
                self._read.put(page.key, _Read(version, found, whole=False))
        if artifact is None and not read.whole:
            read = await self._flights.do(
                (page.key, version), lambda: self._list(ecosystem, page, document, version)
            )
            artifact = read.artifacts.get(path)
        return artifact

    async def _list(
        self, ecosystem: Ecosystem, page: ServeDocument, document: Document, version: str
    ) -> _Read:
        artifacts = await asyncio.to_thread(_artifacts, ecosystem, page, document)
        read = _Read(version, artifacts)
        self._read.put(page.key, read)
        return read


def _artifacts(
    ecosystem: Ecosystem, page: ServeDocument, document: Document
) -> dict[str, Artifact]:
    """List what a page names; what a mirror's page names is provisional whatever it says.

    What mirrors do not have comes from the origin by its own path, where a mirror's word for its
    digest could only do harm.
    """
    if not isinstance(ecosystem, ServesDocuments):
        return {}
    return {a.path: _meant(a, page, document) for a in ecosystem.artifacts(document, page)}


def _found(
    ecosystem: FindsArtifacts, page: ServeDocument, document: Document, path: str
) -> Artifact | None:
    """Find one of them."""
    artifact = ecosystem.find_artifact(document, page, path)
    return None if artifact is None else _meant(artifact, page, document)


def _meant(artifact: Artifact, page: ServeDocument, document: Document) -> Artifact:
    mirror = document.supplied_by
    if document.private:
        own = replace(page.origin, private=True, demanded=not page.origin.private)
        return replace(artifact, origin=own)
    if mirror is None:
        return artifact
    digest = artifact.digest if artifact.mirrored else None
    return replace(artifact, provisional=mirror, digest=digest)
