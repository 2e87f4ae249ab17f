"""What tells that two answers are of the very same bytes: RFC 9110 sections 8.8 and 13.1.5. Pure.

One rule for whoever puts bytes of two answers together: the first one named a validator, and the
second one says it again. Where there is none, one begins at the start.
"""

from __future__ import annotations

from collections.abc import Mapping

from headrace.http.dates import epoch_of

__all__ = ["same_version", "strong_etag", "validator"]


def strong_etag(etag: str | None) -> str | None:
    """Return an entity tag that stands for the very bytes; None for a weak one, or none."""
    etag = (etag or "").strip()
    return etag if len(etag) > 2 and etag[0] == etag[-1] == '"' else None


def validator(headers: Mapping[str, str]) -> str | None:
    """Return what names the very bytes of an answer, as If-Range takes it; None: nothing does.

    A strong entity tag, else a Last-Modified that lies at least a second before the answer's Date:
    a file that was changed in the second in which it was asked for may change once more in it.
    """
    etag = headers.get("etag")
    if etag is not None and (strong := strong_etag(etag)) is not None:
        return strong
    modified = headers.get("last-modified", "").strip()
    changed, asked = epoch_of(modified), epoch_of(headers.get("date", ""))
    known = changed is not None and asked is not None and asked - changed >= 1
    return modified if known else None


def same_version(named: str | None, status: int, headers: Mapping[str, str]) -> bool:
    """Whether an answer is of the version that a validator names.

    A 206 to If-Range with a date need not repeat the date (RFC 9110 section 15.3.7).
    """
    if named is None:
        return False
    if named.startswith('"'):
        return strong_etag(headers.get("etag")) == named
    modified = headers.get("last-modified", "").strip()
    return modified == named or (status == 206 and not modified)
