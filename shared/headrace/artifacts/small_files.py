"""Small artifacts that most mirrors lack (a wheel's metadata): fetched whole, checked, kept.

Round trips are all that they cost, so the origin is asked at once, over the connection that the
pages use; and beside it the nearest mirror, where one is much nearer. The digest decides.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from headrace.errors import IntegrityError, OriginError, StoreError, UpstreamError
from headrace.http.ranges import read_length
from headrace.models import Artifact, Digest, Fault
from headrace.policy.lru import LRUCache
from headrace.redact import for_display
from headrace.sources.probes import ProbeTarget
from headrace.system.storage.store import Store
from headrace.upstream.auth.origin_credentials import OriginClient
from headrace.upstream.client import Client
from headrace.upstream.single_flight import SingleFlight

__all__ = ["SmallFiles"]

_log = logging.getLogger("headrace.small_files")

#: Bytes of small artifacts in memory; a METADATA file has some 10 kB.
MEMORY = 4 * 1024 * 1024


class SmallFiles:
    """Single flight by path, and the store by digest."""

    def __init__(
        self,
        origin: OriginClient,
        store: Store,
        *,
        client: Client | None = None,
        hedge_mirror: Callable[[Artifact], ProbeTarget | None] = lambda _: None,
        report: Callable[..., None] = lambda *_, **__: None,
    ) -> None:
        """`store` may refuse (full disk): then nothing is kept, and nobody notices.

        `hedge_mirror` names the mirror that `client` asks too; `report` hears how it did.
        """
        self._client = client
        self._hedge_mirror = hedge_mirror
        self._report = report
        self._origin = origin
        self._store = store
        self._flights = SingleFlight[str, bytes]()
        self._recent = LRUCache[str, bytes](MEMORY, len, largest=MEMORY)
        self._keeping: set[asyncio.Future[None]] = set()

    async def get(self, artifact: Artifact) -> bytes:
        """Return the checked content; UpstreamError or IntegrityError when it cannot be had."""
        if artifact.digest and (content := self._recent.get(str(artifact.digest))) is not None:
            return content
        return await self._flights.do(artifact.path, lambda: self._get(artifact))

    async def cached(self, artifact: Artifact) -> bytes | None:
        """Return the content where it is here already."""
        if artifact.digest is None:
            return None
        return self._recent.get(str(artifact.digest)) or await self._from_store(artifact)

    async def size(self, artifact: Artifact) -> int:
        """Ask the origin for the length; UpstreamError when it does not say."""
        answer = await self._origin.fetch(
            artifact.origin,
            artifact.url,
            method="HEAD",
            headers={"accept-encoding": "identity"},
            checked=artifact.digest is not None,
        )
        if error := answer.error():
            raise error
        length = read_length(answer.headers.get("content-length"))
        if length is None:
            where = for_display(artifact.url)
            raise OriginError(Fault.PROTOCOL, f"{where} does not tell its length")
        return length

    async def _get(self, artifact: Artifact) -> bytes:
        if (content := await self._from_store(artifact)) is not None:
            return content
        content = await self._nearest(artifact)
        if artifact.digest is not None:
            self.remember(artifact.digest, content)
        return content

    async def _from_store(self, artifact: Artifact) -> bytes | None:
        if artifact.digest and (stored := self._store.find(artifact.digest, artifact.size)):
            try:
                return await asyncio.to_thread(stored.path.read_bytes)
            except OSError as error:
                _log.info("%s has left the store: %s", artifact.path, error)
        return None

    async def _nearest(self, artifact: Artifact) -> bytes:
        """Ask the origin, and the mirror beside it where there is one; the first right one wins."""
        place = self._hedge_mirror(artifact) if artifact.digest is not None else None
        if self._client is None or place is None:
            return await self._from_origin(artifact)
        own = asyncio.ensure_future(self._from_origin(artifact))
        other = asyncio.ensure_future(self._from_mirror(artifact, self._client, place))
        try:
            await asyncio.wait({own, other}, return_when=asyncio.FIRST_COMPLETED)
            if not own.done() and (content := await other) is not None:
                return content
            return await own
        finally:
            for task in (own, other):
                task.cancel()
            # Whoever lost may have failed as well; that counts as seen.
            await asyncio.gather(own, other, return_exceptions=True)

    async def _from_origin(self, artifact: Artifact) -> bytes:
        answer = await self._origin.fetch(
            artifact.origin, artifact.url, checked=artifact.digest is not None
        )
        if failure := answer.error():
            raise failure
        if artifact.digest is not None:
            self._check(artifact, artifact.digest, answer.body)
        return answer.body

    async def _from_mirror(
        self, artifact: Artifact, client: Client, place: ProbeTarget
    ) -> bytes | None:
        """Return the checked content; None when the mirror has not that."""
        fault: Fault | None = None
        content = None
        seen: dict[str, object] = {}
        try:
            answer = await client.fetch(
                place.url,
                headers={"accept-encoding": "identity"},
                limit=MEMORY,
                initiator=place.initiator,
            )
            if failure := answer.error():
                raise failure
            if artifact.digest is not None:
                self._check(artifact, artifact.digest, answer.body)
            content = answer.body
            seen = {"bytes": len(content), "seconds": answer.seconds, "rtt": answer.seconds}
        except IntegrityError:
            fault = Fault.WRONG_BYTES
        except UpstreamError as error:
            fault = error.fault
            seen = {"retry_after": error.retry_after}
        self._report(
            place.source_id, artifact.object_class, fault=fault, path=artifact.path, **seen
        )
        return content

    async def aclose(self) -> None:
        """Stop asking, and wait until everything is written down."""
        await self._flights.aclose()
        await asyncio.gather(*self._keeping, return_exceptions=True)

    def _check(self, artifact: Artifact, digest: Digest, content: bytes) -> None:
        if not digest.is_of(content):
            raise IntegrityError(
                "wrong-digest",
                f"{for_display(artifact.url)} has not the digest that its origin's page gives",
                hint="tell the index's operator; headrace passes on nothing else",
            )

    def remember(self, digest: Digest, content: bytes) -> None:
        """Have it at hand, and write it down without letting anybody wait for the disk."""
        self._recent.put(str(digest), content)
        keeping = asyncio.get_running_loop().run_in_executor(None, self._keep, digest, content)
        self._keeping.add(keeping)
        keeping.add_done_callback(self._keeping.discard)

    def _keep(self, digest: Digest, content: bytes) -> None:
        try:
            partial = self._store.partial(str(digest), len(content))
            try:
                partial.write(0, content)
                self._store.commit(partial, digest)
            finally:
                partial.close()
        except (StoreError, OSError) as error:
            _log.info("%s is not kept: %s", digest, error)
