"""Artifacts for clients: from the store, or streamed while they arrive.

A stored file is sent as it lies there. Everything else is one shared download, streamed in order.
Before the head of an answer is out, every failure ends at the origin; after it the connection is
cut, never ended cleanly, so that no client takes a part for the whole (RFC 9112 section 8).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Protocol

from headrace.artifacts.companions import Companions
from headrace.artifacts.file_answer import FileAnswer, answer_of
from headrace.artifacts.held_files import HeldFiles, is_small
from headrace.artifacts.index import ArtifactIndex
from headrace.artifacts.origin_ranges import OriginRanges, PartsReader
from headrace.artifacts.small_files import SmallFiles
from headrace.artifacts.wrong_bytes import WrongBytes, etag_of
from headrace.documents.confirming.barrier import Barrier, LedUnconfirmedError
from headrace.download.downloader import Downloader
from headrace.download.readers import DownloadReader
from headrace.errors import (
    IntegrityError,
    OtherLengthError,
    StoreError,
    TransferError,
    UpstreamError,
)
from headrace.gateway.exchange import ClientDisconnect, Exchange
from headrace.gateway.relaying import HandBack, tell_limit
from headrace.gateway.serving.leads_to_bucket import LeadsToBucket
from headrace.http.ranges import RangeRequest
from headrace.interface.ecosystems import SpellsDigests
from headrace.interface.hookspecs import Ecosystem
from headrace.models import Artifact, ServeArtifact, Source
from headrace.policy.clients import Clients, ClientTraits, product
from headrace.policy.timeouts import BODY_GAP, HEADERS_WITHIN
from headrace.redact import for_files
from headrace.system.storage.file_part import FilePart
from headrace.system.storage.store import Store, StoredFile
from headrace.upstream.auth.mirror_logins import MirrorLogins
from headrace.upstream.auth.origin_credentials import OriginCredentials
from headrace.values import dataclass

__all__ = ["ArtifactHandler", "SourceSelection"]

_log = logging.getLogger("headrace.artifacts")

#: Larger files are released while they arrive; their last part only when the digest agrees.
LARGE = 8 * 1024 * 1024
#: Seconds that a small file may take in the one way before it is brought in the other.
HELD_WITHIN = 4.0
#: Seconds for which a company's server may refuse a file before a client that has no login of its
#: own hears of it: short faults need not end a download, long ones are the client's to judge.
HICCUP = 1.5


class SourceSelection(Protocol):
    """What serving needs of `Candidates`."""

    def choose(self, artifact: Artifact, ecosystem: Ecosystem) -> tuple[Source, ...]:
        """Order the sources of an artifact, the origin last."""

    def race(self, artifact: Artifact, ecosystem: Ecosystem) -> None:
        """Measure the unknown ones in the background."""


@dataclass(frozen=True, slots=True)
class _Near:
    """What may answer without a download."""

    little: Callable[[], Awaitable[tuple[bytes, Artifact | None]]]
    """Brings what lies beside a file."""
    kept: Callable[[Artifact], StoredFile | None]
    """Finds a file in the store."""


class ArtifactHandler:
    """Answers requests for files."""

    def __init__(
        self,
        *,
        artifact_index: ArtifactIndex,
        store: Store,
        downloader: Downloader,
        sources: SourceSelection,
        credentials: OriginCredentials,
        logins: MirrorLogins,
        small_files: SmallFiles,
        held_files: HeldFiles,
        companions: Companions,
        barrier: Barrier,
        origin_ranges: OriginRanges,
        hand_back: HandBack,
        hit: Callable[[Artifact, int], None],
        clients: Clients,
        leads: LeadsToBucket | None = None,
        look: Callable[[Artifact], Awaitable[None]] | None = None,
        limited: Callable[[str], UpstreamError | None] = lambda _: None,
    ) -> None:
        """All of these are shared by all requests; `hit` hears what the store gave, in bytes;
        `clients` tells how each takes what goes wrong, `limited` what the origin of a URL said when
        it wanted to be left alone for a while. `leads`: clients that can are led
        elsewhere for whole files; `look` finds out whether another replica brings one.
        """
        self._leads = leads
        self._look = look
        self._clients = clients
        self._artifact_index = artifact_index
        self._store = store
        self._downloader = downloader
        self._sources = sources
        self._credentials = credentials
        self._logins = logins
        self._small_files = small_files
        self._held_files = held_files
        self._companions = companions
        self._barrier = barrier
        self._origin_ranges = origin_ranges
        self._hand_back = hand_back
        self._hit = hit
        self._limited = limited
        self._wrong = WrongBytes()

    async def serve(
        self,
        exchange: Exchange,
        ecosystem: Ecosystem,
        plan: ServeArtifact,
        form: str,
        *,
        on_others: Callable[[Artifact, bytes], Awaitable[None]] | None = None,
    ) -> Artifact | None:
        """Answer; return the artifact when there is one, whatever the answer was.

        `on_others` reads the body of one that names others, before its last part goes out.
        """
        until = asyncio.get_running_loop().time() + HEADERS_WITHIN
        try:
            artifact = await self._artifact_index.find(ecosystem, plan, form)
        except (UpstreamError, ValueError) as error:
            page = plan.named_by
            limit = error if isinstance(error, UpstreamError) and page else None
            if await tell_limit(exchange, limit):
                return None
            if isinstance(error, UpstreamError) and page and page.origin.private:
                await self._hand_back.document(exchange, page.origin, page.url, error)
                return None
            await self._unknown(exchange, plan, f"the page that names it cannot be had: {error}")
            return None
        if artifact is None:
            await self._unknown(exchange, plan, "no page of its origin names it")
            return None
        if exchange.hidden(artifact.origin, artifact.url):
            await exchange.text(403, f"headrace: {artifact.origin.name} is not for this client")
            return None
        if on_others is not None and artifact.names_others:
            exchange.read_along(partial(on_others, artifact))
        near = _Near(
            partial(self._companions.get, ecosystem, plan, artifact, form),
            partial(_kept, self._store, ecosystem, plan),
        )
        failed = await self._answer(exchange, ecosystem, artifact, until, near)
        if failed is not None:
            asked = ecosystem, plan, form
            newer = await self._renewed(exchange, asked, artifact, failed, until)
            if newer is not None:
                artifact = newer
                failed = await self._answer(exchange, ecosystem, newer, until, near)
        if failed is not None:
            await self._to_origin(exchange, artifact, failed)
        return artifact

    async def _answer(
        self,
        exchange: Exchange,
        ecosystem: Ecosystem,
        artifact: Artifact,
        until: float,
        near: _Near,
    ) -> Exception | None:
        """Answer; the error when its bytes are not what its origin names, or where nothing of an
        answer has begun.
        """
        try:
            gated = artifact.mirrored and not exchange.head
            if gated and self._barrier.stands_before(exchange.request, artifact):
                await self._let_through(exchange, ecosystem, artifact, until)
            if await self._stored(exchange, artifact, near):
                return None
            if not artifact.mirrored:
                await self._little(exchange, artifact, near.little, until)
            elif exchange.head:
                await self._head(exchange, artifact, until)
            elif (content := await self._small(exchange, ecosystem, artifact)) is not None:
                self._wrong.read(artifact, exchange.request.headers, checked=True)
                await self._content(exchange, artifact, content, self._wrong.etag(artifact))
                self._held_files.keep(artifact)
            else:
                await self._download(exchange, ecosystem, artifact, until)
        except IntegrityError as error:
            return error
        except LedUnconfirmedError as error:
            _log.warning("%s: its client is to ask again: %s", artifact.path, error)
            await exchange.hang_up()
        except (TransferError, UpstreamError, StoreError, TimeoutError) as error:
            if not exchange.started:
                return error
            _log.warning("%s is cut: %s", artifact.path, error)
        return None

    async def _let_through(
        self, exchange: Exchange, ecosystem: Ecosystem, artifact: Artifact, until: float
    ) -> None:
        """Wait for the origin's word on a file, and on what led this client to it; meanwhile it is
        brought where it is small.
        """
        passing = asyncio.ensure_future(self._barrier.passed(exchange.request, artifact, until))
        try:
            if artifact.provisional is not None:
                bringing = asyncio.ensure_future(self._held_files.get(artifact, ecosystem))
                both = {passing, bringing}
                await asyncio.wait(both, timeout=HELD_WITHIN, return_when=asyncio.FIRST_EXCEPTION)
            await passing
        finally:
            passing.cancel()

    async def _small(
        self, exchange: Exchange, ecosystem: Ecosystem, artifact: Artifact
    ) -> bytes | None:
        """Return a small file that is in memory, or bring it whole, of one near mirror; None: a
        download may bring it.
        """
        held = self._held_files.held(artifact)
        if held is not None or exchange.already or not is_small(artifact):
            return held
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HELD_WITHIN):
                return await self._held_files.get(artifact, ecosystem)
        return None

    async def _renewed(
        self,
        exchange: Exchange,
        asked: tuple[Ecosystem, ServeArtifact, str],
        artifact: Artifact,
        failed: Exception,
        until: float,
    ) -> Artifact | None:
        """Look up once more what was replaced at its origin, or what no page has told; None:
        nothing to be done now.
        """
        ecosystem, plan, form = asked
        pageless = self._artifact_index.needed_no_page(artifact)
        if not pageless and not isinstance(failed, IntegrityError):
            return None
        if exchange.started:
            self._artifact_index.renew(ecosystem, plan, artifact)
            return None
        try:
            async with asyncio.timeout_at(until):
                newer = await self._artifact_index.renewed(ecosystem, plan, artifact, form)
        except (UpstreamError, ValueError, TimeoutError) as error:
            _log.info("%s is not looked up again: %s", artifact.path, error)
            return None
        same = newer is None or (newer.digest, newer.size) == (artifact.digest, artifact.size)
        return None if same else newer

    # ------------------------------------------------------------------ the ways out

    async def _unknown(self, exchange: Exchange, plan: ServeArtifact, why: str) -> None:
        url = self._artifact_index.origin_url(plan)
        public = plan.url is not None or (
            plan.named_by is not None and not plan.named_by.origin.private
        )
        if url is not None and public:
            if await tell_limit(exchange, self._limited(url)):
                return
            await exchange.redirect(url, f"headrace: {why}; the origin may know")
        else:
            await exchange.text(404, f"headrace: {plan.path} is not known here: {why}")

    async def _to_origin(self, exchange: Exchange, artifact: Artifact, error: Exception) -> None:
        """Send the client where it would have gone without us.

        The URL holds no secret of ours. At a private origin the client then stands as itself,
        with whatever credential it has of its own; where it has none the origin's answer is ours.
        The one failure that does not end there: its bytes are not what it names.
        """
        if isinstance(error, IntegrityError):
            _log.error("%s", error)
            if not exchange.started:
                await exchange.text(404, f"headrace: {error}")
            return
        why = str(error) or "no byte in time"
        if artifact.redirects and await tell_limit(exchange, self._limited(artifact.url)):
            return
        if artifact.redirects and self._hand_back.is_alone(artifact.origin, artifact.url):
            _log.warning("%s: as the origin answers: %s", artifact.path, why)
            said = error if isinstance(error, UpstreamError) else None
            await self._hand_back.file(exchange, artifact.origin, said)
            return
        if _is_rest(exchange.request.headers):
            # The client would put the origin's end behind a beginning that nobody has checked.
            await exchange.text(
                404, f"headrace: the rest of {artifact.name} is not to be had: {why}"
            )
            return
        _log.warning("%s: to the origin: %s", artifact.path, why)
        if not artifact.redirects:
            await exchange.text(404, f"headrace: {artifact.name} is not to be had here: {why}")
            return
        await exchange.redirect(for_files(artifact.url), f"headrace: {why}")

    # ------------------------------------------------------------------ answers

    async def _stored(self, exchange: Exchange, artifact: Artifact, near: _Near) -> bool:
        """Answer from the store, or by the way to where a fleet has it; False: it is not there, or
        has gone meanwhile.
        """
        if self._leads is not None and await self._leads.lead(exchange, artifact):
            return True
        stored = near.kept(artifact)
        if stored is None:
            if self._look is not None and not exchange.head:
                await self._look(artifact)
            return False
        answer = await self._decide(exchange, artifact, stored.size, self._wrong.etag(artifact))
        if answer is None:
            return True
        start, end = answer.single or (0, 0)
        start += exchange.already if answer.single else 0
        try:
            reading = await exchange.open_file(stored.path, start)
        except OSError as error:
            _log.info("%s has left the store: %s", artifact.path, error)
            return False
        await exchange.begin(answer.status, answer.headers)
        self._wrong.read(artifact, exchange.request.headers, checked=True)
        if artifact.mirrored:
            # What lies beside a file is counted as none, read ahead or brought just now.
            self._hit(artifact, answer.length)
            exchange.sources = {"store": answer.length}
        if answer.single:
            exchange.leave_out()
            await exchange.file(reading, end - start)
            return True
        try:
            await exchange.parts(reading, answer.body)
        except StoreError as error:
            _log.warning("%s is cut: %s", artifact.path, error)
        return True

    async def _little(
        self,
        exchange: Exchange,
        artifact: Artifact,
        little: Callable[[], Awaitable[tuple[bytes, Artifact | None]]],
        until: float,
    ) -> None:
        async with asyncio.timeout_at(until):
            content, holder = await little()
        provisional = holder is not None and holder.provisional is not None
        if holder and provisional and not self._barrier.tell(exchange.request, holder):
            raise TransferError("not-confirmed", f"the origin does not confirm {holder.name}")
        tag = etag_of(artifact) or f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        await self._content(exchange, artifact, content, tag)

    async def _content(
        self, exchange: Exchange, artifact: Artifact, content: bytes, tag: str
    ) -> None:
        """Answer with what is in memory."""
        answer = await self._decide(exchange, artifact, len(content), tag)
        if answer is not None:
            await exchange.begin(answer.status, answer.headers)

            async def read(start: int, end: int) -> AsyncIterator[bytes]:
                yield content[start:end]

            async for data in answer.body(read):
                await exchange.more(data)
            await exchange.end()

    async def _head(self, exchange: Exchange, artifact: Artifact, until: float) -> None:
        """Answer a HEAD without downloading anything."""
        size = artifact.size
        if size is None:
            async with asyncio.timeout_at(until):
                size = await self._small_files.size(artifact)
        await self._decide(exchange, artifact, size, self._wrong.etag(artifact))

    async def _download(
        self, exchange: Exchange, ecosystem: Ecosystem, artifact: Artifact, until: float
    ) -> None:
        await self._credentials.load(artifact.origin, artifact.url)
        await self._logins.load(artifact.ecosystem)
        if await self._in_parts(exchange, ecosystem, artifact):
            return
        download = await self._open(exchange, artifact, ecosystem)
        alone = self._hand_back.is_alone(artifact.origin, artifact.url)
        refused = asyncio.ensure_future(download.refused(HICCUP))
        try:
            async with exchange.watched() as gone:
                pump = asyncio.ensure_future(self._pump(exchange, artifact, download, until))
                ends: set[asyncio.Future[Any]] = {pump, gone, refused} if alone else {pump, gone}
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                if exchange.started:
                    await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
                if not pump.done():
                    pump.cancel()
                    await asyncio.wait({pump})
                    raise refused.result() if refused.done() else ClientDisconnect
                pump.result()
        except TransferError as error:
            if not alone or download.refusal is None or isinstance(error, IntegrityError):
                raise
            raise download.refusal from error
        finally:
            refused.cancel()
            exchange.sources = download.given_by
            self._wrong.ended(artifact, exchange.request.headers, download)
            download.release()

    async def _open(
        self, exchange: Exchange, artifact: Artifact, ecosystem: Ecosystem
    ) -> DownloadReader:
        """Open a download for this client, as it takes what goes wrong with it."""
        sources = self._sources.choose(artifact, ecosystem)
        self._sources.race(artifact, ecosystem)
        traits = self._traits(exchange)
        alone = self._hand_back.is_alone(artifact.origin, artifact.url)
        ends = alone or _ends_here(exchange, artifact, traits)
        reader = await self._downloader.open(
            artifact,
            sources,
            more=lambda: self._sources.choose(artifact, ecosystem),
            takes_back=traits.takes_back,
            patience=traits.patience if ends else 0.0,
        )
        reader.tool = product(exchange.request.headers.get("user-agent", ""))
        return reader

    def _traits(self, exchange: Exchange) -> ClientTraits:
        return self._clients.of(exchange.request.headers.get("user-agent", ""))

    def _gap(self, exchange: Exchange, patience: float = 0.0) -> float:
        """Return the longest silence within a body, seconds: whoever can take no cut is kept
        waiting as long as it bears.
        """
        traits = self._traits(exchange)
        return max(BODY_GAP, patience if traits.takes_back else traits.patience)

    async def _pump(
        self, exchange: Exchange, artifact: Artifact, download: DownloadReader, until: float
    ) -> None:
        """Stream a download; TimeoutError when the client would wait too long."""
        while True:
            try:
                await self._stream(exchange, artifact, download, until)
            except OtherLengthError:
                if exchange.started:
                    raise
            else:
                return

    async def _stream(
        self, exchange: Exchange, artifact: Artifact, download: DownloadReader, until: float
    ) -> None:
        loop = asyncio.get_running_loop()
        gap = self._gap(exchange, download.patience)
        # A head cannot go out without a length, so whoever waits longer waits for that, too.
        async with asyncio.timeout_at(max(until, until - HEADERS_WITHIN + download.patience)):
            size = await download.size()
        answer = await self._decide(exchange, artifact, size, download.etag)
        if answer is None:
            return
        parts: AsyncIterator[bytes | FilePart] = answer.body(download.read)
        if answer.single:
            read = download.read_in_place if exchange.takes_files else download.read
            parts = read(*answer.single, already=exchange.already)
        elif exchange.already and self._traits(exchange).takes_back:
            raise TransferError("restarted", "another worker began these parts, of unchecked bytes")
        first = asyncio.ensure_future(_next(parts))
        try:
            await asyncio.wait({first}, timeout=max(0.0, until - loop.time()))
            if not first.done() and not self._may_start(artifact, download):
                raise TimeoutError("no source gave a byte in time")
            if first.done():
                first.result()
            await exchange.begin(answer.status, answer.headers)
            if answer.single:
                exchange.leave_out()
            async with asyncio.timeout(gap):
                data = await first
        finally:
            first.cancel()
        await _send(exchange, answer, data, parts, gap)

    def _may_start(self, artifact: Artifact, download: DownloadReader) -> bool:
        """Whether to promise a body that has not begun to come.

        Bytes that arrive and wait for their digest are as good as there. At a private origin the
        client has no other place to go to, nor has one for whom another answer is the end.
        """
        return artifact.origin.private or download.alive or download.patience > 0

    async def _in_parts(self, exchange: Exchange, ecosystem: Ecosystem, artifact: Artifact) -> bool:
        """Answer what needs no download of the whole: a refusal, or parts of a file, with the
        origin's own bytes. False: the whole is to be fetched.
        """
        asked, size = exchange.request.headers, artifact.size
        if size is None or self._wrong.is_known(artifact):
            return False
        answer = await self._decide(exchange, artifact, size, etag_of(artifact))
        if answer is None:
            return True
        if exchange.already and answer.single:
            return False
        wanted = answer.selected
        if wanted is None or not self._origin_ranges.worth(artifact, asked, wanted):
            return False
        try:
            reader = await self._origin_ranges.open(artifact, wanted)
        except UpstreamError as error:
            _log.info("%s comes whole, and not in parts: %s", artifact.path, error)
            return False
        parts = answer.body(partial(self._part, (exchange, ecosystem, artifact), reader))
        try:
            await exchange.begin(answer.status, answer.headers)
            async with exchange.watched() as gone:
                sending = _send(exchange, answer, b"", parts, self._gap(exchange))
                pump = asyncio.ensure_future(sending)
                await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
                if not pump.done():
                    pump.cancel()
                    await asyncio.wait({pump})
                    raise ClientDisconnect
                pump.result()
        finally:
            reader.close()
        return True

    async def _part(
        self,
        asked: tuple[Exchange, Ecosystem, Artifact],
        reader: PartsReader,
        start: int,
        end: int,
    ) -> AsyncIterator[bytes]:
        """Give ``[start, end)`` from the origin; what it fails to give, from whoever has it."""
        exchange, ecosystem, artifact = asked
        try:
            async for data in reader.read(start, end):
                start += len(data)
                yield data
        except UpstreamError as error:
            _log.warning("%s: the rest of a part comes as a file does: %s", artifact.path, error)
        if start == end:
            return
        download = await self._open(exchange, artifact, ecosystem)
        try:
            async for data in download.read(start, end):
                yield data
        finally:
            self._wrong.ended(artifact, exchange.request.headers, download)
            download.release()

    async def _decide(
        self, exchange: Exchange, artifact: Artifact, size: int, etag: str
    ) -> FileAnswer | None:
        """Decide on an answer; None when it is complete with its head (304, 416, HEAD), and sent.

        Where a client may hold wrong bytes only If-Range makes a part of it.
        """
        asked = exchange.request.headers
        ranges = not self._wrong.may_be_held(artifact, asked)
        answer = answer_of(artifact, asked, size, etag, head=exchange.head, ranges=ranges)
        if answer.selected is not None:
            return answer
        if answer.words:
            await exchange.text(answer.status, answer.words)
        elif exchange.head:
            await exchange.begin(answer.status, answer.headers)
            await exchange.end()
        else:
            await exchange.whole(answer.status, answer.headers)
        return None


def _ends_here(exchange: Exchange, artifact: Artifact, traits: ClientTraits) -> bool:
    """Say whether a client is at its end where we have not the file: then it is worth waiting."""
    if artifact.redirects and not _is_rest(exchange.request.headers):
        return not traits.after_redirect
    return not traits.after_404


def _is_rest(asked: Mapping[str, str]) -> bool:
    """Say whether the rest of something is asked for, whatever version the client's part is of."""
    rest = RangeRequest.parse(asked.get("range"))
    return rest is not None and bool(rest.start) and rest.end is None and "if-range" not in asked


