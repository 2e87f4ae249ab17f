"""What a request's fields ask for of a representation that is here: encoding, conditions, ranges.

RFC 9110 sections 12.5.3, 13 and 14. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from headrace.http.ranges import RangeRequest, Unsatisfiable, read_range_set
from headrace.values import dataclass
from headrace.wording import counted

__all__ = [
    "MOST_RANGES",
    "ExcessiveRanges",
    "SelectedRanges",
    "accepts_gzip",
    "matches",
    "quality",
    "select_ranges",
]

MOST_RANGES = 1024
"""Ranges of one answer: as many as clients that fetch parts of layers ask for at a time."""


class ExcessiveRanges(ValueError):  # noqa: N818 - the standard's word (section 15.5.17)
    """The ranges are more than anybody needs; those who ask for many take a 400 for "fewer"."""


@dataclass(frozen=True, slots=True)
class SelectedRanges:
    """What parts of a file a client wants, as half-open intervals, in the order of the answer."""

    parts: tuple[tuple[int, int], ...]
    """One at least; no two of them overlap."""
    size: int
    """Of the whole file."""
    partial: bool = True
    """False: answer 200, the only part is the whole."""

    @classmethod
    def whole(cls, size: int) -> SelectedRanges:
        """Select everything, as one who asks for no range does."""
        return cls(((0, size),), size, partial=False)

    @property
    def total(self) -> int:
        """How many bytes of the file are wanted."""
        return sum(end - start for start, end in self.parts)


def quality(parameters: str) -> float:
    """Return the weight that parameters say (RFC 9110 section 12.4.2); 0 for nonsense."""
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
            return quality(parameters) > 0
        if name == "*":
            star = quality(parameters) > 0
    return star


def matches(header: str | None, etags: Iterable[str]) -> bool:
    """Weak comparison of If-None-Match with our entity tags (RFC 9110 section 13.1.2)."""
    if header is None:
        return False
    if header.strip() == "*":
        return True
    given = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return any(tag.removeprefix("W/") in given for tag in etags)


def select_ranges(headers: Mapping[str, str], size: int, etag: str) -> SelectedRanges:
    """Read Range and If-Range (RFC 9110 sections 13.1.5 and 14.2).

    `Unsatisfiable` for a 416 where no range lies in the file; `ExcessiveRanges` for a 400. Other
    units and nonsense are answered with the whole file, as the RFC wants. A date in If-Range is
    never a match: a file's time here says nothing about its content.
    """
    asked = read_range_set(headers.get("range"))
    if asked is None:
        return SelectedRanges.whole(size)
    condition = headers.get("if-range")
    if condition is not None and (condition.strip() != etag or etag.startswith("W/")):
        return SelectedRanges.whole(size)
    return SelectedRanges(_parts(asked, size), size)


def _parts(asked: Sequence[RangeRequest], size: int) -> tuple[tuple[int, int], ...]:
    """Resolve ranges: each gets its part, in the order of the request (section 15.3.7.2), which is
    what clients count; only those that overlap become one, in the first one's place.
    """
    found: list[tuple[int, int, int]] = []
    nothing: Unsatisfiable | None = None
    for place, each in enumerate(asked):
        try:
            start, end = each.resolve(size)
        except Unsatisfiable as error:
            nothing = error
        else:
            found.append((start, end, place))
    if nothing is not None and not found:
        raise nothing
    found.sort()
    merged = found[:1]
    for start, end, place in found[1:]:
        low, high, first = merged[-1]
        if start < high:
            merged[-1] = low, max(high, end), min(first, place)
        else:
            merged.append((start, end, place))
    if len(merged) > MOST_RANGES:
        raise ExcessiveRanges(
            f"{counted(len(merged), 'range')} were asked for, {MOST_RANGES} is the most"
        )
    return tuple((start, end) for start, end, _ in sorted(merged, key=lambda each: each[2]))
