"""The downloader against real servers: every fault at a mirror, and what readers see of it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headrace.config import Settings
from headrace.download import range_requests
from headrace.download.downloader import Downloader
from headrace.download.readers import DownloadReader
from headrace.errors import IntegrityError, TransferError
from headrace.models import (
    Artifact,
    Digest,
    Fault,
    Source,
    SourceFailed,
)
from headrace.system.storage.store import Store
from headrace.transfer.machine import HOLD_BACK
from lib.serving import modes
from lib.serving.downloads import (
    LARGE,
    MB,
    MEDIUM,
    RATE,
    SMALL,
    Full,
    Place,
    cut,
    places,
    serve,
    settle,
    take,
    until,
)
from lib.waiting import HANG


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with places(tmp_path) as made:
        yield made


# ------------------------------------------------------------------------ plain journeys


@pytest.mark.parametrize("data", [LARGE, MEDIUM, SMALL, b"x"], ids=["24M", "3M", "100k", "1"])
@pytest.mark.parametrize("size_known", [True, False])
def test_file_comes_whole_and_from_the_store_the_second_time(
    place: Place,
    data: bytes,
    size_known: bool,  # noqa: FBT001 - given by name
) -> None:
    serve(place, data)
    artifact = place.artifact if size_known else replace(place.artifact, size=None)

    async def journey(downloader: Downloader) -> None:
        download = await downloader.open(artifact, place.sources())
        assert not download.from_store
        assert await download.size() == len(data)
        assert await take(download) == data
        download.release()
        await settle(downloader)
        for server in [place.origin, *place.mirrors]:
            server.forget()
        again = await downloader.open(artifact, place.sources())
        assert again.from_store
        assert again.path is not None
        assert again.path.read_bytes() == data
        assert again.etag == download.etag
        assert await take(again) == data
        assert await take(again, 5, 50) == data[5:50]
        again.release()

    place.run(journey)
    assert all(not server.seen for server in [place.origin, *place.mirrors])
    assert sum(place.finished().bytes_by_source.values()) >= len(data)


def test_several_sources_work_and_only_the_origin_sees_the_secret(place: Place) -> None:
    async def journey(downloader: Downloader) -> None:
        download = await downloader.open(place.artifact, place.sources())
        assert await take(download) == LARGE
        download.release()

    place.run(journey)
    for server in place.mirrors:
        assert server.bytes_sent() > MB
        assert all("x-secret" not in seen.headers for seen in server.seen)
    assert all("x-secret" in seen.headers for seen in place.origin.seen)


def test_concurrent_readers_share_one_download(place: Place) -> None:
    # One source: of two, the slower one's last bytes may be fetched from the other as well.
    alone = [source for source in place.sources() if source.id == "origin"]
    assert len(alone) == 1

    async def journey(downloader: Downloader) -> None:
        async def reader(start: int) -> None:
            download = await downloader.open(place.artifact, alone)
            assert await take(download, start) == LARGE[start:]
            download.release()

        await asyncio.gather(*(reader(start) for start in (0, 0, 0, 9 * MB, 20 * MB)))
        await settle(downloader)

    place.run(journey)
    sent = sum(s.bytes_sent() for s in [place.origin, *place.mirrors])
    # On a busy machine bytes in flight may be asked for again; a second download would double it.
    assert len(LARGE) <= sent <= 1.2 * len(LARGE)
    place.finished()


def test_rates_round_trips_and_faults_are_reported(place: Place) -> None:
    place.mirrors[0].fail(modes.status(404))

    async def journey(downloader: Downloader) -> None:
        download = await downloader.open(place.artifact, place.sources())
        await take(download)
        download.release()
        await settle(downloader)

    place.run(journey)
    assert any("rtt" in seen for source, seen in place.reports if source == "two")
    rates = [seen for source, seen in place.reports if source == "two" and "bytes" in seen]
    assert len(rates) == 1
    assert rates[0]["bytes"] / rates[0]["seconds"] > 1e6
    faults = [seen for source, seen in place.reports if source == "one" and "fault" in seen]
    assert [seen["fault"] for seen in faults] == [Fault.MISSING]
    assert faults[0]["path"] == "/packages/f"


@pytest.mark.parametrize("page_first", [True, False])
@pytest.mark.parametrize("sized", [True, False])
def test_file_that_is_asked_for_by_its_path_and_by_its_page_comes_once(
    place: Place, *, page_first: bool, sized: bool
) -> None:
    own = Digest("blake2b_256", hashlib.blake2b(LARGE, digest_size=32).hexdigest())
    url = f"{place.origin.url}/{own.value}/f"
    place.origin.content[f"/{own.value}/f"] = LARGE
    named = replace(place.artifact, url=url)
    spelt = replace(named, digest=own, size=len(LARGE) if sized else None)
    both = [named, spelt] if page_first else [spelt, named]
    alone = [Source("origin", url, is_origin=True)]

    async def journey(downloader: Downloader) -> None:
        downloads = [await downloader.open(each, alone) for each in both]
        for each in downloads:
            assert await take(each) == LARGE
            each.release()
        await settle(downloader)

    place.run(journey)
    place.finished()


@pytest.mark.parametrize("of_file", [True, False])
def test_mirror_whose_answers_all_end_at_one_place_in_the_file_is_told(
    place: Place, *, of_file: bool
) -> None:
    """One that ends each of its answers early gives the whole file all the same."""
    waiting = threading.Event()
    place.mirrors[0].fail(modes.cut(2 * MB, of_file=of_file))
    for server in [place.origin, place.mirrors[1]]:
        server.fail(modes.held(waiting))

    def cuts() -> int:
        failed = [each for each in place.events if isinstance(each, SourceFailed)]
        return sum(each.source == "one" and each.fault is Fault.CUT for each in failed)

    async def journey(downloader: Downloader) -> None:
        download = await downloader.open(place.artifact, place.sources(known=True))
        await until(lambda: cuts() >= 3)
        waiting.set()
        assert await take(download) == LARGE
        download.release()
        await settle(downloader)

    place.run(journey)
    told = [seen["cut_at"] for source, seen in place.reports if "cut_at" in seen]
    assert told == ([2 * MB] if of_file else [])


# ------------------------------------------------------------------------ faults

FAULTS = {
    "cut": modes.cut(300_000),
    "cut-reset": modes.cut(70_000, reset=True),
    "stall": modes.stall(300_000),
    "silent": modes.SILENT,
    "truncate": modes.TRUNCATE,
    "wrong-length": modes.wrong_length(10),
    "403": modes.status(403),
    "404": modes.status(404),
    "429": modes.status(429, retry_after="30"),
    "500": modes.status(500),
    "503": modes.status(503),
    "html": modes.HTML,
    "gzip": modes.GZIP,
    "garbage": modes.GARBAGE,
    "slow": modes.slow(20_000),
    "no-ranges": modes.NO_RANGES,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("data", [LARGE, SMALL], ids=["24M", "100k"])
def test_one_bad_mirror_is_not_noticed(place: Place, fault: str, data: bytes) -> None:
    serve(place, data)
    place.mirrors[0].fail(FAULTS[fault])

    async def journey(downloader: Downloader) -> None:
        download = await downloader.open(place.artifact, place.sources(known=True))
        assert await take(download) == data
        download.release()

    place.run(journey)
    # Whoever waited for the slow one would have taken much more from it.
    assert fault != "slow" or place.mirrors[0].bytes_sent() < len(LARGE) // 4


@pytest.mark.parametrize("fault", [f for f in FAULTS if f not in ("slow", "no-ranges")])
def test_all_mirrors_bad_and_the_origin_gives_it(place: Place, fault: str) -> None:
    for mirror in place.mirrors:
        mirror.fail(FAULTS[fault])

    async def journey(downloader: Downloader) -> None:
        download = await downloader.open(place.artifact, place.sources())
        assert await take(download) == LARGE
        download.release()

    place.run(journey)


def test_mirror_that_dies_midway_is_replaced(place: Place) -> None:
    # Nobody overtakes it before it dies, which is in the middle of an answer.
    dead = threading.Event()
    for server in [place.origin, *place.mirrors]:
        server.fail(modes.held(dead, at=MB // 8))

    async def journey(downloader: Downloader) -> None:
        download = await downloader.open(place.artifact, place.sources())
        await until(lambda: place.mirrors[0].bytes_sent() > 0)
        await asyncio.to_thread(place.mirrors[0].close)
        dead.set()
        assert await take(download) == LARGE
        download.release()

    place.run(journey)
    assert place.faults("one")


def test_nobody_has_it_and_the_reader_is_told_at_once(place: Place) -> None:
    for server in [place.origin, *place.mirrors]:
        server.fail(modes.status(404))

    async def journey(downloader: Downloader) -> None:
        download = await downloader.open(place.artifact, place.sources())
        with pytest.raises(TransferError, match="missing"):
            await download.size()
        # Nobody is asked twice for what he has not.
        assert [len(server.seen) for server in [place.origin, *place.mirrors]] == [1, 1, 1]
        with pytest.raises(TransferError):
            await take(download)
        download.release()

    place.run(journey)


# ------------------------------------------------------------------------ wrong bytes


def test_corrupt_source_in_a_small_file_is_found_before_the_first_byte(place: Place) -> None:
    serve(place, MEDIUM)
    place.mirrors[0].fail(modes.corrupt(7))
    place.mirrors[1].fail(modes.corrupt(7))

    async def journey(downloader: Downloader) -> None:
        download = await downloader.open(place.artifact, place.sources(known=True))
        etag = download.etag
        assert await take(download) == MEDIUM
        assert download.etag == etag
        download.release()

    place.run(journey)
    assert Fault.WRONG_BYTES in place.faults("one") | place.faults("two")


def test_corrupt_source_in_a_large_file_costs_one_cut_and_another_etag(place: Place) -> None:
    evil = random.Random(9).randbytes(len(LARGE))
    place.mirrors[0].fail(modes.swapped(evil))

    async def journey(downloader: Downloader) -> None:
        download = await downloader.open(place.artifact, place.sources(known=True))
        etag = download.etag
        assert await cut(download) <= len(LARGE) - HOLD_BACK
        assert download.etag != etag
        again = await downloader.open(place.artifact, place.sources(known=True))
        assert again.etag == download.etag
        download.release()
        assert await take(again) == LARGE
        again.release()
        await settle(downloader)
        third = await downloader.open(place.artifact, place.sources(known=True))
        assert third.from_store
        assert third.etag == download.etag
        third.release()

    place.run(journey)
    assert Fault.WRONG_BYTES in place.faults("one")
    assert Fault.WRONG_BYTES not in place.faults("two") | place.faults("origin")
    assert not [seen for source, seen in place.reports if source == "one" and "bytes" in seen]


async def _lied_to(place: Place, downloader: Downloader, liar: int) -> None:
    """Let a mirror be found lying, get the file all the same, and take it from the store."""
    place.mirrors[liar].fail(modes.swapped(random.Random(9).randbytes(len(LARGE))))
    download = await downloader.open(place.artifact, place.sources(known=True))
    await cut(download)
    again = await downloader.open(place.artifact, place.sources(known=True))
    assert await take(again) == LARGE
    for each in (download, again):
        each.release()
    await settle(downloader)
    stored = await downloader.open(place.artifact, place.sources(known=True))
    assert stored.path is not None
    stored.path.unlink()
    stored.release()
    assert place.faults(place.mirrors[liar].name) == {Fault.WRONG_BYTES}
    place.mirrors[liar].heal()
    for server in place.mirrors:
        server.forget()
    place.reports.clear()


def test_corrupt_source_is_not_asked_for_that_file_again_though_selection_names_it_first_and_late(
    place: Place,
) -> None:
    late: list[Sequence[Source]] = []

    def more() -> Sequence[Source]:
        late.append(place.sources(known=True))
        return late[-1]

    async def journey(downloader: Downloader) -> None:
        await _lied_to(place, downloader, 0)
        place.origin.rate = place.mirrors[1].rate = 10e6
        download = await downloader.open(place.artifact, place.sources(known=True), more=more)
        assert await take(download) == LARGE
        download.release()

    place.run(journey)
    assert late, "it ended before late sources were asked for"
    assert place.mirrors[0].seen == []
    assert {source for source, _ in place.reports} == {"two", "origin"}


def test_corrupt_sources_of_every_earlier_download_are_remembered(place: Place) -> None:
    async def journey(downloader: Downloader) -> None:
        await _lied_to(place, downloader, 0)
        await _lied_to(place, downloader, 1)
        download = await downloader.open(place.artifact, place.sources(known=True))
        assert await take(download) == LARGE
        download.release()

    place.run(journey)
    assert [server.seen for server in place.mirrors] == [[], []]


def test_corrupt_source_is_not_asked_when_the_disk_is_full_either(place: Place) -> None:
    store = Full(place.folder, limit=1 << 34, reserve=0.0)
    store.room = 1 << 40

    async def journey(downloader: Downloader) -> None:
        await _lied_to(place, downloader, 0)
        store.room = 0
        download = await downloader.open(place.artifact, place.sources(known=True))
        assert await take(download) == LARGE
        download.release()

    place.run(journey, store=store)
    assert place.mirrors[0].seen == []


def test_corrupt_source_whose_bytes_nobody_was_given_is_not_noticed(place: Place) -> None:
    place.mirrors[0].fail(modes.corrupt(-9))

    async def journey(downloader: Downloader) -> None:
        first = await downloader.open(place.artifact, place.sources(known=True))
        # This reader waits at the end, which is held back until the digest agrees.
        assert await take(first, len(LARGE) - 1000) == LARGE[-1000:]
        first.release()

    place.run(journey)


@pytest.mark.parametrize(
    ("position", "spoilt", "given"),
    [(5, (0, 9), False), (6, (0, 9), True), (6, (6, 9), False), (6, (0, 5), False)],
    ids=["nothing was given yet", "some of it", "what comes next", "what comes before"],
)
def test_reader_was_given_what_lies_between_its_beginning_and_its_place(
    place: Place,
    position: int,
    spoilt: tuple[int, int],
    given: bool,  # noqa: FBT001 - a table
) -> None:
    reader = DownloadReader(place.artifact, None)
    reader.position = position
    assert reader._was_given(5, *spoilt) == given


def test_corrupt_source_is_not_taken_up_late_by_the_next_download_either(place: Place) -> None:
    place.mirrors[0].fail(modes.swapped(random.Random(9).randbytes(len(LARGE))))
    asked = 0

    def more() -> list[Source]:
        nonlocal asked
        asked += 1
        return place.sources(known=True)[:1]

    async def journey(downloader: Downloader) -> None:
        first = await downloader.open(place.artifact, place.sources(known=True))
        await cut(first)
        again = await downloader.open(place.artifact, place.sources(known=True))
        assert await take(again) == LARGE
        first.release()
        again.release()
        await settle(downloader)
        assert again.path is not None
        again.path.unlink()
        place.mirrors[0].forget()
        place.origin.rate = 3e6
        third = await downloader.open(place.artifact, place.sources()[-1:], more=more)
        assert not third.from_store
        async for _ in third.read():
            if asked > 1:
                break
        third.release()

    place.run(journey)
    assert Fault.WRONG_BYTES in place.faults("one")
    assert asked > 1
    assert not place.mirrors[0].seen


def test_origin_that_contradicts_its_own_digest_ends_in_an_integrity_error(place: Place) -> None:
    for server in [place.origin, *place.mirrors]:
        server.fail(modes.corrupt(5))

    async def journey(downloader: Downloader) -> None:
        download = await downloader.open(place.artifact, place.sources())
        etag = download.etag
        assert await cut(download) <= len(LARGE) - HOLD_BACK
        assert download.etag != etag
        last = ""
        while last != "transfer-failed":  # each try may be cut once more while there is hope
            again = await downloader.open(place.artifact, place.sources())
            with pytest.raises(IntegrityError) as caught:
                await take(again)
            last = caught.value.reference
            again.release()
        download.release()
        await until(lambda: not list((place.folder / "partial").glob("*")))

    place.run(journey)


@pytest.mark.parametrize(
    "changes",
    [{"digest": None, "size": None}, {"mirrored": False}],
    ids=["no digest", "not mirrored"],
)
def test_artifact_that_no_mirror_may_give_comes_from_the_origin_alone(
    place: Place, changes: dict[str, Any]
) -> None:
    async def journey(downloader: Downloader) -> None:
        artifact = replace(place.artifact, **changes)
        place.origin.fail(modes.cut(5 * MB), times=1)
        download = await downloader.open(artifact, place.sources())
        assert await take(download) == LARGE
        download.release()

    place.run(journey)
    assert all(not mirror.seen for mirror in place.mirrors)


# ------------------------------------------------------------------------ the origin's word


@pytest.mark.parametrize("agrees", [True, False])
def test_provisional_file_keeps_its_end_until_the_origin_confirms(
    place: Place,
    agrees: bool,  # noqa: FBT001 - given by name
) -> None:
    said: list[bool] = []

    async def confirm(_: Artifact) -> bool:
        await asyncio.sleep(2.0)
        said.append(agrees)
        return agrees

    async def journey(downloader: Downloader) -> None:
        artifact = replace(place.artifact, provisional="one")
        download = await downloader.open(artifact, place.sources())
        if agrees:
            assert await take(download) == LARGE
            assert said == [True]
        else:
            assert await cut(download) <= len(LARGE) - HOLD_BACK
        download.release()
        await settle(downloader)
        digest = artifact.digest
        assert digest is not None
        assert (Store(place.folder, limit=1 << 34, reserve=0.0).find(digest) is not None) == agrees

    place.run(journey, confirm=confirm)
    assert said == [agrees]


# ------------------------------------------------------------------------ leaving, coming back


def test_download_goes_on_from_the_disk_after_a_restart(place: Place) -> None:
    for server in [place.origin, *place.mirrors]:
        server.rate = 6e6

    async def first(downloader: Downloader) -> None:
        download = await downloader.open(place.artifact, place.sources())
        async for _ in download.read():
            if download.position > 8 * MB:
                break

    async def second(downloader: Downloader) -> None:
        download = await downloader.open(place.artifact, place.sources())
        assert await take(download) == LARGE
        download.release()

    place.run(first)
    for server in [place.origin, *place.mirrors]:
        server.forget()
        server.rate = RATE
    place.run(second)
    assert sum(s.bytes_sent() for s in [place.origin, *place.mirrors]) < len(LARGE) - 7 * MB


def test_reader_who_comes_back_at_once_finds_the_same_download(place: Place) -> None:
    for server in [place.origin, *place.mirrors]:
        server.rate = 5e6

    async def journey(downloader: Downloader) -> None:
        for start in range(0, len(LARGE), 6 * MB):
            part = await downloader.open(place.artifact, place.sources())
            assert await take(part, start, start + MB) == LARGE[start : start + MB]
            part.release()
            assert downloader.active == 1

    place.run(journey)
    sent = sum(server.bytes_sent() for server in [place.origin, *place.mirrors])
    assert sent <= 1.2 * len(LARGE)


@pytest.mark.parametrize("share", [0.0, 0.7])
def test_download_that_nobody_reads_asks_nobody_and_the_next_reader_gets_what_is_here(
    place: Place, share: float
) -> None:
    servers = [place.origin, *place.mirrors]
    for server in servers:
        server.rate = 5e6

    async def journey(downloader: Downloader) -> None:
        download = await downloader.open(place.artifact, place.sources())
        async for _ in download.read():
            if download.position > share * len(LARGE):
                break
        download.release()
        download.release()
        assert download._task is not None
        transfer = download._task.transfer
        assert transfer is not None
        asked = transfer.state._requests
        await settle(downloader)
        assert transfer.state._requests == asked
        again = await downloader.open(place.artifact, place.sources())
        assert not again.from_store
        assert await take(again) == LARGE
        again.release()

    place.run(journey)


# ------------------------------------------------------------------------ limits


def test_no_host_sees_more_connections_than_its_limit_over_all_downloads(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(range_requests, "_WAITS", HANG)
    place.data = MEDIUM
    names = [f"/{n}" for n in range(12)]
    for server in [place.origin, *place.mirrors]:
        server.content.update(dict.fromkeys(names, MEDIUM))
        server.delay = 0.02
    most = dict.fromkeys(("origin", "one", "two"), 0)

    async def journey(downloader: Downloader) -> None:
        async def watch() -> None:
            while True:
                for server in [place.origin, *place.mirrors]:
                    most[server.name] = max(most[server.name], server.live)
                await asyncio.sleep(0.005)

        async def fetch(name: str) -> None:
            # Same bytes under the same digest would be one download.
            artifact = replace(place.artifact, digest=None, url=f"{place.origin.url}{name}")
            sources = [Source("origin", artifact.url, is_origin=True, connections=2)]
            download = await downloader.open(artifact, sources)
            assert await take(download) == MEDIUM
            download.release()

        watcher = asyncio.ensure_future(watch())
        await asyncio.gather(*(fetch(name) for name in names))
        watcher.cancel()

    place.run(journey)
    assert most["origin"] <= 2


@pytest.mark.parametrize("mirrored", [True, False], ids=["busy mirror", "origin alone"])
def test_each_file_that_nobody_brings_has_a_connection_to_its_origin_however_many_there_are(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    mirrored: bool,  # noqa: FBT001 - given by name
) -> None:
    monkeypatch.setattr(range_requests, "_WAITS", 0.2)
    files = {f"/{n}": random.Random(n).randbytes(2 * MB) for n in range(12)}
    release, most = threading.Event(), [0]
    for server in [place.origin, place.mirrors[0]]:
        server.content.update(files)
        server.fail(modes.held(release))

    async def journey(downloader: Downloader) -> None:
        async def fetch(name: str, data: bytes) -> None:
            artifact = replace(
                place.artifact,
                digest=Digest("sha256", hashlib.sha256(data).hexdigest()),
                size=len(data),
                url=f"{place.origin.url}{name}",
            )
            sources = [Source("origin", artifact.url, is_origin=True, connections=2)]
            if mirrored:
                sources.insert(0, Source("one", f"{place.mirrors[0].url}{name}", connections=2))
            download = await downloader.open(artifact, sources)
            assert await take(download) == data
            download.release()

        async def watch() -> None:
            while sum(server.live for server in (place.origin, place.mirrors[0])) < len(files):
                most[0] = max(most[0], place.mirrors[0].live)
                await asyncio.sleep(0.005)
            release.set()

        async with asyncio.timeout(HANG):
            await asyncio.gather(watch(), *(fetch(*each) for each in files.items()))

    try:
        place.run(journey, settings=Settings(connections=6))
    finally:
        release.set()
    assert most[0] <= 2


def test_more_large_downloads_than_turns_all_end(place: Place) -> None:
    files = [random.Random(n).randbytes(9 * MB) for n in range(5)]
    for server in [place.origin, *place.mirrors]:
        server.content.update({f"/{n}": data for n, data in enumerate(files)})

    async def journey(downloader: Downloader) -> None:
        async def fetch(number: int) -> None:
            data = files[number]
            artifact = replace(
                place.artifact,
                digest=Digest("sha256", hashlib.sha256(data).hexdigest()),
                size=len(data),
                url=f"{place.origin.url}/{number}",
            )
            sources = [
                Source("one", f"{place.mirrors[0].url}/{number}"),
                Source("origin", artifact.url, is_origin=True),
            ]
            download = await downloader.open(artifact, sources)
            assert await take(download) == data
            download.release()

        await asyncio.gather(*(fetch(number) for number in range(5)))

    place.run(journey, settings=Settings(downloads=2, connections=3))


# ------------------------------------------------------------------------ the disk


@pytest.mark.parametrize("room", [0, 2 * MB])
@pytest.mark.parametrize("data", [LARGE, MEDIUM], ids=["24M", "3M"])
def test_full_disk_does_not_stop_the_bytes(place: Place, room: int, data: bytes) -> None:
    serve(place, data)
    store = Full(place.folder, limit=1 << 34, reserve=0.0)
    store.room = room

    async def journey(downloader: Downloader) -> None:
        async def reader() -> None:
            download = await downloader.open(place.artifact, place.sources())
            assert await download.size() == len(data)
            assert await take(download) == data
            download.release()

        await asyncio.gather(reader(), reader())

    place.run(journey, store=store)


def test_full_disk_and_a_corrupt_source_still_give_no_whole_wrong_file(place: Place) -> None:
    place.mirrors[0].fail(modes.corrupt(5))
    store = Full(place.folder, limit=1 << 34, reserve=0.0)

    async def journey(downloader: Downloader) -> None:
        download = await downloader.open(place.artifact, place.sources(known=True))
        etag = download.etag
        assert await cut(download) <= len(LARGE) - HOLD_BACK
        assert download.etag != etag
        download.release()
        await settle(downloader)
        again = await downloader.open(place.artifact, place.sources(known=True))
        assert await take(again) == LARGE
        again.release()

    place.run(journey, store=store)


# ------------------------------------------------------------------------ late sources


def test_sources_that_selection_finds_late_are_used(place: Place) -> None:
    place.origin.rate = 4e6

    async def journey(downloader: Downloader) -> None:
        only: Sequence[Source] = [place.sources()[-1]]
        download = await downloader.open(place.artifact, only, more=place.sources)
        assert await take(download) == LARGE
        download.release()

    place.run(journey)
    assert place.mirrors[0].bytes_sent() > MB


@contextlib.asynccontextmanager
async def no_leaks() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


def test_nothing_is_left_behind_when_it_is_closed_midway(place: Place) -> None:
    place.origin.rate = place.mirrors[0].rate = place.mirrors[1].rate = 2e6

    async def journey(downloader: Downloader) -> None:
        async with no_leaks():
            download = await downloader.open(place.artifact, place.sources())
            async for _ in download.read():
                break
            await downloader.aclose()

    place.run(journey)
