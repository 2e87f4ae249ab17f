"""What is said of a document that goes as it is: by its origin, and by us to clients. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

from headrace.http.caching import freshness_lifetime, storable_headers
from headrace.http.conditional import matches
from headrace.models import Digest, Document

__all__ = [
    "WANTED_DIGEST",
    "about_caches",
    "document_of",
    "head_for",
    "is_known",
    "stated_digest",
]

#: How an origin is asked to state what `stated_digest` reads (RFC 9530 section 4). What object
#: stores want instead is not sent: where a request was signed, one more header of theirs spoils it.
WANTED_DIGEST = "sha-256=10"
#: Headers of one way to carry the body, which is not ours.
_CARRIAGE = ("content-encoding", "content-length", "transfer-encoding", "content-range")


def document_of(url: str, headers: Mapping[str, str], now: float) -> Document:
    """Keep what the origin says; the body lies elsewhere."""
    kept = {k: v for k, v in storable_headers(headers).items() if k not in _CARRIAGE}
    return Document(
        url=url,
        body=b"",
        content_type=headers.get("content-type", "application/octet-stream"),
        etag=headers.get("etag"),
        last_modified=headers.get("last-modified"),
        fetched_at=now,
        max_age=freshness_lifetime(headers),
        headers={**kept, **about_caches(headers)},
    )


def about_caches(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what clients keep their own caches by: told as it came."""
    age = headers.get("age", "")
    return {
        "cache-control": headers.get("cache-control", ""),
        "age": age if age.isdecimal() and len(age) < 10 else "0",
    }


def stated_digest(headers: Mapping[str, str]) -> Digest | None:
    """Return the SHA-256 of the bytes, where the origin states it: as RFC 9530 (section 3) has it,
    or as the object stores that serve channels do.
    """
    fields = headers.get("repr-digest", "")
    found = re.search(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]{44}):", fields)
    text = found[1] if found else headers.get("x-amz-checksum-sha256", "").strip()
    try:
        value = base64.b64decode(text, validate=True)
        return Digest("sha256", value.hex())  # that of a file put up in parts is longer
    except ValueError:
        return None


def head_for(document: Document, now: float, *, stale: bool = False) -> dict[str, str]:
    """Return the head of an answer: the origin's own, as far as it speaks of the document."""
    headers = {"content-type": document.content_type}
    if document.etag:
        headers["etag"] = document.etag
    if document.last_modified:
        headers["last-modified"] = document.last_modified
    if cache := document.headers.get("cache-control"):
        headers["cache-control"] = cache
    if stale:
        headers["cache-control"] = "no-cache"
        headers["warning"] = '110 headrace "Response is Stale"'
    # Also the age that it had when it came (RFC 9111 section 4.2.3).
    age = max(0, int(now - document.fetched_at)) + int(document.headers.get("age") or 0)
    if age > 0:
        headers["age"] = str(age)
    return headers


def is_known(asked: Mapping[str, str], document: Document) -> bool:
    """Whether the client has this very version (RFC 9110 sections 13.1.2 and 13.1.3)."""
    if "if-none-match" in asked:
        return matches(asked["if-none-match"], [document.etag] if document.etag else [])
    since = asked.get("if-modified-since")
    return since is not None and since == document.last_modified
