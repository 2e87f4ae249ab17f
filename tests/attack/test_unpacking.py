"""Few packed bytes that become many: one layer, counted as it comes out, everywhere.

What is sent here becomes some megabytes and harms nobody. Seen elsewhere: a page of less than five
kilobytes in two codings, one in the other, took nearly four gigabytes of whoever decoded it.
"""

from __future__ import annotations

import asyncio
import bz2
import gzip
import io
import sys
import tracemalloc
import zipfile
import zlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgpack
import pytest

from headrace.documents import renderings
from headrace.errors import UpstreamError
from headrace.http import unpacking
from headrace.http.unpacking import PIECE, Inflater, TooMuchError, Unpacker, coding_of, unpack
from headrace.models import Fault, Response
from headrace.upstream.client import Client
from headrace_conda.channels import repodata
from headrace_pip.index.wheel_metadata import metadata_of_wheel
from lib import wheels
from lib.app import App
from lib.conda.channel_app import ChannelApp
from lib.conda.channels import Channel, package
from lib.index import JSON, Index
from lib.serving.servers import RecordingServer, Reply

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MB = 1 << 20
MANY = 24 * MB
#: What may be taken for a body that is not wanted: pieces and buffers, far from `MANY`.
LITTLE = 6 * MB
ONCE = gzip.compress(bytes(MANY), 9)
TWICE = gzip.compress(ONCE, 9)
T = TypeVar("T")


def peak_of(work: Callable[[], T]) -> tuple[T, int]:
    """Give what the work gives, and the most bytes that Python's objects took meanwhile."""
    tracemalloc.start()
    try:
        return work(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def use(work: Callable[[Client], Awaitable[T]]) -> T:
    async def main() -> T:
        client = Client({})
        try:
            return await work(client)
        finally:
            await client.aclose()

    return asyncio.run(main())


def coded(body: bytes, coding: str, kind: str = JSON, status: int = 200) -> Reply:
    return Reply(body, status, kind, {"Content-Encoding": coding})


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer(name="origin") as made:
        yield made


# ------------------------------------------------------------------ what an upstream sends


async def _page(client: Client, url: str) -> object:
    return await client.fetch(url, limit=MB)


async def _token(client: Client, url: str) -> object:
    return await client._ask_realm(url, {}, 5.0, MB)


async def _stream(client: Client, url: str) -> object:
    got = 0
    async with client.open_document(url) as stream:
        async for piece in stream:
            assert len(piece) <= PIECE
            got += len(piece)
            if got > MB:
                raise UpstreamError(Fault.NOT_THE_FILE, "the reader has enough")
    return got


ASKED = {"a page": _page, "a token": _token, "a document": _stream}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize(
    ("body", "coding", "fault"),
    [
        (TWICE, "gzip, gzip", Fault.PROTOCOL),
        (TWICE, "deflate,  identity , gzip", Fault.PROTOCOL),
        (ONCE, "gzip", Fault.NOT_THE_FILE),
        (zlib.compress(bytes(MANY), 9), "deflate", Fault.NOT_THE_FILE),
    ],
    ids=["two codings", "two of three", "gzip", "deflate"],
)
def test_no_body_takes_more_than_its_limit(
    server: RecordingServer, asked: str, body: bytes, coding: str, fault: Fault
) -> None:
    server.content["/x"] = coded(body, coding)

    def ask() -> Fault:
        with pytest.raises(UpstreamError) as caught:
            use(lambda client: ASKED[asked](client, f"{server.url}/x"))
        return caught.value.fault

    use(lambda client: client.fetch(f"{server.url}/warm"))
    told, peak = peak_of(ask)
    assert told is fault
    assert peak < LITTLE + 2 * len(body)


def test_body_of_which_nothing_comes_is_given_up(
    server: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "_IN_VAIN", 10_000)
    server.content["/x"] = coded(gzip.compress(b"") * 5000, "gzip")
    with pytest.raises(UpstreamError, match="next to nothing"):
        use(lambda client: client.fetch(f"{server.url}/x"))


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "gzip, gzip"])
def test_a_refusal_says_what_it_says_whatever_its_body_is(
    server: RecordingServer, coding: str
) -> None:
    server.content["/x"] = coded(b"no such coding", coding, status=404)
    answer = use(lambda client: client.fetch(f"{server.url}/x"))
    assert (answer.status, answer.body) == (404, b"")
    failure = answer.error()
    assert failure is not None
    assert failure.fault is Fault.MISSING


def test_one_coding_is_read_as_servers_really_write_it(server: RecordingServer) -> None:
    bare = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    forms = {
        "gzip": gzip.compress(b"page"),
        "identity, x-gzip": gzip.compress(b"pa") + gzip.compress(b"ge"),
        "GZIP": gzip.compress(b"page") + b"\0\n",
        " deflate": zlib.compress(b"page"),
        "deflate": bare.compress(b"page") + bare.flush(),
        "identity": b"page",
    }
    for coding, body in forms.items():
        server.content["/x"] = coded(body, coding)
        assert use(lambda client: client.fetch(f"{server.url}/x")).body == b"page", coding


def test_a_page_and_metadata_that_are_traps_end_at_the_origin(
    tmp_path: Path, server: RecordingServer
) -> None:
    index = Index()
    six = index.add(wheels.wheel("six", "1.0", size=3000))
    simple = index.mount_origin(server)
    with App(tmp_path, simple) as app:
        assert app.page("six").status == 200
        server.content["/simple/trap/"] = coded(TWICE, "gzip, gzip")
        server.content[f"{six.path}.metadata"] = coded(TWICE, "gzip, gzip", "text/plain")

        def ask() -> list[tuple[int, str]]:
            told = [app.page("trap"), app.ask(f"{six.path}.metadata")]
            return [(each.status, each.headers.get("location", "")) for each in told]

        told, peak = peak_of(ask)
        assert told[0] == (302, f"{simple}/trap/")
        assert told[1][0] == 302
        assert told[1][1].startswith(server.url)
        assert peak < LITTLE


