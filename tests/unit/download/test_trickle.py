"""Readers that can take nothing back: what they are given before the digest agrees, and of whom."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.download.downloader import Downloader
from headrace.download.readers import DownloadReader
from headrace.errors import IntegrityError
from headrace.models import Fault, Source
from headrace.transfer.pace import DRIP
from lib.serving import modes
from lib.serving.downloads import LARGE, MB, MEDIUM, Full, Place, places, serve, settle, take, until

EVIL = random.Random(9).randbytes(len(LARGE))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with places(tmp_path) as made:
        yield made


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it drip at once, and often."""
    monkeypatch.setattr("headrace.download.readers.LATE_SMALL", 0.0)
    monkeypatch.setattr("headrace.transfer.pace.EVERY", 0.02)
    monkeypatch.setattr("headrace.transfer.pace.RETRY", 0.02)


def mirrors_first(place: Place) -> list[Source]:
    """The origin in reserve, so that all that the download brings is of mirrors."""
    one, two, origin = place.sources(known=True)
    return [
        replace(one, operator="first"),
        replace(two, operator="second"),
        replace(origin, reserve=True),
    ]


async def opened(
    downloader: Downloader, place: Place, sources: Sequence[Source] | None = None
) -> DownloadReader:
    chosen = mirrors_first(place) if sources is None else sources
    return await downloader.open(place.artifact, chosen, takes_back=False)


async def beginning(download: DownloadReader, least: int) -> bytes:
    """Read until so many bytes are here."""
    out = bytearray()
    async for data in download.read():
        out += data
        if len(out) >= least:
            break
    return bytes(out)


@pytest.mark.parametrize("data", [LARGE, MEDIUM], ids=["24M", "3M"])
@pytest.mark.parametrize("liars", [(0,), (1,), (0, 1)], ids=str)
def test_no_wrong_byte_goes_out_whoever_lies(
    place: Place, data: bytes, liars: Sequence[int]
) -> None:
    serve(place, data)
    for server in (place.origin, *place.mirrors):
        server.rate = 3e6  # so that nobody brings it before all were asked
    for liar in liars:
        place.mirrors[liar].fail(modes.swapped(EVIL[: len(data)]))

    async def journey(downloader: Downloader) -> None:
        download = await opened(downloader, place)
        etag = download.etag
        assert await take(download) == data
        assert download.etag == etag
        download.release()

    place.run(journey)
    assert any(place.mirrors[liar].bytes_sent() for liar in liars)


def test_until_then_a_trickle_of_the_origins_own_bytes_goes_out(place: Place) -> None:
    for mirror in place.mirrors:
        mirror.rate = 1e6  # so that it is not done before
        mirror.fail(modes.swapped(EVIL))

    async def journey(downloader: Downloader) -> None:
        download = await opened(downloader, place)
        pieces = []
        async for data in download.read():
            pieces.append(data)
            if len(pieces) == 12:
                break
        assert {len(piece) for piece in pieces} == {DRIP}
        assert LARGE.startswith(b"".join(pieces))
        download.release()

    place.run(journey)
    # A request serves several drips.
    assert 0 < len(place.origin.seen) <= 3
    assert place.origin.bytes_sent() < MB


def test_when_the_last_reader_goes_the_fetch_ends(place: Place) -> None:
    for mirror in place.mirrors:
        mirror.rate = 2e6

    async def journey(downloader: Downloader) -> None:
        download = await opened(downloader, place)
        assert LARGE.startswith(await beginning(download, 1))
        download.release()
        await settle(downloader)

    place.run(journey)
    assert sum(mirror.bytes_sent() for mirror in place.mirrors) < len(LARGE) // 2


