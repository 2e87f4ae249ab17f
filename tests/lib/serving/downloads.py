"""The downloader in a process of its own making: a store, a client, and servers of one file."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace.config import Settings
from headrace.download.downloader import Downloader
from headrace.download.readers import DownloadReader
from headrace.errors import StoreError, TransferError
from headrace.models import Artifact, Digest, Fault, Origin, Source, SourceFailed, TransferFinished
from headrace.system.storage.store import Store
from headrace.upstream.client import Client
from lib.serving.servers import RecordingServer
from lib.waiting import HANG

MB = 1 << 20
LARGE = random.Random(1).randbytes(24 * MB)
MEDIUM = random.Random(2).randbytes(3 * MB)
SMALL = random.Random(3).randbytes(100_000)
RATE = 40e6


@dataclass
class Place:
    """A store, a client, an origin and mirrors that all serve ``/f``."""

    folder: Path
    origin: RecordingServer
    mirrors: list[RecordingServer]
    data: bytes = LARGE
    events: list[SourceFailed | TransferFinished] = field(default_factory=list)
    reports: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def artifact(self) -> Artifact:
        """What is fetched."""
        digest = Digest("sha256", hashlib.sha256(self.data).hexdigest())
        origin = Origin("python", self.origin.url)
        url = f"{self.origin.url}/f"
        return Artifact("python", "/packages/f", "f", url, origin, digest, len(self.data))

    def sources(self, *, known: bool = False) -> list[Source]:
        """All of them, as selection gives them; `known`: they were measured before."""
        rate, rtt = (RATE, 0.001) if known else (None, None)
        mirrors = [
            Source(server.name, f"{server.url}/f", rate=rate, rtt=rtt) for server in self.mirrors
        ]
        return [*mirrors, Source("origin", f"{self.origin.url}/f", is_origin=True)]

    def faults(self, source: str) -> set[Fault]:
        """How a source failed."""
        return {e.fault for e in self.events if isinstance(e, SourceFailed) and e.source == source}

    def finished(self) -> TransferFinished:
        """What was told of the one that ended well."""
        (event,) = [e for e in self.events if isinstance(e, TransferFinished)]
        return event

    def run(self, journey: Callable[[Downloader], Awaitable[None]], **options: Any) -> None:
        """Go on a journey with a downloader of its own; nothing of it may be left."""
        asyncio.run(self._run(journey, options))

    async def _run(
        self, journey: Callable[[Downloader], Awaitable[None]], options: dict[str, Any]
    ) -> None:
        client = Client({})
        store = options.pop("store", None) or Store(self.folder, limit=1 << 34, reserve=0.0)
        downloader = Downloader(
            client,
            store,
            options.pop("settings", Settings()),
            report=lambda source, _, **seen: self.reports.append((source, seen)),
            observe=self.events.append,
            headers_for=lambda _, source: {"x-secret": "yes"} if source.is_origin else {},
            **options,
        )
        try:
            await journey(downloader)
        finally:
            await downloader.aclose()
            await client.aclose()
        assert downloader.active == 0
        assert downloader.connections == 0


@contextlib.contextmanager
def places(folder: Path) -> Iterator[Place]:
    """Start an origin and two mirrors that serve a large file."""
    with contextlib.ExitStack() as stack:
        content = {"/f": LARGE}
        origin = stack.enter_context(RecordingServer(content, name="origin", rate=RATE))
        mirrors = [
            stack.enter_context(RecordingServer(content, name=name, rate=RATE))
            for name in ("one", "two")
        ]
        yield Place(folder, origin, mirrors)


def serve(place: Place, data: bytes) -> None:
    """Let everybody have this file."""
    place.data = data
    for server in [place.origin, *place.mirrors]:
        server.content["/f"] = data


async def take(download: DownloadReader, start: int = 0, end: int | None = None) -> bytes:
    """Read all of it."""
    out = bytearray()
    async for data in download.read(start, end):
        out += data
    return bytes(out)


async def until(what: Callable[[], bool]) -> None:
    """Wait, as `lib.waiting.until` does."""
    async with asyncio.timeout(HANG):
        while not what():  # noqa: ASYNC110 - what happens in the code under test sets no event
            await asyncio.sleep(0.01)


async def settle(downloader: Downloader) -> None:
    """Wait until nothing is under way."""
    await until(lambda: not downloader.active)


async def cut(download: DownloadReader) -> int:
    """Read to an error that is expected, and return how many bytes came before it."""
    got = 0
    try:
        async for data in download.read():
            got += len(data)
    except TransferError:
        return got
    raise AssertionError("the whole file was given")


class Full(Store):
    """A store on a disk that takes `room` bytes of partial files and no more."""

    room = 0

    def partial(self, key: str, size: int) -> Any:
        if self.room == 0:
            raise StoreError("disk-full", "no room")
        partial = super().partial(key, size)
        left, write = [self.room], partial.write

        def full(offset: int, data: bytes | memoryview) -> None:
            left[0] -= len(data)
            if left[0] < 0:
                raise StoreError("disk-full", "no room")
            write(offset, data)

        partial.write = full  # type: ignore[method-assign]
        return partial
