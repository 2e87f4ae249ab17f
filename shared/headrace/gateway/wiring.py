"""The parts of the gateway, put together in one place. No decisions here, only who knows whom."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field, replace

from headrace.artifacts.companions import ORIGIN_AFTER, ORIGIN_AFTER_AHEAD, Companions
from headrace.artifacts.entry_tables import EntryTables
from headrace.artifacts.held_files import HeldFiles
from headrace.artifacts.index import ArtifactIndex
from headrace.artifacts.lookups import LookUps
from headrace.artifacts.origin_ranges import OriginRanges
from headrace.artifacts.small_files import SmallFiles
from headrace.config import Folders, Settings
from headrace.documents.cache import Documents
from headrace.documents.client_requests import ClientRequests
from headrace.documents.confirming.barrier import Barrier
from headrace.documents.confirming.confirmations import Confirmations
from headrace.documents.confirming.teaching import connect, teach
from headrace.documents.document_pieces import IN_PIECES_FROM
from headrace.documents.head_requests import HeadRequests
from headrace.documents.passthrough import PassthroughDocuments
from headrace.documents.passthrough_fetch import InParts
from headrace.documents.provisional import Provisional
from headrace.documents.read_ahead import ReadAhead
from headrace.documents.renderings import Renderings
from headrace.documents.variant_pages import VariantPages
from headrace.download.connections import ConnectionLimiter
from headrace.download.downloader import Downloader
from headrace.download.uploads import Uploads
from headrace.fleet_settings import mirror_of
from headrace.gateway.activity import Activity
from headrace.gateway.builds.notice import Notice
from headrace.gateway.live.history import History
from headrace.gateway.relaying import HandBack
from headrace.gateway.serve_artifact import LARGE, ArtifactHandler
from headrace.gateway.serving.leads_to_bucket import LeadsToBucket
from headrace.gateway.serving.sharing import Sharing
from headrace.gateway.telling.record import Recording
from headrace.interface import clients
from headrace.interface.ecosystems import Ecosystem, ManyOwners, ServesDocuments
from headrace.interface.hookspecs import DiscoveredOrigin
from headrace.interface.manager import Plugins
from headrace.models import (
    Artifact,
    Document,
    Origin,
    PassThrough,
    Plan,
    Request,
    ServeArtifact,
    ServeDocument,
    SourceFailed,
    TransferFinished,
)
from headrace.policy.clients import Clients
from headrace.policy.reputation import rates
from headrace.redact import for_files
from headrace.sources.candidates import Candidates
from headrace.sources.document_sources import DocumentSources
from headrace.sources.live_settings import LiveSettings
from headrace.sources.tools_trust import ToolsTrust
from headrace.system import download_record
from headrace.system.absences import AbsenceFile
from headrace.system.download_record import DownloadRecord
from headrace.system.fingerprint import NetworkFingerprint
from headrace.system.fleet_token import fleet_token
from headrace.system.limits import LimitRecords
from headrace.system.memory import limit_arenas, trim_heap
from headrace.system.service.managers.shells import notice_in
from headrace.system.statistics import Statistics
from headrace.system.storage.copies import Copies
from headrace.system.storage.pages import PageStore
from headrace.system.storage.store import Store
from headrace.transfer.adaptive_concurrency import UNTRIED
from headrace.upstream.auth.mirror_logins import MirrorLogins, headers_for
from headrace.upstream.auth.origin_credentials import OriginClient, OriginCredentials
from headrace.upstream.client import Client
from headrace.upstream.courtesy import Courtesy
from headrace.upstream.objects.bucket import Bucket
from headrace.upstream.shared_state.leases import Leases
from headrace.upstream.shared_state.limits import SharedLimits
from headrace.values import dataclass

__all__ = ["Components", "assemble"]

_log = logging.getLogger("headrace.gateway")

#: Threads for disks and for large pages.
_THREADS = 16
#: Seconds between two sweeps of the store.
_SWEEP = 6 * 3600.0
#: Seconds without a request after which memory is given back.
_REST = 20.0
#: Seconds after the start in which whoever started it has the machine to himself.
_BEFORE_LOADING = 0.2


#: A laptop's gateway shares nothing.
_ALONE = Sharing()


@dataclass(slots=True)
class Components:
    """Everything that the gateway is made of."""

    settings: Settings
    folders: Folders
    plugins: Plugins
    origins: tuple[Origin, ...]
    ecosystems: tuple[Ecosystem, ...]
    client: Client
    store: Store
    pages: PageStore
    statistics: Statistics
    network: NetworkFingerprint
    sources: Candidates
    credentials: OriginCredentials
    logins: MirrorLogins
    origin: OriginClient
    provisional: Provisional
    documents: Documents
    passthrough: PassthroughDocuments
    look_ups: LookUps
    entry_tables: EntryTables
    artifact_index: ArtifactIndex
    small_files: SmallFiles
    held_files: HeldFiles
    barrier: Barrier
    downloader: Downloader
    artifacts: ArtifactHandler
    hand_back: HandBack
    activity: Activity
    recording: Recording
    read_ahead: ReadAhead
    renderings: Renderings
    variant_pages: VariantPages
    notice: Notice
    uploads: Uploads | None = None
    leases: Leases | None = None
    limits: SharedLimits | None = None
    chores: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> None:
        """Begin what runs by itself."""
        limit_arenas()
        # Python's own default is six threads on two cores: too few for fifty clients and a disk.
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="headrace")
        asyncio.get_running_loop().set_default_executor(pool)
        if self.limits is not None:
            self.limits.start(self.client.courtesy.told)
        chores = (self._sweep(), self._rest(), self._load())
        self.chores = [asyncio.ensure_future(each) for each in chores]

    async def _load(self) -> None:
        """Load and find out what the first request needs, while nobody waits for it yet."""
        await asyncio.sleep(_BEFORE_LOADING)
        await asyncio.to_thread(self.client.prepare)
        try:
            await teach(self.documents, self.ecosystems, self.client)
            await connect(self.client, self.origin, self.ecosystems)
        except Exception as error:  # noqa: BLE001 - whoever asks finds it out again
            _log.info("nothing was found out ahead: %r", error)
        await asyncio.to_thread(trim_heap)

    async def _sweep(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.store.sweep)
            except Exception as error:  # noqa: BLE001 - the next sweep tries again
                _log.warning("the store could not be swept: %r", error)
            await asyncio.sleep(_SWEEP)

    async def _rest(self) -> None:
        """Hold little memory while nobody comes."""
        seen, rested = 0, True
        while True:
            await asyncio.sleep(_REST)
            now = self.activity.answers.total()
            if now != seen or self.downloader.active:
                seen, rested = now, False
            elif not rested:
                rested = True
                for part in (self.documents, self.renderings, self.artifact_index):
                    part.shrink()
                await asyncio.to_thread(self.activity.history.keep)
                await asyncio.to_thread(trim_heap)

    async def stop(self) -> None:
        """End everything that was begun, and write down what was learned."""
        for chore in self.chores:
            chore.cancel()
        for part in (self.uploads, self.leases, self.limits):
            if part is not None:
                await part.aclose()
        await self.read_ahead.aclose()
        await self.downloader.aclose()
        await self.documents.aclose()
        await self.look_ups.aclose()
        await self.entry_tables.aclose()
        await self.passthrough.aclose()
        await self.provisional.aclose()
        await self.small_files.aclose()
        await self.held_files.aclose()
        await self.sources.aclose()
        await self.logins.aclose()
        await self.client.aclose()
        await asyncio.to_thread(self.client.courtesy.close)
        await asyncio.to_thread(self.statistics.close)
        await asyncio.to_thread(self.activity.history.keep)
        await asyncio.to_thread(self.recording.close)
        await asyncio.to_thread(self.store.close)

    def incident(self, error: Exception, path: str) -> str:
        """Log an internal error with a word by which it is found again; return the word."""
        reference = secrets.token_hex(4)
        _log.error("incident %s at %s", reference, path, exc_info=error)
        self.activity.incident(f"{type(error).__name__} at {path}", reference)
        self.recording.incident(f"{type(error).__name__} at {path} ({reference})")
        return reference

    def origin_redirect(self, plan: Plan | None) -> str | None:
        """Return where at the origin a client gets what was planned; None when nobody can tell."""
        try:
            if isinstance(plan, ServeDocument | PassThrough):
                return for_files(plan.url)
            if isinstance(plan, ServeArtifact):
                return self.artifact_index.origin_redirect(plan)
        except Exception as error:  # noqa: BLE001 - this is the rescue itself
            _log.warning("no way out: %r", error)
        return None


class _Fetcher:
    """How read-ahead gets at things."""

    def __init__(
        self,
        *,
        documents: Documents,
        passthrough: PassthroughDocuments,
        artifact_index: ArtifactIndex,
        confirmations: Confirmations,
        companions: Companions,
        held_files: HeldFiles,
        downloader: Downloader,
        sources: Candidates,
    ) -> None:
        self._documents = documents
        self._passthrough = passthrough
        self._artifact_index = artifact_index
        self._confirmations = confirmations
        self._companions = companions
        self._held = held_files
        self._downloader = downloader
        self._sources = sources

    async def document(
        self, ecosystem: Ecosystem, plan: ServeDocument, request: Request
    ) -> Document | None:
        """Bring a page into the store; of one that goes as it is, what its origin says of it."""
        if plan.magic:
            return await self._passthrough.ahead(plan)
        form = _form(ecosystem, request, plan)
        return (await self._documents.get(ecosystem, plan, form)).document

    async def artifact(
        self, ecosystem: Ecosystem, plan: ServeArtifact, request: Request
    ) -> Document | None:
        """Bring a small artifact; nothing that is large.

        Of what a mirror's page named the origin is asked, and what it has not confirmed yet stays
        in memory.
        """
        form = _form(ecosystem, request, plan.named_by) if plan.named_by else ""
        artifact = await self._artifact_index.find(ecosystem, plan, form)
        if artifact is None or (artifact.digest is None and artifact.mirrored):
            return None
        if not artifact.mirrored:
            if artifact.digest is None and artifact.provisional is None:
                return None
            after = ORIGIN_AFTER if artifact.provisional is None else ORIGIN_AFTER_AHEAD
            content, _ = await self._companions.get(
                ecosystem, plan, artifact, form, origin_after=after
            )
        elif artifact.size is not None and artifact.size <= LARGE:
            if artifact.provisional is not None:
                self._confirmations.begin(artifact)
            held = await self._held.get(artifact, ecosystem)
            whole = await self._whole(ecosystem, artifact) if held is None else held
            if whole is None:
                return None
            content = whole
        else:
            return None
        return Document(artifact.url, content, artifact.content_type)

    async def foresee(self, ecosystem: Ecosystem, plan: ServeArtifact, request: Request) -> None:
        """Ask the origin about what a mirror's page named."""
        form = _form(ecosystem, request, plan.named_by) if plan.named_by else ""
        artifact = await self._artifact_index.find(ecosystem, plan, form)
        if artifact is not None and artifact.provisional is not None and artifact.mirrored:
            self._confirmations.begin(artifact)

    async def _whole(self, ecosystem: Ecosystem, artifact: Artifact) -> bytes | None:
        """Bring a small file from a mirror that was measured; the origin's line is for pages."""
        if artifact.provisional is not None:
            return None
        self._sources.race(artifact, ecosystem)
        sources = self._sources.choose(artifact, ecosystem)
        alone = all(source.is_origin for source in sources if not source.reserve)
        if alone and len(self._sources.mirrors(ecosystem.name)):
            return None
        download = await self._downloader.open(artifact, sources)
        try:
            return b"".join([part async for part in download.read()])
        finally:
            download.release()


