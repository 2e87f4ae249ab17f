"""What a client's request means, read from its head alone: target, host, token. Pure functions;
nothing here waits or sends.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Iterable
from urllib.parse import unquote

__all__ = [
    "MAX_HEADERS",
    "MAX_TARGET",
    "BadTarget",
    "authorised",
    "host_is_ours",
    "join_headers",
    "read_target",
]

#: Longest request target and largest header block, bytes; real clients stay far below both.
MAX_TARGET = 4096
MAX_HEADERS = 64 * 1024

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\\ufffd]")
_ENCODED_SLASH = re.compile(r"(?i)%2f")


class BadTarget(ValueError):  # noqa: N818 - says whose fault it is
    """The request target is one that no honest client of ours sends."""


def read_target(raw_path: bytes) -> str:
    """Decode a path once and make sure that it means one thing to everybody.

    Dot segments, empty segments, encoded slashes, backslashes and control characters are refused
    and not repaired: two parsers that repair differently are how a path escapes its prefix.
    """
    if len(raw_path) > MAX_TARGET:
        raise BadTarget("the target is too long")
    try:
        text = raw_path.decode("ascii")
    except UnicodeDecodeError:
        raise BadTarget("the target is not ASCII") from None
    if not text.startswith("/"):
        raise BadTarget("only the origin form of a target is served (RFC 9112 section 3.2.1)")
    if _ENCODED_SLASH.search(text):
        raise BadTarget("an encoded slash is not served")
    path = unquote(text)
    if _CONTROL.search(path):
        raise BadTarget("the target has a character that no path of ours has")
    if "//" in path or any(part in (".", "..") for part in path.split("/")):
        raise BadTarget("the target is not normalised")
    return path


def join_headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Join the lines of one name with a comma (RFC 9110 section 5.3)."""
    joined: dict[str, str] = {}
    for name, value in pairs:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        joined[key] = f"{joined[key]}, {text}" if key in joined else text
    return joined


def host_is_ours(host: str | None, port: int | None) -> bool:
    """Whether the Host header names this gateway on loopback.

    A page in a browser can make its own name resolve to 127.0.0.1 (DNS rebinding), but it cannot
    make the browser send another Host than that name.
    """
    if host is None:
        return False
    name, colon, number = host.strip().lower().rpartition(":")
    if not colon or number.endswith("]"):
        name, number = host.strip().lower(), "80"
    return name in _LOOPBACK and (port is None or number == str(port))


def authorised(header: str | None, token: str | None) -> bool:
    """Whether a Basic Authorization carries the token as its password, or no token is needed.

    Compared in constant time (RFC 7617; the user name does not matter).
    """
    if token is None:
        return True
    scheme, _, encoded = (header or "").strip().partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        _, _, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(password, token.encode())
