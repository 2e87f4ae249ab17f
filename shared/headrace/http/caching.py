"""How long a page is believed, and what of an answer is worth keeping (RFC 9111). Pure."""

from __future__ import annotations

from collections.abc import Mapping

from headrace.models import Document

__all__ = [
    "BREATH",
    "TOLERATED",
    "forbids_storing",
    "freshness_lifetime",
    "is_fresh",
    "request_max_age",
    "storable_headers",
]

#: Seconds for which a page of an origin that names no lifetime is believed.
DEFAULT_LIFETIME = 10.0
#: What an origin that wants every use revalidated still grants: the client's question and the
#: read-ahead that came just before it are one use.
BREATH = 3.0
#: Longest lifetime that an origin is believed for.
LONGEST_LIFETIME = 3600.0
#: Age in seconds that satisfies ``max-age=0``. Some clients send it with every request without
#: meaning it; who means it sends ``no-cache`` (or the ecosystem says so in its plan).
TOLERATED = 10.0
#: What the standard puts in place of larger numbers.
_MOST_SECONDS = float(2**31)
#: Headers that say something about one transport and nothing about the page.
_PASSING = frozenset(
    [
        "accept-ranges",
        "age",
        "alt-svc",
        "cache-control",
        "connection",
        "content-security-policy",
        "content-type",
        "date",
        "etag",
        "expires",
        "keep-alive",
        "last-modified",
        "nel",
        "permissions-policy",
        "pragma",
        "referrer-policy",
        "report-to",
        "server",
        "set-cookie",
        "strict-transport-security",
        "vary",
        "via",
        "www-authenticate",
    ]
)
#: Longest header that is kept, characters, and how many.
_LONGEST_HEADER = 1024
_MOST_HEADERS = 32


def directives(header: str | None) -> dict[str, str]:
    """Read a Cache-Control header into lower-case directives (RFC 9111 section 5.2)."""
    found: dict[str, str] = {}
    for part in (header or "").split(","):
        name, _, value = part.strip().partition("=")
        if name:
            found.setdefault(name.lower(), value.strip().strip('"'))
    return found


def request_max_age(headers: Mapping[str, str]) -> float | None:
    """Return the greatest age that the client accepts, in seconds; None: any (RFC 9111, 5.2.1)."""
    asked = directives(headers.get("cache-control"))
    if "no-cache" in asked or (
        "cache-control" not in headers and "no-cache" in headers.get("pragma", "")
    ):
        return 0.0
    try:
        return max(_seconds(asked["max-age"]), TOLERATED) if "max-age" in asked else None
    except ValueError:
        return TOLERATED


def freshness_lifetime(headers: Mapping[str, str]) -> float | None:
    """Return the origin's lifetime in seconds, less the age that the answer already has."""
    cache = directives(headers.get("cache-control"))
    if "no-cache" in cache or "no-store" in cache:
        return 0.0
    try:
        return max(0.0, _seconds(cache["max-age"]) - _seconds(headers.get("age") or "0"))
    except (KeyError, ValueError):
        return None


def _seconds(text: str) -> float:
    """Read delta-seconds (RFC 9111 section 1.2.2); ValueError where they are none.

    A fraction is forgiven, what is larger than any lifetime is the largest.
    """
    seconds = float(text)
    if not seconds >= 0:  # "nan" is less than nothing, too
        raise ValueError("no number of seconds")
    return min(seconds, _MOST_SECONDS)


def forbids_storing(headers: Mapping[str, str]) -> bool:
    """Whether the origin wants an answer kept by nobody (RFC 9111 section 5.2.2.5)."""
    return "no-store" in directives(headers.get("cache-control"))


def is_fresh(document: Document, greatest_age: float | None, now: float) -> bool:
    """Whether a kept page answers a client that accepts `greatest_age` seconds (None: any)."""
    age = now - document.fetched_at
    believed = DEFAULT_LIFETIME if document.max_age is None else document.max_age
    believed = min(max(believed, BREATH), LONGEST_LIFETIME)
    if greatest_age is not None:
        believed = min(believed, greatest_age)
    # A clock that was set back makes ages negative: such a page proves nothing.
    return 0 <= age < believed


def storable_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that say something about the page."""
    fit = [
        (name, value)
        for name, value in headers.items()
        if name not in _PASSING and len(value) <= _LONGEST_HEADER
    ]
    return dict(fit[:_MOST_HEADERS])
