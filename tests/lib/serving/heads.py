"""Heads that do not say what the body is."""

from __future__ import annotations

import itertools

from lib.serving.modes import Kind, Mode

__all__ = ["bend"]

_numbers = itertools.count(1)
_BOUNDARY = "a-boundary-of-the-test"


def bend(mode: Mode, code: int, extra: dict[str, str], body: bytes) -> bytes:
    """Change the fields of an answer as its mode has it; give the body that goes with them."""
    told = extra.get("Content-Range", "")
    if mode.kind is Kind.NEW_TAGS:
        extra["ETag"] = f'"version-{next(_numbers)}"'
    elif mode.kind is Kind.FALSE_GZIP:
        extra["Content-Encoding"] = "gzip"
    elif mode.kind is Kind.MORE:
        extra["Content-Length"] = str(len(body))
        return body + b"\0" * mode.at
    elif mode.kind is Kind.NO_LENGTH:
        # HTTP/1.1 without a length: only the end of the connection tells (RFC 9112 section 6.3).
        extra["Connection"] = "close"
    elif code == 206 and mode.kind is Kind.NO_RANGE_TOLD:
        del extra["Content-Range"]
    elif code == 206 and mode.kind in (Kind.WRONG_RANGE, Kind.OTHER_TOTAL):
        span, _, total = told.removeprefix("bytes ").partition("/")
        first, last = map(int, span.split("-"))
        shift, more = (mode.at, 0) if mode.kind is Kind.WRONG_RANGE else (0, mode.at)
        extra["Content-Range"] = f"bytes {first + shift}-{last + shift}/{int(total) + more}"
    elif code == 206 and mode.kind is Kind.MULTIPART:
        del extra["Content-Range"]
        kind = extra["Content-Type"]
        extra["Content-Type"] = f"multipart/byteranges; boundary={_BOUNDARY}"
        head = f"--{_BOUNDARY}\r\nContent-Type: {kind}\r\nContent-Range: {told}\r\n\r\n"
        return head.encode() + body + f"\r\n--{_BOUNDARY}--\r\n".encode()
    return body
