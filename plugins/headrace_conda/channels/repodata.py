"""The documents of a channel, read for what they say of each package. Pure.

`repodata.json` and its kin (CEP 16's predecessors) may hold half a million records in 250 MB, so
they are never parsed as a whole, but record by record as they come. The index of shards and a
shard (CEP 16) are small and are parsed.
"""

from __future__ import annotations

import bz2
import codecs
import itertools
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urljoin

from headrace.interface import Digest, Entry, Unpacker, dataclass, foreign, unpack

__all__ = [
    "BZIP2",
    "JSON",
    "ZSTD",
    "ShardIndex",
    "flat_entries",
    "names_needed",
    "package_name",
    "read_index",
    "read_shard",
    "records_in",
    "unpacked",
]

#: What each kind begins with.
JSON = b"{"
ZSTD = b"\x28\xb5\x2f\xfd"
BZIP2 = b"BZh"

#: Bytes that an index of shards, or a shard, may have unpacked: conda's own limit for a shard, and
#: a hundred thousand names.
LARGEST = 16 << 20
#: Tables and lists in one: a byte of msgpack can be an empty one, which takes sixty in memory.
_MOST_CONTAINERS = 500_000
#: Bytes that flat repodata may have unpacked: more is a trap that few packed bytes can set.
_MOST = 4 << 30
#: Bytes that are unpacked at a time.
_PIECE = 1 << 20
#: Bytes of the largest file that any record may speak of.
_LARGEST = 1 << 50
#: Characters of one value below a table; a record is far shorter, more is no repodata.
_LONGEST = 4 << 20

_DECODER = json.JSONDecoder()
#: JSON's own white space, which is less than Python's.
_SPACE = re.compile(r"[ \t\n\r]*")
_KEY = re.compile(r'[ \t\n\r]*"([^"\\]*(?:\\.[^"\\]*)*)"[ \t\n\r]*:[ \t\n\r]*', re.DOTALL)
_BEHIND = re.compile(r"[ \t\n\r]*([,}\]])")
#: Tables of repodata that name packages.
_RECORDS = frozenset({"packages", "packages.conda"})


def package_name(file: str) -> str | None:
    """Return the package's name in a file name (``name-version-build.conda``)."""
    stem = file.removesuffix(".conda").removesuffix(".tar.bz2")
    name, _, rest = stem.rpartition("-")[0].rpartition("-")
    return name if name and rest and stem != file else None


# ------------------------------------------------------------ packed


def unpacked(parts: Iterable[bytes], kind: bytes) -> Iterator[bytes]:
    """Unpack a stream of one of the three kinds, in pieces of bounded size whatever was packed.

    ValueError when it is damaged or cut.
    """
    if kind == JSON:
        yield from parts
        return
    start = _zstd() if kind == ZSTD else bz2.BZ2Decompressor
    unpacker = Unpacker(start, piece=_PIECE)
    for part in parts:
        yield from unpacker.feed(part)
    if not unpacker.complete or not unpacker.came_in:
        raise ValueError("the end is missing")


# ------------------------------------------------------------ flat


def flat_entries(
    parts: Iterable[bytes], told: Callable[[str], None] = lambda _: None
) -> Iterator[tuple[str, Entry]]:
    """Give file name and entry of every record, from unpacked JSON in parts of any size.

    `told` hears where the document says that its packages are (CEP 15). ValueError where it is no
    such document.
    """
    for table, members in _JsonReader(parts).tables():
        if table in _RECORDS:
            for name, record in members.items():
                if type(record) is dict:
                    yield name, _entry(record)
        elif table == "info" and isinstance(base := members.get("base_url"), str):
            told(base)


def _entry(record: Mapping[str, Any]) -> Entry:
    digest, size = record.get("sha256"), record.get("size")
    try:
        known = Digest("sha256", digest.lower()) if isinstance(digest, str) else None
    except ValueError:
        known = None
    return Entry(known, size if type(size) is int and 0 <= size <= _LARGEST else None)


