"""Performs an ecosystem's look-ups: brings the documents and entries that it asks for.

What a large document names is in a table (`entry_tables.py`). A look-up that takes longer than a
client can wait goes on by itself, so that the next one finds what it brought.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from weakref import WeakKeyDictionary

from headrace.artifacts.entry_tables import LARGEST, EntryTables
from headrace.artifacts.small_files import SmallFiles
from headrace.documents.head_requests import HeadRequests
from headrace.documents.passthrough import PassthroughDocuments
from headrace.errors import HeadraceError, OriginError
from headrace.http.caching import BREATH, TOLERATED
from headrace.interface.ecosystems import Ecosystem, LooksUp
from headrace.interface.lookups import CacheMode, HeadRequest, LookUp, LookUpResult, LookUpStep
from headrace.models import Artifact, Fault, ServeArtifact, ServeDocument
from headrace.policy.timeouts import HEADERS_WITHIN
from headrace.system.storage import tables
from headrace.system.storage.copies import Copy
from headrace.upstream.single_flight import SingleFlight

__all__ = ["LookUps"]

_log = logging.getLogger("headrace.lookups")


class LookUps:
    """Runs look-ups, one at a time for all who ask for the same."""

    def __init__(
        self,
        passthrough: PassthroughDocuments,
        small_files: SmallFiles,
        heads: HeadRequests,
        entry_tables: EntryTables,
        ecosystems: Iterable[Ecosystem],
    ) -> None:
        """All are shared with everybody else."""
        self._passthrough = passthrough
        self._small_files = small_files
        self._heads = heads
        self._entry_tables = entry_tables
        named = {each.name: each for each in ecosystems}
        self._able = {name: each for name, each in named.items() if isinstance(each, LooksUp)}
        self._flights = SingleFlight[tuple[str, str, bool], Artifact | None]()
        self._meanwhile = WeakKeyDictionary[
            asyncio.Task[Artifact | None], asyncio.Future[Artifact | None]
        ]()

    def of(self, ecosystem: Ecosystem, plan: ServeArtifact) -> LookUp | None:
        """Return the ecosystem's look-up of an artifact; None: the page that names it says it."""
        able = self._able.get(ecosystem.name)
        return able.look_up(plan) if able is not None else None

    async def find(
        self,
        ecosystem: Ecosystem,
        plan: ServeArtifact,
        look_up: LookUp,
        *,
        renew: bool = False,
        patient: bool = False,
    ) -> Artifact | None:
        """Return what a look-up finds within `HEADERS_WITHIN` seconds, else OriginError.

        One for all who ask for the same at a time. With `renew` nothing that is here is believed
        unless the origin says that it is current. What may be given meanwhile is not waited for,
        unless `patient`: then it is nothing.
        """
        task = self.begin(ecosystem, plan, look_up, renew=renew)
        meanwhile = None if renew or patient else self._meanwhile.get(task)
        waited: list[asyncio.Future[Artifact | None]] = [task, meanwhile] if meanwhile else [task]
        done, _ = await asyncio.wait(
            waited, timeout=HEADERS_WITHIN, return_when=asyncio.FIRST_COMPLETED
        )
        given = meanwhile.result() if meanwhile and meanwhile.done() else None
        if task in done:
            return task.result() or given
        if given is not None:
            return given
        message = f"what names {plan.path} did not come in time"
        raise OriginError(Fault.SILENT, message)

    def begin(
        self, ecosystem: Ecosystem, plan: ServeArtifact, look_up: LookUp, *, renew: bool = False
    ) -> asyncio.Task[Artifact | None]:
        """Look something up in the background."""
        key = (ecosystem.name, f"{plan.path} {plan.accept}", renew)
        meanwhile = asyncio.get_running_loop().create_future()

        async def run() -> Artifact | None:
            try:
                return await self._run(ecosystem, look_up, meanwhile, renew=renew)
            except Exception as error:
                _log.info("the look-up of %s failed: %r", key[1], error)
                raise

        task = self._flights.start(key, run)
        self._meanwhile.setdefault(task, meanwhile)
        return task

    async def _run(
        self,
        ecosystem: Ecosystem,
        look_up: LookUp,
        meanwhile: asyncio.Future[Artifact | None],
        *,
        renew: bool,
    ) -> Artifact | None:
        """Take a look-up to its end; UpstreamError and the like count as "cannot be had"."""
        seen: LookUpResult | None = None
        begun = False
        while True:
            try:
                want = await asyncio.to_thread(_step, look_up, seen, begun=begun)
            except _Found as found:
                return found.artifact
            begun = True
            if want.meanwhile is not None and not meanwhile.done():
                meanwhile.set_result(want.meanwhile)
            try:
                seen = await self._bring(ecosystem, want, renew=renew)
            except (HeadraceError, OSError) as error:
                _log.info("a look-up goes on without a document: %s", error)
                seen = None

    async def _bring(
        self, ecosystem: Ecosystem, want: LookUpStep, *, renew: bool
    ) -> LookUpResult | None:
        match want.what:
            case Artifact():
                return await self._content(want.what, want.effort)
            case HeadRequest():
                return await self._heads.get(want.what)
            case plan:
                return await self._document(ecosystem, plan, want, renew=renew)

    async def _content(self, artifact: Artifact, effort: CacheMode) -> LookUpResult | None:
        at_hand = effort is CacheMode.ONLY_IF_CACHED
        content = await (self._small_files.cached if at_hand else self._small_files.get)(artifact)
        return None if content is None else LookUpResult(str(artifact.digest), 0.0, content)

    async def _document(
        self, ecosystem: Ecosystem, plan: ServeDocument, want: LookUpStep, *, renew: bool
    ) -> LookUpResult | None:
        copy = await self._copy(plan, want.effort, renew=renew)
        if copy is None:
            return None
        at = copy.document.fetched_at
        if want.entry:
            if not await self._entry_tables.prepare(ecosystem, plan, copy):
                return None
            entry = await asyncio.to_thread(tables.find, copy.table, want.entry)
            return LookUpResult(copy.version, at, entry=entry)
        if copy.size > LARGEST:
            return None
        return LookUpResult(copy.version, at, await asyncio.to_thread(copy.path.read_bytes))

    async def _copy(self, plan: ServeDocument, effort: CacheMode, *, renew: bool) -> Copy | None:
        if effort is CacheMode.ONLY_IF_CACHED:
            copy = await self._passthrough.cached(plan)
            if copy is None or not renew:
                return copy
        if renew:
            # What an earlier step of this look-up has asked is not asked again.
            return await self._passthrough.whole(plan, greatest_age=BREATH)
        age = TOLERATED if effort is CacheMode.NO_CACHE else None
        return await self._passthrough.whole(plan, greatest_age=age)

    async def aclose(self) -> None:
        """Stop everything that is under way."""
        await self._flights.aclose()


class _Found(Exception):  # noqa: N818 - the end of a look-up; StopIteration cannot leave a thread
    def __init__(self, artifact: Artifact | None) -> None:
        self.artifact = artifact


def _step(look_up: LookUp, seen: LookUpResult | None, *, begun: bool) -> LookUpStep:
    try:
        return look_up.send(seen) if begun else next(look_up)
    except StopIteration as end:
        raise _Found(end.value) from None
