"""What a client's request means, read from its head alone: target, host, token. Pure functions;
nothing here waits or sends.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

__all__ = [
    "MAX_HEADERS",
    "MAX_LINES",
    "MAX_TARGET",
    "BadTarget",
    "RequestTarget",
    "authorised",
    "certificate_names",
    "host_is_ours",
    "join_headers",
    "parse_target",
    "read_target",
]

#: Longest request target and largest header block, bytes; real clients stay far below both.
MAX_TARGET = 4096
MAX_HEADERS = 64 * 1024
#: Most lines of headers.
MAX_LINES = 128

_ABSOLUTE = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*)://([^/?]*)(/[^?]*)?(?:\?(.*))?", re.DOTALL)
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\\ufffd]")
_ENCODED_SLASH = re.compile(r"(?i)%2f")


class BadTarget(ValueError):  # noqa: N818 - says whose fault it is
    """The request target is one that no honest client of ours sends."""

    def __init__(self, words: str, status: int = 400) -> None:
        """`status` is what the client is told."""
        super().__init__(words)
        self.status = status


class RequestTarget(NamedTuple):
    """A request target, whatever its form was."""

    path: bytes
    """As it was written; `read_target` decodes it."""
    query: bytes
    authority: str | None
    """Of the absolute form: it counts, and the Host header does not (RFC 9112 section 3.2.2)."""


def parse_target(method: str, raw: bytes) -> RequestTarget:
    """Read a target in one of the four forms of RFC 9112 section 3.2.

    The authority form and the asterisk form are for methods that are not served here (405); where
    they stand with another method they are malformed.
    """
    if len(raw) > MAX_TARGET:
        raise BadTarget("the target is too long")
    if b"#" in raw:
        raise BadTarget("a fragment is for the client alone")
    if raw.startswith(b"/"):
        path, _, query = raw.partition(b"?")
        return RequestTarget(path, query, None)
    if method == "CONNECT" or (method == "OPTIONS" and raw == b"*"):
        return RequestTarget(b"/", b"", None)
    absolute = _ABSOLUTE.fullmatch(raw)
    if absolute is None:
        raise BadTarget("the target has none of the forms of RFC 9112 section 3.2")
    scheme, authority, path, query = absolute.groups()
    if scheme.lower() != b"http":
        raise BadTarget("this is a gateway on loopback, no proxy", 421)
    if not authority or b"@" in authority:
        raise BadTarget("the target names no host, or a user (RFC 9110 sections 4.2.1 and 4.2.4)")
    return RequestTarget(path or b"/", query or b"", authority.decode("latin-1"))


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


def host_is_ours(host: str | None, port: int | None, names: Collection[str] = _LOOPBACK) -> bool:
    """Whether the Host header names this gateway, on loopback or by other `names`.

    A page in a browser can make its own name resolve to 127.0.0.1 (DNS rebinding), but it cannot
    make the browser send another Host than that name.
    """
    if host is None:
        return False
    name, colon, number = host.strip().lower().rpartition(":")
    if not colon or number.endswith("]"):
        name, number = host.strip().lower(), "80"
    return name in names and (port is None or number == str(port))


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


def certificate_names(certificate: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the names of a client's certificate, as `ssl` gives one that was verified."""
    if not certificate:
        return ()
    subject = (pair for part in certificate.get("subject", ()) for pair in part)
    common = [value for key, value in subject if key == "commonName"]
    others = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"]
    return tuple(dict.fromkeys([*common, *others]))