def _owners(ecosystems: Mapping[str, Ecosystem]) -> Callable[[Origin, str], str]:
    able = {name: each for name, each in ecosystems.items() if isinstance(each, ManyOwners)}

    def owner(origin: Origin, url: str) -> str:
        named = able.get(origin.ecosystem)
        return named.owner(url) if named is not None else ""

    return owner


def _form(ecosystem: Ecosystem, request: Request, plan: ServeDocument) -> str:
    return ecosystem.form(request, plan) if isinstance(ecosystem, ServesDocuments) else ""


def _limits(folders: Folders, sharing: Sharing) -> LimitRecords | SharedLimits:
    records = LimitRecords(folders.state / "limits.sqlite")
    return records if sharing.state is None else SharedLimits(sharing.state, records)


def _leases(sharing: Sharing, downloader: Downloader) -> Leases | None:
    if sharing.state is None:
        return None
    return Leases(sharing.state, sharing.advertise, seal=sharing.seal, under_way=downloader.brings)


def _leads(shared: Sharing, known: Clients) -> LeadsToBucket | None:
    if shared.bucket is None or not shared.serve_from_bucket:
        return None
    return LeadsToBucket(shared.bucket, known)


def _uploads(bucket: Bucket, store: Store, credentials: OriginCredentials) -> Uploads:
    """Make the queue to a bucket, which is for everybody: nothing private gets there."""

    def is_private(artifact: Artifact) -> bool:
        return artifact.origin.private or credentials.is_private(artifact.origin, artifact.url)

    return Uploads(bucket, store, is_private=is_private)


