"""Byte ranges as RFC 9110 section 14 has them: parsed, checked against a length, and written.

Both sides of the house use these: the gateway reads a client's `Range` and writes `Content-Range`,
the transfer writes `Range` and checks the `Content-Range` of an upstream. Offsets here are
half-open, ``[start, end)``; only the text of a header has the standard's inclusive last position.
"""

from __future__ import annotations

import re

from headrace.values import dataclass
from headrace.wording import counted

__all__ = ["ContentRange", "RangeRequest", "Unsatisfiable", "read_length", "read_range_set"]

_SET = re.compile(r"bytes[ \t]*=", re.IGNORECASE)
_RANGE = re.compile(r"(?P<first>[0-9]*)-(?P<last>[0-9]*)")
_CONTENT = re.compile(
    r"[ \t]*bytes[ \t]+(?:(?P<first>[0-9]+)-(?P<last>[0-9]+)|\*)/(?P<total>[0-9]+|\*)[ \t]*",
    re.IGNORECASE,
)
#: Longer runs of digits are nobody's file; int() of them would cost the square of their length.
_DIGITS = 18


def read_length(header: str | None) -> int | None:
    """Read a `Content-Length` (RFC 9110 section 8.6); None where it is no number of bytes."""
    text = (header or "").strip(" \t")
    right = text.isascii() and text.isdigit() and len(text) <= _DIGITS
    return int(text) if right else None


class Unsatisfiable(ValueError):  # noqa: N818 - the standard's word (section 15.5.17)
    """The range is well-formed and lies outside the representation: answer 416."""


@dataclass(frozen=True, slots=True)
class RangeRequest:
    """One byte range as a client asks for it (section 14.1.2): from a place, or the last n bytes.

    Exactly one of `start` and `suffix` is set. `end` is exclusive; None: to the end.
    """

    start: int | None = None
    end: int | None = None
    suffix: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no header could say."""
        if (self.start is None) == (self.suffix is None):
            raise ValueError("a range has either a start or a suffix length")
        if self.suffix is not None and (self.suffix < 0 or self.end is not None):
            raise ValueError("a suffix range has a length and nothing else")
        if self.start is not None and self.start < 0:
            raise ValueError("a range starts at 0 or later")
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ValueError("a range holds at least one byte")

    @classmethod
    def parse(cls, header: str | None) -> RangeRequest | None:
        """Read a `Range` header that asks for one range; None for everything else."""
        found = read_range_set(header)
        return found[0] if found is not None and len(found) == 1 else None

    @classmethod
    def from_spec(cls, text: str) -> RangeRequest | None:
        """Read one range of a set; None where it is ill-formed."""
        match = _RANGE.fullmatch(text)
        if match is None or max(len(match["first"]), len(match["last"])) > _DIGITS:
            return None
        first, last = match["first"], match["last"]
        if not first:
            return cls(suffix=int(last)) if last else None
        if not last:
            return cls(start=int(first))
        if int(last) < int(first):
            return None
        return cls(start=int(first), end=int(last) + 1)

    def resolve(self, size: int) -> tuple[int, int]:
        """Return ``[start, end)`` within `size` bytes, clipped; `Unsatisfiable` when empty."""
        if self.suffix is not None:
            if self.suffix == 0 or size == 0:
                raise Unsatisfiable(f"the last {self.suffix} of {counted(size, 'byte')} are none")
            return max(0, size - self.suffix), size
        assert self.start is not None
        if self.start >= size:
            raise Unsatisfiable(f"byte {self.start} lies behind the last of {size}")
        return self.start, size if self.end is None else min(self.end, size)

    def __str__(self) -> str:
        """Write the header's value."""
        if self.suffix is not None:
            return f"bytes=-{self.suffix}"
        return f"bytes={self.start}-{'' if self.end is None else self.end - 1}"


def read_range_set(header: str | None) -> tuple[RangeRequest, ...] | None:
    """Read a `Range` header, its ranges in the order in which they stand there, at least one.

    None when it is to be ignored and the whole be sent: another unit, or anything ill-formed in it
    (section 14.2). Empty elements of the list count for nothing (section 5.6.1.2).
    """
    text = (header or "").strip(" \t")
    unit = _SET.match(text)
    if unit is None:
        return None
    found = []
    for element in text[unit.end() :].split(","):
        if spec := element.strip(" \t"):
            one = RangeRequest.from_spec(spec)
            if one is None:
                return None
            found.append(one)
    return tuple(found) or None


@dataclass(frozen=True, slots=True)
class ContentRange:
    """What a 206 or 416 says it holds (section 14.4): ``[start, end)`` of `total` bytes.

    `total` None stands for ``*``, a length that the server does not know. `start` and `end` None
    stand for the unsatisfied form of a 416, which must give the total.
    """

    start: int | None
    end: int | None
    total: int | None

    def __post_init__(self) -> None:
        """Refuse what section 14.4 calls invalid."""
        if (self.start is None) != (self.end is None):
            raise ValueError("a Content-Range has both positions or none")
        if self.start is None or self.end is None:
            if self.total is None:
                raise ValueError("an unsatisfied Content-Range gives the total")
        elif not 0 <= self.start < self.end or (self.total is not None and self.end > self.total):
            raise ValueError(f"not a range within the file: {self.start}-{self.end}/{self.total}")

    @classmethod
    def parse(cls, header: str) -> ContentRange:
        """Read a `Content-Range` header; ValueError when it is not one in bytes."""
        match = _CONTENT.fullmatch(header)
        if match is None or any(len(group or "") > _DIGITS for group in match.groups()):
            raise ValueError(f"not a Content-Range in bytes: {header[:80]!r}")
        total = None if match["total"] == "*" else int(match["total"])
        if match["first"] is None:
            return cls(None, None, total)
        return cls(int(match["first"]), int(match["last"]) + 1, total)

    def __str__(self) -> str:
        """Write the header's value."""
        total = "*" if self.total is None else self.total
        if self.start is None or self.end is None:
            return f"bytes */{total}"
        return f"bytes {self.start}-{self.end - 1}/{total}"