class _JsonReader:
    """JSON of any length, of which only a part is in memory at a time."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = iter(parts)
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogatepass")
        self._text = ""
        self._at = 0
        self._read = 0
        self._new = True
        """Whether nobody tried yet to take all that is in the text in one go."""

    def tables(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give the names and members, some at a time, of all objects in the outermost one."""
        if self._next() != "{":
            raise ValueError("repodata begins with a brace")
        self._at += 1
        closed = self._closed("}")
        while not closed:
            while not (key := _KEY.match(self._text, self._at)):
                self._more()
            self._at = key.end()
            kind = self._next()
            if kind == "{":
                name = _name(key)
                for members in self._object():
                    yield name, members
                mark = self._mark()
            elif kind == "[":
                self._pass_array()
                mark = self._mark()
            else:
                mark = self._one(_SPACE)[2]
            closed = _ends(mark, "}")
        self._finish()

    def _object(self) -> Iterator[dict[str, Any]]:
        self._at += 1
        closed = self._closed("}")
        while not closed:
            members, closed = self._many()
            if members:
                yield members
            if not closed:
                name, value, mark = self._one(_KEY)
                yield {name: value}
                closed = _ends(mark, "}")

    def _pass_array(self) -> None:
        self._at += 1
        closed = self._closed("]")
        while not closed:
            closed = _ends(self._one(_SPACE)[2], "]")

    def _one(self, before: re.Pattern[str]) -> tuple[str, Any, str]:
        """Take one value with its name, if it has one, and with the mark behind it."""
        while True:
            # What goes on in the next part cannot be told from what is no JSON: the end tells.
            if key := before.match(self._text, self._at):
                try:
                    value, end = _DECODER.raw_decode(self._text, key.end())
                except RecursionError:
                    raise ValueError("too deep") from None
                except ValueError:
                    pass
                else:
                    # A number may go on, too: so the mark must be seen.
                    if mark := _BEHIND.match(self._text, end):
                        self._at = mark.end()
                        return (_name(key) if before is _KEY else ""), value, mark[1]
            self._more()

    def _many(self) -> tuple[dict[str, Any], bool]:
        """Take as many members as end with a brace in the text, and whether they are the last.

        All that is in the text in one go costs half of one by one. Where the last brace is not
        the end of a member (but in a string, or within one), nothing is taken.
        """
        cut = self._text.rfind("}", self._at) + 1
        if not self._new or cut <= self._at:
            return {}, False
        self._new = False
        text = f"{{{self._text[self._at : cut]}}}"
        try:
            found, end = _DECODER.raw_decode(text)
        except (ValueError, RecursionError):
            return {}, False
        if not found:  # a brace behind a comma: what is wrong with that is told elsewhere
            return {}, False
        if end < len(text):
            self._at += end - 1
            return found, True
        mark = _BEHIND.match(self._text, cut)
        if mark is None or mark[1] != ",":
            return {}, False
        self._at = mark.end()
        return found, False

    def _mark(self) -> str:
        mark = self._next()
        self._at += 1
        return mark

    def _next(self) -> str:
        while True:
            space = _SPACE.match(self._text, self._at)
            assert space is not None
            self._at = space.end()
            if self._at < len(self._text):
                return self._text[self._at]
            self._more()

    def _closed(self, end: str) -> bool:
        closed = self._next() == end
        self._at += closed
        return closed

    def _more(self) -> None:
        """Read on: at least as much as waits for its end, so that nothing is read over and over."""
        rest = self._text[self._at :]
        if len(rest) > _LONGEST:
            raise ValueError("no JSON, or a record of more than 4 MiB")
        found, size = [rest], 0
        while size <= len(rest):
            part = next(self._parts, None)
            if part is None:
                found.append(self._decoder.decode(b"", final=True))
                if not size:
                    raise ValueError("the end is missing")
                break
            self._read += len(part)
            if self._read > _MOST:
                raise ValueError("larger than any repodata")
            found.append(self._decoder.decode(part))
            size += len(found[-1])
        self._text, self._at, self._new = "".join(found), 0, True

    def _finish(self) -> None:
        rest = self._text[self._at :]
        for part in self._parts:
            if rest.strip(" \t\n\r"):
                break
            rest = self._decoder.decode(part)
        # Half a character is something, too.
        rest += self._decoder.decode(b"", final=True)
        if rest.strip(" \t\n\r"):
            raise ValueError("something stands behind the end")


def _name(key: re.Match[str]) -> str:
    text = key[1]
    return str(json.loads(f'"{text}"')) if "\\" in text else text


def _ends(mark: str, end: str) -> bool:
    if mark not in (",", end):
        raise ValueError("brackets do not fit")
    return mark == end


# ------------------------------------------------------------ sharded


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
        return urljoin(index_url, f"{base}{digest.hex()}.msgpack.zst"), digest.hex()


@foreign("an index of shards")
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


@foreign("a shard")
def names_needed(body: bytes) -> list[str]:
    """Return the names that a shard's records depend on, each once; ValueError when it is none.

    Virtual packages are the machine's own and have no shard.
    """
    found: dict[str, None] = {}
    table = _packed(body)
    for kind in ("packages", "packages.conda"):
        records = table.get(kind) or {}
        for record in records.values() if isinstance(records, dict) else ():
            depends = record.get("depends") if isinstance(record, dict) else None
            for each in depends if isinstance(depends, list) else ():
                name = str(each).partition(" ")[0]
                if name and not name.startswith("__"):
                    found.setdefault(name)
    return list(found)


@foreign("a shard")
def read_shard(body: bytes) -> dict[str, Entry]:
    """Read a shard: file names and what it says of them; ValueError when it is none."""
    found: dict[str, Entry] = {}
    for file, record in records_in(body).items():
        digest = record.get("sha256")
        text = digest.hex() if isinstance(digest, bytes) else digest
        found[file] = _entry({**record, "sha256": text})
    return found


@foreign("a shard")
def records_in(body: bytes) -> dict[str, dict[str, Any]]:
    """Return a shard's records as they are, by file name; ValueError when it is none."""
    table = _packed(body)
    found: dict[str, dict[str, Any]] = {}
    for kind in ("packages", "packages.conda"):
        records = table.get(kind) or {}
        if not isinstance(records, dict):
            raise ValueError("a shard's packages are a table")  # noqa: TRY004 - a bad document
        found |= {str(file): each for file, each in records.items() if isinstance(each, dict)}
    return found


def _zstd() -> Any:
    """Return the class that unpacks; where no channel is used its library is not loaded."""
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415 - memory that an idle gateway need not hold
    else:
        from backports import zstd  # noqa: PLC0415 - as above

    return zstd.ZstdDecompressor


def _packed(body: bytes) -> dict[str, Any]:
    import msgpack  # noqa: PLC0415 - as above

    plain = unpack([body], _zstd(), LARGEST)
    counted = itertools.count(1)

    def count(made: Any) -> Any:
        if next(counted) > _MOST_CONTAINERS:
            raise ValueError("more tables and lists than any index has")
        return made

    table = msgpack.unpackb(plain, strict_map_key=False, object_hook=count, list_hook=count)
    if not isinstance(table, dict):
        raise ValueError("not a table")  # noqa: TRY004 - a bad document
    return table