def _in_parts(
    downloader: Downloader,
    sources: Candidates,
    ecosystems: Mapping[str, Ecosystem],
    client: Client,
) -> InParts:
    """Make what brings long documents: a download like any other, side by side from the start where
    its origin is far, as shorter ones are (`document_pieces`).
    """

    async def bring(artifact: Artifact, start: int) -> AsyncGenerator[bytes, None]:
        chosen = sources.choose(artifact, ecosystems[artifact.ecosystem])
        far = (client.round_trip(artifact.url) or 0.0) >= IN_PIECES_FROM
        if far and len(chosen) == 1:
            chosen = (replace(chosen[0], untried=UNTRIED),)
        # It goes on to all who ask, as it comes.
        download = await downloader.open(artifact, chosen, takes_back=False)
        try:
            async for data in download.read(start):
                yield data
        finally:
            download.release()

    return bring


def assemble(
    settings: Settings,
    folders: Folders,
    origins: Sequence[DiscoveredOrigin],
    env: Mapping[str, str],
    plugins: Plugins,
    *,
    sharing: Sharing = _ALONE,
) -> Components:
    """Make every part. Nothing is asked of anybody yet. `sharing` is what it has in common with
    other replicas.
    """
    every = tuple(dict.fromkeys(found.origin for found in origins))
    statistics = Statistics(folders.state / "statistics.sqlite")
    network = NetworkFingerprint()
    activity = Activity(
        lambda event: rates(statistics.snapshot(network()), event.artifact.object_class),
        history=History(folders.state / "traffic.json"),
    )

    def incident(what: str) -> None:
        activity.incident(what)
        recording.incident(what)

    limits = _limits(folders, sharing)
    # The sources are made of the client.
    live = LiveSettings(settings, folders, env)
    trust = ToolsTrust(
        origins,
        lambda ecosystem: sources.mirrors(ecosystem),  # noqa: PLW0108
        fleet=lambda: live().fleet,
        fellows=lambda url: (
            sharing.authorities() if leases is not None and leases.is_fellow(url) else None
        ),
    )
    client = Client(env, told=incident, courtesy=Courtesy(memory=limits), authorities=trust.of)
    store = Store(
        folders.cache / "store", limit=settings.store_limit, reserve=settings.disk_reserve
    )
    # Documents has a memory of its own, with the version of each page in it.
    pages = PageStore(folders.cache / "pages", memory=0)
    ecosystems = tuple(plugins.ecosystems(every))
    by_name = {ecosystem.name: ecosystem for ecosystem in ecosystems}
    credentials = OriginCredentials(
        plugins,
        {found.origin: found.credential for found in origins if found.credential},
        owner=_owners(by_name),
    )
    logins = MirrorLogins(
        plugins,
        lambda: (
            *live().mirrors,
            *(each for name in by_name for each in mirror_of(live().fleet, name)),
        ),
        token=lambda _: fleet_token(live().fleet),
        told=incident,
    )

    connections = ConnectionLimiter(settings.connections)
    sources = Candidates(
        plugins,
        settings,
        statistics,
        client,
        network,
        live=live,
        may_be_asked=logins.may_be_asked,
        busy=connections.busy,
        absences=AbsenceFile(folders.state / "absences.json"),
        bucket=sharing.bucket,
        fellow=lambda artifact: leases.place(artifact) if leases is not None else None,
    )
    origin = OriginClient(client, credentials)
    recording = Recording(
        DownloadRecord(folders.state / download_record.NAME),
        sources.mirrors,
        sources.standing,
        lambda artifact, mirror: sources.keeps(artifact, by_name[artifact.ecosystem], mirror),
    )

    uploads = None if sharing.bucket is None else _uploads(sharing.bucket, store, credentials)

    def observe(event: SourceFailed | TransferFinished) -> None:
        for each in (uploads, leases):
            if each is not None:
                each.observe(event)
        activity.observe(event)
        sources.notice(event)
        recording.observe(event)
        plugins.observe(event)

    def hit(artifact: Artifact, size: int) -> None:
        activity.stored(size)
        recording.stored(artifact, size)

    provisional = Provisional(
        client,
        origin,
        DocumentSources(sources, statistics, network),
        settings,
        report=sources.report,
        told=lambda mirror, what: incident(f"mirror {mirror} {what}"),
        headers=logins.headers_at,
    )
    renderings = Renderings(pages)
    documents = Documents(
        origin,
        pages,
        renderings,
        provisional,
        report=sources.report,
        told=activity.document,
    )
    small_files = SmallFiles(
        origin,
        store,
        client=client,
        hedge_mirror=lambda artifact: sources.hedge_mirror(artifact, by_name[artifact.ecosystem]),
        report=sources.report,
    )
    downloader = Downloader(
        client,
        store,
        settings,
        report=sources.report,
        observe=observe,
        confirm=provisional.confirm,
        headers_for=headers_for(credentials, logins, sharing.headers),
        connections=connections,
    )
    leases = _leases(sharing, downloader)
    entry_tables = EntryTables(by_name)
    passthrough = PassthroughDocuments(
        client,
        Copies(folders.cache / "copies"),
        report=sources.report,
        told=activity.document,
        in_parts=_in_parts(downloader, sources, by_name, client),
        kept=entry_tables.kept,
    )
    look_ups = LookUps(
        passthrough,
        small_files,
        HeadRequests(origin, pages, told=activity.document),
        entry_tables,
        ecosystems,
    )
    artifact_index = ArtifactIndex(documents, provisional, look_ups)
    hand_back = HandBack(credentials.is_private, credentials.lends)
    known_clients = clients.load()
    held_files = HeldFiles(downloader.context, sources, is_coming=downloader.is_coming)
    companions = Companions(artifact_index, held_files, small_files)
    barrier = Barrier(provisional.confirmations)
    fetcher = _Fetcher(
        documents=documents,
        passthrough=passthrough,
        artifact_index=artifact_index,
        confirmations=provisional.confirmations,
        companions=companions,
        held_files=held_files,
        downloader=downloader,
        sources=sources,
    )
    variant_pages = VariantPages(
        documents,
        renderings,
        plugins,
        ClientRequests(fetcher),
        settings=settings,
        env=env,
        cache=folders.cache,
    )
    return Components(
        settings=settings,
        folders=folders,
        plugins=plugins,
        origins=every,
        ecosystems=ecosystems,
        client=client,
        store=store,
        pages=pages,
        statistics=statistics,
        network=network,
        sources=sources,
        credentials=credentials,
        logins=logins,
        origin=origin,
        provisional=provisional,
        documents=documents,
        passthrough=passthrough,
        look_ups=look_ups,
        entry_tables=entry_tables,
        artifact_index=artifact_index,
        small_files=small_files,
        held_files=held_files,
        barrier=barrier,
        downloader=downloader,
        hand_back=hand_back,
        artifacts=ArtifactHandler(
            artifact_index=artifact_index,
            store=store,
            downloader=downloader,
            sources=sources,
            credentials=credentials,
            logins=logins,
            small_files=small_files,
            held_files=held_files,
            companions=companions,
            barrier=barrier,
            origin_ranges=OriginRanges(origin, told=activity.part),
            hand_back=hand_back,
            hit=hit,
            limited=client.courtesy.limited,
            clients=known_clients,
            leads=_leads(sharing, known_clients),
            look=None if leases is None else leases.look,
        ),
        uploads=uploads,
        leases=leases,
        limits=limits if isinstance(limits, SharedLimits) else None,
        activity=activity,
        recording=recording,
        read_ahead=ReadAhead(fetcher),
        renderings=renderings,
        variant_pages=variant_pages,
        notice=Notice(notice_in(folders), variant_pages.why_unused),
    )
