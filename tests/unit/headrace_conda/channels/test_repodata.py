"""Repodata and shards, read for what they say of each package."""

from __future__ import annotations

import bz2
import json
import sys
import tracemalloc
from typing import Any

import msgpack
import pytest

from headrace.interface.lookups import Entry
from headrace.models import Digest
from headrace_conda.channels import repodata

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SHA = "ab" * 32
INDEX = "https://host.example/ch/noarch/repodata_shards.msgpack.zst"


def packed(value: Any) -> bytes:
    return zstd.compress(msgpack.packb(value))


def flat(page: Any) -> dict[str, Entry]:
    return dict(repodata.flat_entries([json.dumps(page).encode()]))


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("numpy-1.26.4-py312h1_0.conda", "numpy"),
        ("ca-certificates-2024.2.2-hbcca054_0.tar.bz2", "ca-certificates"),
        ("_libgcc_mutex-0.1-conda_forge.tar.bz2", "_libgcc_mutex"),
        ("numpy-1.26.4.conda", None),
        ("-1-2.conda", None),
        ("numpy-1.26.4-0.whl", None),
        ("repodata.json", None),
    ],
)
def test_file_name_tells_the_package(file: str, name: str | None) -> None:
    assert repodata.package_name(file) == name


def test_record_gives_what_proves_and_no_more() -> None:
    found = flat(
        {
            "packages": {
                "a-1-0.tar.bz2": {"md5": "0" * 32, "size": 5},
                "b-1-0.tar.bz2": {"sha256": SHA.upper(), "size": -1},
                "c-1-0.tar.bz2": {"sha256": "short", "size": True},
                "d-1-0.tar.bz2": None,
            },
            "packages.conda": {"e-1-0.conda": {"extra": {"sha256": SHA}, "size": "5"}},
            "signatures": {"e-1-0.conda": {"sha256": SHA}},
            "other": {"f-1-0.conda": {"sha256": SHA, "size": 1}},
        }
    )
    assert found == {
        "a-1-0.tar.bz2": Entry(None, 5),
        "b-1-0.tar.bz2": Entry(Digest("sha256", SHA), None),
        "c-1-0.tar.bz2": Entry(None, None),
        "e-1-0.conda": Entry(None, None),
    }


def test_digest_behind_the_last_record_is_not_its_own() -> None:
    page = {"packages.conda": {"a-1-0.conda": {"size": 1}}, "info": {"sha256": SHA, "size": 9}}
    assert flat(page) == {"a-1-0.conda": Entry(None, 1)}


def test_table_without_packages_names_none() -> None:
    assert flat({"info": {"size": 5}, "packages": {}, "packages.conda": {}}) == {}
    assert flat({}) == {}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"[]",
        b"<html>",
        b"{",
        b'{"packages": {"a": {}}',
        b'{"packages": {"a": {}]}',
        b'{"packages": {"a": {}}} more',
        b'{"packages": {"a": {}}}\xc3',
        b'{"packages": {"a": nonsense}}',
        b'{"packages": {"a": ' + b"[" * 100_000 + b"}}",
        b'{"packages": {"\xff": {}}}',
    ],
)
def test_what_is_no_repodata_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        list(repodata.flat_entries([body]))


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_comma_that_nothing_follows_is_no_json_however_it_comes(size: int) -> None:
    body = b'{"packages": {"a": {}, "b": "c",}}'
    with pytest.raises(ValueError):
        list(repodata.flat_entries(body[at : at + size] for at in range(0, len(body), size)))


def test_record_without_an_end_is_given_up_before_it_fills_the_memory() -> None:
    def endless() -> Any:
        yield b'{"packages": {"a": {"x": "'
        while True:
            yield b"y" * (1 << 20)

    with pytest.raises(ValueError, match="4 MiB"):
        list(repodata.flat_entries(endless()))


@pytest.mark.parametrize("kind", [repodata.ZSTD, repodata.BZIP2])
def test_few_packed_bytes_that_become_many_come_in_pieces(kind: bytes) -> None:
    plain = bytes(100 << 20)
    body = zstd.compress(plain) if kind == repodata.ZSTD else bz2.compress(plain)
    del plain
    tracemalloc.start()
    pieces = [len(piece) for piece in repodata.unpacked([body], kind)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(pieces) == 100 << 20
    assert peak < 20 << 20


@pytest.mark.parametrize("kind", [repodata.ZSTD, repodata.BZIP2])
def test_damaged_stream_is_a_value_error(kind: bytes) -> None:
    body = zstd.compress(b"x" * 99) if kind == repodata.ZSTD else bz2.compress(b"x" * 99)
    for bad in (b"", b"{}", body[:-1], body + b"garbage", body[:8] + b"\xff\xff" + body[10:]):
        with pytest.raises(ValueError):
            list(repodata.unpacked([bad], kind))


# ------------------------------------------------------------------ sharded


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("", "https://host.example/ch/noarch/"),
        ("./", "https://host.example/ch/noarch/"),
        ("./shards", "https://host.example/ch/noarch/shards/"),
        ("shards/", "https://host.example/ch/noarch/shards/"),
        ("/all/", "https://host.example/all/"),
        ("https://shards.example/x", "https://shards.example/x/"),
    ],
)
def test_shard_is_where_its_index_says(base: str, url: str) -> None:
    digest = bytes.fromhex(SHA)
    info = {"base_url": "", "shards_base_url": base}
    index = repodata.read_index(packed({"info": info, "shards": {"a": digest, "bad": b"x"}}))
    assert index.shard_url(INDEX, "a") == (f"{url}{SHA}.msgpack.zst", SHA)
    assert index.shard_url(INDEX, "bad") is None
    assert index.shard_url(INDEX, "b") is None


def test_shard_gives_digests_in_either_form() -> None:
    shard = {
        "packages": {
            "a-1-0.tar.bz2": {"sha256": bytes.fromhex(SHA), "size": 5},
            "b-1-0.tar.bz2": {"md5": b"x" * 16},
        },
        "packages.conda": {"c-1-0.conda": {"sha256": SHA}, "d-1-0.conda": "no record"},
    }
    assert repodata.read_shard(packed(shard)) == {
        "a-1-0.tar.bz2": Entry(Digest("sha256", SHA), 5),
        "b-1-0.tar.bz2": Entry(None, None),
        "c-1-0.conda": Entry(Digest("sha256", SHA), None),
    }
    assert repodata.read_shard(packed({})) == {}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"plain",
        zstd.compress(b""),
        zstd.compress(b"\xc1"),
        zstd.compress(b"\x81\x90\x01"),  # a list as a key
        zstd.compress(msgpack.packb([1])),
        zstd.compress(msgpack.packb({"shards": [], "packages": [1]})),
        zstd.compress(msgpack.packb({"shards": {}, "info": 3, "packages": 3})),
        zstd.compress(msgpack.packb({"shards": {}})) + b"garbage",
    ],
)
def test_what_is_no_shard_is_a_value_error(body: bytes) -> None:
    for read in (repodata.read_index, repodata.read_shard):
        with pytest.raises(ValueError):
            read(body)


def test_trap_of_a_shard_is_not_unpacked_to_its_end() -> None:
    body = zstd.compress(bytes(repodata.LARGEST + (1 << 20)))
    with pytest.raises(ValueError, match="larger"):
        repodata.read_shard(body)