def test_bytes_that_the_origin_itself_gives_go_out_as_they_come(place: Place) -> None:
    rest = threading.Event()
    place.origin.fail(modes.held(rest, at=len(LARGE) // 2))

    async def journey(downloader: Downloader) -> None:
        download = await opened(downloader, place, [place.sources()[-1]])
        parts = download.read()
        out = bytearray()
        while len(out) < len(LARGE) // 3:  # which comes before the rest may
            out += await anext(parts)
        rest.set()
        async for data in parts:
            out += data
        assert out == LARGE
        download.release()

    place.run(journey)


@pytest.mark.parametrize("room", [0, 2 * MB])
def test_on_a_full_disk_the_origin_alone_is_streamed(place: Place, room: int) -> None:
    for mirror in place.mirrors:
        mirror.fail(modes.swapped(EVIL))
    store = Full(place.folder, limit=1 << 34, reserve=0.0)
    store.room = room

    async def journey(downloader: Downloader) -> None:
        download = await opened(downloader, place)
        assert await take(download) == LARGE
        download.release()

    place.run(journey, store=store)
    assert place.origin.bytes_sent() >= len(LARGE) - 2 * MB


@pytest.mark.parametrize("room", [0, 2 * MB])
def test_on_a_full_disk_without_the_origin_nothing_wrong_goes_out(place: Place, room: int) -> None:
    for mirror in place.mirrors:
        mirror.fail(modes.swapped(EVIL))
    place.origin.close()
    store = Full(place.folder, limit=1 << 34, reserve=0.0)
    store.room = room

    async def journey(downloader: Downloader) -> None:
        download = await opened(downloader, place)
        got = bytearray()
        with pytest.raises(Exception, match="no source"):  # noqa: PT012 - what came before counts
            async for data in download.read():
                got += data
        # What two operators agreed on before the disk was full is all that there may be.
        assert not got or EVIL.startswith(got)
        assert len(got) < MB
        download.release()

    place.run(journey, store=store)


def test_two_operators_who_agree_stand_in_for_an_origin_out_of_reach(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.origin.close()
    for mirror in place.mirrors:
        mirror.rate = 2e6

    async def journey(downloader: Downloader) -> None:
        download = await opened(downloader, place)
        assert LARGE.startswith(await beginning(download, 3 * DRIP))
        download.release()

    place.run(journey)
    assert "the origin cannot be reached" in caplog.text


@pytest.mark.parametrize(
    ("how", "operators"),
    [("the same operator", ("first", "first")), ("nobody knows whose", ("", ""))],
)
def test_mirrors_that_are_not_of_two_operators_are_one_witness(
    place: Place, how: str, operators: tuple[str, str]
) -> None:
    del how
    place.origin.close()
    one, two, origin = mirrors_first(place)
    sources = [replace(one, operator=operators[0]), replace(two, operator=operators[1]), origin]
    assert_nothing_before_the_end(place, sources)


def test_mirrors_that_disagree_are_believed_neither(place: Place) -> None:
    place.origin.close()
    place.mirrors[1].fail(modes.swapped(EVIL))
    one, two, origin = mirrors_first(place)
    # The liar is a witness, and brings nothing else.
    assert_nothing_before_the_end(place, [one, replace(two, reserve=True), origin])


def test_origin_that_says_it_has_not_the_file_was_reached(place: Place) -> None:
    place.origin.fail(modes.status(404))
    assert_nothing_before_the_end(place, mirrors_first(place))


def assert_nothing_before_the_end(place: Place, sources: Sequence[Source]) -> None:
    """See that nothing goes out while much comes in, and that all of it does in the end."""
    place.mirrors[0].rate = 4e6

    async def journey(downloader: Downloader) -> None:
        download = await opened(downloader, place, sources)
        first = asyncio.ensure_future(anext(download.read()))
        await until(lambda: sum(m.bytes_sent() for m in place.mirrors) > 4 * MB or first.done())
        assert not first.done()
        data = await first
        assert len(data) > DRIP
        assert LARGE.startswith(data)
        download.release()

    place.run(journey)


def test_origin_whose_parts_are_not_of_the_file_costs_the_reader_its_connection(
    place: Place,
) -> None:
    place.origin.fail(modes.swapped(EVIL))

    async def journey(downloader: Downloader) -> None:
        for mirror in place.mirrors:
            mirror.rate = 8e6
        download = await opened(downloader, place)
        etag = download.etag
        with pytest.raises(IntegrityError):
            await take(download)
        assert download.etag != etag
        download.release()

    place.run(journey)


def test_many_readers_share_what_was_asked_for(place: Place) -> None:
    for mirror in place.mirrors:
        mirror.rate = 4e6

    async def journey(downloader: Downloader) -> None:
        readers = [await opened(downloader, place) for _ in range(5)]
        for begun in await asyncio.gather(*(beginning(each, 4 * DRIP) for each in readers)):
            assert LARGE.startswith(begun)
        for each in readers:
            each.release()

    place.run(journey)
    assert len(place.origin.seen) == 1


def test_reader_that_takes_back_is_served_as_ever_beside_one_that_does_not(place: Place) -> None:
    async def journey(downloader: Downloader) -> None:
        careful = await opened(downloader, place)
        usual = await downloader.open(place.artifact, mirrors_first(place))
        given = list(await asyncio.gather(take(careful), take(usual)))
        assert given == [LARGE, LARGE]
        for each in (careful, usual):
            each.release()

    place.run(journey)
    assert Fault.WRONG_BYTES not in place.faults("one") | place.faults("two")
