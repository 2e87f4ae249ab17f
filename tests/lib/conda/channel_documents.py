"""The documents that the tests of `headrace.documents.passthrough` have served."""

from __future__ import annotations

import json
import random
import socket

__all__ = [
    "BODY",
    "FOLDER",
    "JSON",
    "MODIFIED",
    "NEWER",
    "PACKED",
    "PAGE",
    "body_of",
    "until_closed",
]

MB = 1 << 20
FOLDER = "/ch/linux-64"
PAGE = f"{FOLDER}/repodata.json"
PACKED = f"{FOLDER}/repodata.json.zst"
MODIFIED = "Wed, 01 Jan 2025 00:00:00 GMT"


def body_of(size: int, seed: str = "") -> bytes:
    """Give so many bytes that begin as Zstandard does, and four more."""
    return b"\x28\xb5\x2f\xfd" + random.Random(f"{seed}{size}").randbytes(size)


BODY = body_of(3 * MB)
NEWER = body_of(3 * MB, "newer")
JSON = json.dumps({"info": {}, "packages": {}, "filler": "x" * 300_000}).encode()


def until_closed(live: socket.socket) -> bytes:
    """Read until the other side ends it."""
    found = b""
    with live:
        while part := live.recv(1 << 16):
            found += part
    return found
