"""The head of an answer, made so that it can be sent whatever it was made of. Pure.

Much of a head is what somebody else wrote: an origin's ETag, a page's serial number, a plugin's
header. A server that finds out while it sends that it cannot has said nothing, or half of a head.
So everything that goes out goes through here first: what cannot be sent is left out, and a
status that is none is an error while there is still another answer to give.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, urlsplit

__all__ = ["NO_BODY", "UnsendableError", "location", "make"]

#: Statuses whose answers have no body (RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5).
NO_BODY = frozenset({204, 205, 304})
#: Characters of one value, and of all names and values: clients' own limits are 8 to 64 KiB.
_LONGEST = 8192
_LONGEST_NAME = 128
_USUAL = 100
_LONGEST_HEAD = 32 << 10
_LONGEST_LOCATION = 8000

#: RFC 9110 sections 5.1 and 5.5, with obs-text.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
#: Headers of one connection (RFC 9110 section 7.6.1), and those that the server itself writes.
_OURS = frozenset(
    {
        "connection",
        "date",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_LENGTH, _KIND = b"content-length", b"content-type"
#: Digits of a length that clients read.
_DIGITS = 18
#: What is sent of a kind that cannot be (RFC 9110 section 8.3).
_UNKNOWN_KIND = (_KIND, b"application/octet-stream")
#: For browsers: an answer is not to be had by other pages, nor taken for a script.
_FIRST = (
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
)
Raw = list[tuple[bytes, bytes]]


class UnsendableError(ValueError):
    """There is no such answer in HTTP."""


def make(status: int, headers: Mapping[str, str]) -> Raw:
    """Return the header lines that can be sent; `UnsendableError` where the status is none.

    Of a name that comes twice, in whatever case, the last counts.
    """
    if not 200 <= status <= 599:
        raise UnsendableError(f"{status!r} is no status of a whole answer")
    kept: dict[bytes, bytes] = {}
    left = _LONGEST_HEAD
    for name, value in headers.items():
        if type(name) is not str or type(value) is not str:
            continue
        key, sent = (_usual if len(value) <= _USUAL else _line)(name, value)
        no_length = status in NO_BODY or not sent.isdigit() or len(sent) > _DIGITS
        if not sent or (key == _LENGTH and no_length):
            continue
        left -= len(key) + len(sent) + 4
        if left >= 0 or key == _LENGTH:
            kept[key] = sent
    raw = [*_FIRST, *kept.items()]
    if _KIND not in kept and status not in NO_BODY and _names_a_kind(headers):
        raw.append(_UNKNOWN_KIND)
    return raw


def _line(name: str, value: str) -> tuple[bytes, bytes]:
    """Return a header as it is sent; with an empty value where it cannot be."""
    key = name.lower()
    if len(key) > _LONGEST_NAME or key in _OURS or not _NAME.fullmatch(key):
        return b"", b""
    return key.encode("ascii"), _text(value).encode("latin-1")


#: Most headers are the same over and over.
_usual = functools.lru_cache(512)(_line)


def _text(value: str) -> str:
    if len(value) > _LONGEST:
        return ""
    if value.isascii() and value.isprintable():
        return value.strip(" ")
    text = value.strip(" \t")
    return text if _VALUE.fullmatch(text) else ""


def _names_a_kind(names: Iterable[object]) -> bool:
    return any(type(name) is str and name.lower() == "content-type" for name in names)


def location(url: str) -> str | None:
    """Return a URL as a Location has it, everything else encoded; None: nobody can go there."""
    text = quote(url, safe=":/?#[]@!$&'()*+,;=%~", errors="surrogatepass")
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or len(text) > _LONGEST_LOCATION:
        return None
    return text
