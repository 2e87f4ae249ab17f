"""What a request's fields ask for of a representation that is here: encoding, conditions, a range.

RFC 9110 sections 12.5.3, 13 and 14. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from headrace.http.ranges import RangeRequest

__all__ = ["SelectedRange", "accepts_gzip", "matches", "select_range"]


@dataclass(frozen=True, slots=True)
class SelectedRange:
    """What part of a file a client wants, as a half-open interval."""

    start: int
    end: int
    partial: bool
    """True: answer 206."""


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name.lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def accepts_gzip(header: str | None) -> bool:
    """Whether Accept-Encoding admits gzip (RFC 9110 section 12.5.3)."""
    star = False
    for part in (header or "").split(","):
        coding, _, parameters = part.strip().partition(";")
        name = coding.strip().lower()
        if name in ("gzip", "x-gzip"):
            return _quality(parameters) > 0
        if name == "*":
            star = _quality(parameters) > 0
    return star


def matches(header: str | None, etags: Iterable[str]) -> bool:
    """Weak comparison of If-None-Match with our entity tags (RFC 9110 section 13.1.2)."""
    if header is None:
        return False
    if header.strip() == "*":
        return True
    given = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return any(tag.removeprefix("W/") in given for tag in etags)


def select_range(headers: Mapping[str, str], size: int, etag: str) -> SelectedRange:
    """Read Range and If-Range (RFC 9110 sections 13.1.5 and 14.2); Unsatisfiable for a 416.

    Several ranges, other units and nonsense are answered with the whole file, as the RFC allows.
    A date in If-Range is never a match: a file's time here says nothing about its content.
    """
    whole = SelectedRange(0, size, partial=False)
    asked = RangeRequest.parse(headers.get("range"))
    if asked is None:
        return whole
    condition = headers.get("if-range")
    if condition is not None and (condition.strip() != etag or etag.startswith("W/")):
        return whole
    start, end = asked.resolve(size)
    return SelectedRange(start, end, partial=True)
