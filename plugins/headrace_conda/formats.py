"""The documents of a channel, read for what they say of each package. Pure.

`repodata.json` and its kin (CEP 16's predecessors) may hold half a million records in 250 MB, so
they are never parsed as a whole: a record begins at its file name, and its digest stands before
the next one. The index of shards and a shard (CEP 16) are small and are parsed.
"""

from __future__ import annotations

import bz2
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import urljoin

import msgpack

from headrace.lookups import Entry
from headrace.models import Digest

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = [
    "BZIP2",
    "JSON",
    "ZSTD",
    "ShardIndex",
    "flat_entries",
    "package_name",
    "read_index",
    "read_shard",
    "unpacked",
]

#: What each kind begins with.
JSON = b"{"
ZSTD = b"\x28\xb5\x2f\xfd"
BZIP2 = b"BZh"

#: Bytes that an index of shards, or a shard, may have unpacked: some tens of thousands of names.
LARGEST = 64 << 20
#: A record is far shorter; more without a next one is no repodata.
_LONGEST_RECORD = 4 << 20
#: Of a file, in bytes, with what surrounds it.
_LONGEST_NAME = 512

#: The end of a key that is a package's file name, and the start of its record. Within a JSON string
#: a quote is escaped, so this can stand nowhere else. (Found by its end: that is where a search for
#: fixed bytes is quick.)
_RECORDS = (
    (".conda", re.compile(rb'\.conda"\s*:\s*\{')),
    (".tar.bz2", re.compile(rb'\.tar\.bz2"\s*:\s*\{')),
)
_SHA256 = re.compile(rb'"sha256"\s*:\s*"([0-9a-fA-F]{64})"')
_SIZE = re.compile(rb'"size"\s*:\s*(\d{1,15})\b')


def package_name(file: str) -> str | None:
    """Return the package's name in a file name (``name-version-build.conda``)."""
    stem = file.removesuffix(".conda").removesuffix(".tar.bz2")
    name, _, rest = stem.rpartition("-")[0].rpartition("-")
    return name if name and rest and stem != file else None


def unpacked(parts: Iterable[bytes], kind: bytes) -> Iterator[bytes]:
    """Unpack a stream of one of the three kinds; ValueError when it is damaged or cut."""
    if kind == JSON:
        yield from parts
        return
    stream: Any = zstd.ZstdDecompressor() if kind == ZSTD else bz2.BZ2Decompressor()
    for part in parts:
        data = part
        while data:
            try:
                if stream.eof:  # several frames, one behind the other, are one stream
                    stream = zstd.ZstdDecompressor() if kind == ZSTD else bz2.BZ2Decompressor()
                yield stream.decompress(data)
            except (zstd.ZstdError, OSError) as error:
                raise ValueError(f"damaged: {error}") from error
            data = stream.unused_data if stream.eof else b""
    if not stream.eof:
        raise ValueError("the end is missing")


def flat_entries(parts: Iterable[bytes]) -> Iterator[tuple[str, Entry]]:
    """Give file name and entry of every record, from unpacked JSON in parts of any size.

    ValueError where it is no such document.
    """
    rest = b""
    begun = False
    for part in parts:
        text = rest + part
        if not begun:
            if not text.lstrip():
                rest = text
                continue
            if not text.lstrip().startswith(JSON):
                raise ValueError("repodata begins with a brace")
            begun = True
        found = _records(text)
        for (_, begin, name), (end, _, _) in pairwise(found):
            if entry := _entry(text, begin, end):
                yield name, entry
        # The last record may go on in the next part, and a name may be cut in two.
        rest = text[found[-1][0] :] if found else text[-_LONGEST_NAME:]
        if len(rest) > _LONGEST_RECORD:
            raise ValueError("a record of more than 4 MiB")
    for _, begin, name in _records(rest):
        if entry := _entry(rest, begin, len(rest)):
            yield name, entry


def _records(text: bytes) -> list[tuple[int, int, str]]:
    """Find the records in a text: where the key begins, where the record does, the file name."""
    found = []
    for suffix, pattern in _RECORDS:
        for match in pattern.finditer(text):
            quote = text.rfind(b'"', max(0, match.start() - _LONGEST_NAME), match.start())
            if quote >= 0:
                name = text[quote + 1 : match.start()].decode("utf-8", "replace") + suffix
                found.append((quote, match.end(), name))
    found.sort()
    return found


def _entry(text: bytes, start: int, end: int) -> Entry | None:
    digest = _SHA256.search(text, start, end)
    size = _SIZE.search(text, start, end)
    if digest is None and size is None:
        return None  # a signature, or another table that is kept by file names
    return Entry(
        Digest("sha256", digest[1].decode().lower()) if digest else None,
        int(size[1]) if size else None,
    )


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """``repodata_shards.msgpack.zst``: which shard holds the records of a name (CEP 16)."""

    shards: Mapping[str, bytes]
    base_url: str
    """Where the packages are; absolute, or relative to the index."""
    shards_base_url: str

    def shard_url(self, index_url: str, name: str) -> tuple[str, str] | None:
        """Return (URL, SHA-256 in hex) of the shard of a package; None: the index has none."""
        digest = self.shards.get(name)
        if digest is None:
            return None
        base = self.shards_base_url
        base = f"{base}/" if base and not base.endswith("/") else base
        return f"{urljoin(index_url, base)}{digest.hex()}.msgpack.zst", digest.hex()


def read_index(body: bytes) -> ShardIndex:
    """Read an index of shards; ValueError when it is none."""
    table = _packed(body)
    info, shards = table.get("info", {}), table.get("shards")
    if not isinstance(shards, dict) or not isinstance(info, dict):
        raise ValueError("an index of shards has info and shards")  # noqa: TRY004 - a bad document
    return ShardIndex(
        {
            str(name): value
            for name, value in shards.items()
            if isinstance(value, bytes) and len(value) == 32
        },
        str(info.get("base_url") or ""),
        str(info.get("shards_base_url") or ""),
    )


def read_shard(body: bytes) -> dict[str, Entry]:
    """Read a shard: file names and what it says of them; ValueError when it is none."""
    table = _packed(body)
    found: dict[str, Entry] = {}
    for kind in ("packages", "packages.conda"):
        records = table.get(kind) or {}
        if not isinstance(records, dict):
            raise ValueError("a shard's packages are a table")  # noqa: TRY004 - a bad document
        for file, record in records.items():
            digest, size = record.get("sha256"), record.get("size")
            text = digest.hex() if isinstance(digest, bytes) else str(digest or "").lower()
            try:
                known: Digest | None = Digest("sha256", text)
            except ValueError:
                known = None
            found[str(file)] = Entry(known, size if isinstance(size, int) else None)
    return found


def _packed(body: bytes) -> dict[str, Any]:
    try:
        stream = zstd.ZstdDecompressor()
        plain = stream.decompress(body, max_length=LARGEST)
        if not stream.eof:
            raise ValueError("larger than any index, or cut")
        table = msgpack.unpackb(plain, strict_map_key=False)
    except (zstd.ZstdError, msgpack.exceptions.UnpackException, UnicodeDecodeError) as error:
        raise ValueError(f"damaged: {error}") from error
    if not isinstance(table, dict):
        raise ValueError("not a table")  # noqa: TRY004 - a bad document
    return table
