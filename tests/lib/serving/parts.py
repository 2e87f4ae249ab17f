"""Answers with several parts of a file, read as a client reads them."""

from __future__ import annotations

import email.parser
import email.policy
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Part", "parts_of"]


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its own two headers, and its bytes."""

    content_type: str
    content_range: str
    data: bytes


def parts_of(headers: Mapping[str, str], body: bytes) -> list[Part]:
    """Return the parts of an answer, by the standard library's parser of mail (RFC 2046); of one
    that has no frame, the only one.
    """
    kind = headers["content-type"]
    if not kind.startswith("multipart/byteranges"):
        return [Part(kind, headers["content-range"], body)]
    assert "content-range" not in headers
    head = f"Content-Type: {kind}\r\n\r\n".encode()
    read = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    assert not read.defects
    found = []
    for part in read.iter_parts():
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        found.append(Part(str(part["content-type"]), str(part["content-range"]), data))
    return found
