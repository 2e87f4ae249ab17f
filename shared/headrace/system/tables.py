"""What a large document says of each artifact, as a file that is searched without being read.

Records of one length, sorted by the hash of the name: half a million of them take 26 MB on disk
and no memory, and finding one is a score of short reads. A damaged table is as good as none.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable
from pathlib import Path

from headrace.lookups import Entry
from headrace.models import Digest

__all__ = ["find", "write"]

_MAGIC = b"headrace-table 1\n"
#: Hash of the name, SHA-256 (zeros: none), size (-1: unknown).
_RECORD = struct.Struct(">16s32sq")
_NO_DIGEST = bytes(32)


def _key(name: str) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=16).digest()


def _key_of(record: bytes) -> bytes:
    return record[:16]


def write(path: Path, entries: Iterable[tuple[str, Entry]]) -> int:
    """Write a table in one go; return the number of names. Of two entries the first counts.

    Only SHA-256 digests are kept; another kind is as good as none here. OSError when the disk
    cannot take it.
    """
    # By the first byte of the key: sorted one by one, they need little memory beside them.
    records: list[list[bytes]] = [[] for _ in range(256)]
    for name, entry in entries:
        digest, size = entry.digest, -1 if entry.size is None else entry.size
        value = (
            bytes.fromhex(digest.value) if digest and digest.algorithm == "sha256" else _NO_DIGEST
        )
        key = _key(name)
        records[key[0]].append(_RECORD.pack(key, value, size))
    count = 0
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(_MAGIC)
        for group in records:
            before = b""
            for record in sorted(group, key=_key_of):
                if _key_of(record) != before:
                    before = _key_of(record)
                    file.write(record)
                    count += 1
            group.clear()
    temporary.replace(path)
    return count


def find(path: Path, name: str) -> Entry | None:
    """Return what the table says of a name; None when it says nothing, or is none."""
    wanted = _key(name)
    try:
        with path.open("rb", buffering=0) as file:
            size = file.seek(0, os.SEEK_END) - len(_MAGIC)
            low, high = 0, size // _RECORD.size
            file.seek(0)
            if size < 0 or size % _RECORD.size or file.read(len(_MAGIC)) != _MAGIC:
                return None
            while low < high:
                middle = (low + high) // 2
                file.seek(len(_MAGIC) + middle * _RECORD.size)
                key, value, length = _RECORD.unpack(file.read(_RECORD.size))
                if key == wanted:
                    digest = None if value == _NO_DIGEST else Digest("sha256", value.hex())
                    return Entry(digest, None if length < 0 else length)
                low, high = (middle + 1, high) if key < wanted else (low, middle)
    except (OSError, struct.error):
        return None
    return None