# ------------------------------------------------------------------ what lies inside of files

PACKERS: dict[str, tuple[Callable[[bytes], bytes], Callable[[], Any]]] = {
    "gzip": (lambda data: gzip.compress(data, 9), Inflater),
    "zlib": (lambda data: zlib.compress(data, 9), Inflater),
    "bz2": (lambda data: bz2.compress(data, 9), bz2.BZ2Decompressor),
    "zstd": (zstd.compress, zstd.ZstdDecompressor),
}


@pytest.mark.parametrize("kind", PACKERS)
def test_every_unpacker_counts_as_it_comes_out(kind: str) -> None:
    pack, start = PACKERS[kind]
    body = pack(bytes(MANY))
    unpacker = Unpacker(start, limit=MANY)
    sizes = [len(piece) for piece in unpacker.feed(body)]
    assert (sum(sizes), unpacker.complete) == (MANY, True)
    assert max(sizes) <= PIECE

    def trap() -> None:
        with pytest.raises(TooMuchError):
            unpack([body], start, MB)

    assert peak_of(trap)[1] < LITTLE
    plain = b"".join(b"%d, " % each for each in range(9000))
    for size in (1, 7, 1000, 10**6):
        whole = pack(plain)
        parts = [whole[at : at + size] for at in range(0, len(whole), size)]
        assert unpack(parts, start, len(plain)) == plain
        with pytest.raises(ValueError, match="end is missing"):
            unpack(parts[:-1] or [whole[:-1]], start, len(plain))


@pytest.mark.parametrize("read", [repodata.read_index, repodata.read_shard, repodata.names_needed])
def test_shards_and_their_index_are_held_to_their_limit(read: Callable[[bytes], object]) -> None:
    def refused() -> None:
        with pytest.raises(ValueError, match="larger"):
            read(body)

    body = zstd.compress(bytes(2 * repodata.LARGEST))
    assert peak_of(refused)[1] < repodata.LARGEST + LITTLE


def test_index_of_a_great_many_empty_lists_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    many = 200_000
    body = zstd.compress(b"\x81\xa4info\xdd" + many.to_bytes(4, "big") + b"\x90" * many)
    monkeypatch.setattr(repodata, "_MOST_CONTAINERS", many // 10)

    def refused() -> None:
        with pytest.raises(ValueError, match="more tables"):
            repodata.read_index(body)

    assert peak_of(refused)[1] < LITTLE
    good = msgpack.packb({"info": {}, "shards": {"a": bytes(32)}})
    assert repodata.read_index(zstd.compress(good)).shards == {"a": bytes(32)}


def _wheel(method: int, data: bytes, files: int = 0) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as wheel:
        for number in range(files):
            wheel.writestr(f"x/{number}", b"")
        wheel.writestr("x-1.dist-info/METADATA", data, method)
    return made.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED])
def test_metadata_inside_a_wheel_is_not_unpacked_to_its_end(method: int) -> None:
    body = _wheel(method, bytes(MANY))
    text, peak = peak_of(lambda: metadata_of_wheel(body))
    assert text is None or len(text) <= MB
    assert peak < LITTLE


def test_wheel_of_a_great_many_files_is_not_listed() -> None:
    assert metadata_of_wheel(_wheel(zipfile.ZIP_DEFLATED, b"Name: x", 100)) == "Name: x"
    body = _wheel(zipfile.ZIP_DEFLATED, b"Name: x", 17_000)
    text, peak = peak_of(lambda: metadata_of_wheel(body))
    assert text is None
    assert peak < LITTLE


def test_kept_page_gives_no_more_than_it_had() -> None:
    made = renderings._rendered(Response(200, {}, b"page"))
    assert b"".join(made.pieces()) == b"page"
    torn = renderings.Rendered(200, {}, ONCE, 4, "tag")

    def read() -> None:
        with pytest.raises(ValueError, match="larger"):
            list(torn.pieces())

    assert peak_of(read)[1] < LITTLE


# ------------------------------------------------------------------ what goes to the disk


def test_document_that_goes_as_it_is_takes_no_more_disk_than_all_may(
    tmp_path: Path, server: RecordingServer
) -> None:
    channel = Channel("ch")
    channel.add(package("alpha", size=1000, subdir="linux-64"))
    channel.mount_origin(server)
    with ChannelApp(tmp_path, server) as gate:
        copies = gate.parts.passthrough._copies
        copies.limit = MB
        trap = gzip.compress(b"{" + b" " * MANY, 9)
        server.content["/ch/linux-64/repodata.json"] = coded(trap, "gzip", "application/json")
        told = gate.ask(f"{gate.prefix}/ch/linux-64/repodata.json")
        assert not told.complete or told.status in (302, 404)
        assert sum(path.stat().st_size for path in copies.root.rglob("*.*")) <= 2 * MB
        long = Reply(b"{" + b" " * MANY, 200, "application/json")
        server.content["/ch/linux-64/current_repodata.json"] = long
        told = gate.ask(f"{gate.prefix}/ch/linux-64/current_repodata.json")
        assert told.status == 302


@pytest.mark.parametrize("header", ["br", "gzip, br", "gzip,gzip", "zstd", "gzip;q=1", "x" * 9999])
def test_a_coding_that_nobody_asked_for_is_none(header: str) -> None:
    with pytest.raises(ValueError, match="came "):
        coding_of(header)
