"""The body of an answer with several parts of one file: multipart/byteranges. Pure.

RFC 9110 section 14.6, in the syntax of RFC 2046 section 5.1. A part's own head stands before it,
a last line behind them all; all of it is counted before the first byte goes out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from headrace.http.conditional import SelectedRanges
from headrace.http.ranges import ContentRange

__all__ = ["Framing", "framing_of"]

#: A type as it can stand in a line of its own (RFC 9110 section 5.5), whoever wrote it.
_LINE = re.compile(r"[\x20-\x7e]{1,200}")


@dataclass(frozen=True, slots=True)
class Framing:
    """What stands around the parts of a body; nothing around one part alone."""

    heads: tuple[bytes, ...]
    """What goes out before each part."""
    end: bytes
    """What goes out behind the last one."""
    content_type: str | None = None
    """Of the whole answer; None: the file's own."""

    @property
    def length(self) -> int:
        """How many bytes all of it is."""
        return sum(map(len, self.heads)) + len(self.end)


def framing_of(selected: SelectedRanges, content_type: str, boundary: str) -> Framing:
    """Frame what was selected of a file of this type.

    `boundary` is a token that nobody can have put into the file: a fresh random one. One part goes
    without a frame, also where more were asked for: who asked for one may know no other form.
    """
    if len(selected.parts) == 1:
        return Framing((b"",), b"")
    told = f"Content-Type: {content_type}\r\n" if _LINE.fullmatch(content_type) else ""
    heads = tuple(
        f"\r\n--{boundary}\r\n{told}"
        f"Content-Range: {ContentRange(start, end, selected.size)}\r\n\r\n".encode("ascii")
        for start, end in selected.parts
    )
    heads = (heads[0].removeprefix(b"\r\n"), *heads[1:])
    kind = f"multipart/byteranges; boundary={boundary}"
    return Framing(heads, f"\r\n--{boundary}--\r\n".encode("ascii"), kind)
