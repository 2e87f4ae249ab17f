"""What a large document says of each artifact, as a file that is searched without being read.

Records of one length, sorted by the hash of the name: half a million of them take 26 MB on disk
and no memory, and finding one is a score of short reads. A damaged table is as good as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from headrace.interface.lookups import Entry
from headrace.models import Digest

__all__ = ["find", "usable", "write"]

#: A word, and how many records follow: what a power failure cut off is missed.
_HEAD = struct.Struct(">16sq")
_MAGIC = b"headrace-table 2"
#: Hash of the name, SHA-256 (zeros: none), size (-1: unknown).
_RECORD = struct.Struct(">16s32sq")
_NO_DIGEST = bytes(32)
#: Larger sizes are nobody's.
_MOST = (1 << 63) - 1


def _key(name: str) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _key_of(record: bytes) -> bytes:
    return record[:16]


def write(path: Path, entries: Iterable[tuple[str, Entry]]) -> int:
    """Write a table in one go; return the number of names. Of two entries the first counts.

    Only SHA-256 digests are kept; another kind is as good as none here. OSError when the disk
    cannot take it.
    """
    # By the first byte of the key: sorted one by one, they need little memory beside them.
    groups = [bytearray() for _ in range(256)]
    for name, entry in entries:
        digest, size = entry.digest, entry.size
        value = (
            bytes.fromhex(digest.value) if digest and digest.algorithm == "sha256" else _NO_DIGEST
        )
        key = _key(name)
        groups[key[0]] += _RECORD.pack(
            key, value, size if size is not None and 0 <= size <= _MOST else -1
        )
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(_HEAD.pack(_MAGIC, 0))
            count = sum(_write_sorted(file, group) for group in groups)
            file.seek(0)
            file.write(_HEAD.pack(_MAGIC, count))
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    return count


def _write_sorted(file: BinaryIO, group: bytearray) -> int:
    plain, length = bytes(group), _RECORD.size
    group.clear()
    before, count = b"", 0
    for record in sorted(
        (plain[at : at + length] for at in range(0, len(plain), length)), key=_key_of
    ):
        if _key_of(record) != before:
            before = _key_of(record)
            file.write(record)
            count += 1
    return count


def usable(path: Path) -> bool:
    """Whether there is a whole table."""
    try:
        with path.open("rb", buffering=0) as file:
            return _count(file) is not None
    except OSError:
        return False


def _count(file: BinaryIO) -> int | None:
    """Return the number of records; None: no table, or not all of one."""
    size = file.seek(0, os.SEEK_END) - _HEAD.size
    file.seek(0)
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    magic, count = _HEAD.unpack(head)
    return int(count) if magic == _MAGIC and size == count * _RECORD.size else None


def find(path: Path, name: str) -> Entry | None:
    """Return what the table says of a name; None when it says nothing, or is none."""
    wanted = _key(name)
    try:
        with path.open("rb", buffering=0) as file:
            low, high = 0, _count(file) or 0
            while low < high:
                middle = (low + high) // 2
                file.seek(_HEAD.size + middle * _RECORD.size)
                key, value, length = _RECORD.unpack(file.read(_RECORD.size))
                if key == wanted:
                    digest = None if value == _NO_DIGEST else Digest("sha256", value.hex())
                    return Entry(digest, None if length < 0 else length)
                low, high = (middle + 1, high) if key < wanted else (low, middle)
    except (OSError, struct.error):
        return None
    return None