async def _send(
    exchange: Exchange,
    answer: FileAnswer,
    data: bytes | FilePart,
    parts: AsyncIterator[bytes | FilePart],
    gap: float,
) -> None:
    """Send the rest of a body, after its head: `data`, then `parts`, each within `gap` seconds."""
    # Of several parts what the client has is given once more, and left out by who writes.
    left = answer.length - (exchange.already if answer.single else 0)
    if not data and left:
        async with asyncio.timeout(gap):
            data = await _next(parts)
    while data:
        left -= len(data)
        if left <= 0:
            await exchange.end(data)
            return
        await exchange.more(data)
        async with asyncio.timeout(gap):
            data = await _next(parts)
    if left == 0:
        await exchange.end()


async def _next(parts: AsyncIterator[bytes | FilePart]) -> bytes | FilePart:
    """Return the next part; empty at the end."""
    async for part in parts:
        if part:
            return part
    return b""


def _kept(
    store: Store, ecosystem: Ecosystem, plan: ServeArtifact, artifact: Artifact
) -> StoredFile | None:
    """Find a file in the store, also where it came before its page did, by the digest that its path
    tells.
    """
    if artifact.digest is None:
        return None
    stored = store.find(artifact.digest, artifact.size)
    if stored is None and isinstance(ecosystem, SpellsDigests):
        spelt = ecosystem.spelt(plan)
        if spelt is not None and spelt.digest is not None and spelt.url == artifact.url:
            stored = store.find(spelt.digest, artifact.size)
    return stored
