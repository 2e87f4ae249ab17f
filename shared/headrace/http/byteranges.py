"""The body of an answer with several parts of one file: multipart/byteranges. Pure.

RFC 9110 section 14.6, in the syntax of RFC 2046 section 5.1: written for clients, all of it counted
before the first byte goes out, and read as it comes from an upstream.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from headrace.http.conditional import SelectedRanges
from headrace.http.ranges import ContentRange
from headrace.values import dataclass

__all__ = ["Framing", "PartsParser", "framing_of"]

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

    `boundary` is a token that nobody can have put into the file. One part goes
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


#: RFC 2046 section 5.1.1; it ends with no space.
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_RANGE_LINE = re.compile(rb"content-range:([^\r\n]*)", re.IGNORECASE)
#: Bytes of all that stands between the bytes of two parts.
_LONGEST = 4096


class PartsParser:
    """Reads such a body. How long a part is, its own Content-Range says: its bytes are looked at by
    nobody, and cost what they are.
    """

    def __init__(self, content_type: str, size: int) -> None:
        """Begin with the answer's Content-Type; `size` is that of the whole file. ValueError where
        it is no such answer.
        """
        line = b"--" + _boundary(content_type).encode("ascii")
        self._last = line + b"--"
        self._head = re.compile(
            rb"(?:\r\n)*" + re.escape(line) + rb"(?:(?P<end>--)"
            rb"|[ \t]*\r\n(?P<lines>(?:[^\r\n]+\r\n)*)\r\n)"
        )
        self._size = size
        self._waiting = bytearray()
        """The beginning of what stands between two parts."""
        self._at, self._left = 0, 0
        """Where in the file the part's next byte belongs, and how many come."""
        self.ended = False
        """The last line was there; what comes behind it is nothing (RFC 2046 section 5.1.1)."""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Take what came; give what it holds of the file, each with its offset. ValueError where
        the body is not what it should be.
        """
        while data and not self.ended:
            if self._left:
                part, data = data[: self._left], data[self._left :]
                at, self._at, self._left = self._at, self._at + len(part), self._left - len(part)
                yield at, part
            else:
                data = self._between(data)

    def _between(self, data: bytes) -> bytes:
        """Read on between two parts; return what is behind."""
        room = _LONGEST - len(self._waiting)
        self._waiting += data[:room]
        # Looked for first, so that crumbs cost no more than they are.
        whole = b"\r\n\r\n" in self._waiting or self._last in self._waiting
        match = self._head.match(self._waiting) if whole else None
        if match is None:
            if len(self._waiting) >= _LONGEST:
                raise ValueError("no part begins where one should")
            return b""
        behind = bytes(self._waiting[match.end() :]) + data[room:]
        if match["end"]:
            self.ended = True
        else:
            self._begin(bytes(match["lines"]))
        self._waiting = bytearray()
        return behind

    def _begin(self, lines: bytes) -> None:
        told = [found for line in lines.split(b"\r\n") if (found := _RANGE_LINE.fullmatch(line))]
        if len(told) != 1:
            raise ValueError("a part does not say where it belongs")
        there = ContentRange.parse(told[0][1].decode("latin-1"))
        if there.start is None or there.end is None or there.end > self._size:
            raise ValueError("a part lies outside of the file")
        if there.total not in (None, self._size):
            raise ValueError("a part is of another file")
        self._at, self._left = there.start, there.end - there.start


def _boundary(content_type: str) -> str:
    kind, *parameters = content_type[:_LONGEST].split(";")
    if kind.strip().lower() == "multipart/byteranges":
        for each in parameters:
            name, _, value = each.strip().partition("=")
            text = value.removeprefix('"').removesuffix('"')
            if name.lower() == "boundary" and _BOUNDARY.fullmatch(text):
                return text
    raise ValueError("not an answer with several parts")
