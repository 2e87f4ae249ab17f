"""Sentences in the lines of a terminal: folded between words, with a hanging indent. Pure.

Widths are columns, of which a Chinese character takes two. What is to be copied (a command in
backticks, a URL, a path) is never broken: it is longer than the line rather than two halves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

__all__ = ["columns_of", "cut", "fold", "hanging", "padded", "places"]

#: Narrower terminals are written to as if they had so many columns.
_NARROWEST = 20
#: Characters that take two columns and have no spaces between words: a line may end after each
#: (CJK symbols, kana, ideographs, hangul, full-width forms).
_WIDE = (
    "\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6"
)
#: What begins no line, and what ends none (GB/T 15834, 5.1).
_CLOSING = (
    "\u3001\u3002\u3009\u300b\u300d\u300f\u3011\u3015\u2019\u201d"
    "\uff01\uff09\uff0c\uff1a\uff1b\uff1f\uff5d"
)
_OPENING = "\u3008\u300a\u300c\u300e\u3010\u3014\u2018\u201c\uff08\uff5b"
_GAP = re.compile(r"\S {2,}(?=\S)")
_INDENT = "  "


def columns_of(text: str) -> int:
    """Return how many columns a text takes in one line."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - start-up time

    return cell_len(text)


def padded(text: str, columns: int) -> str:
    """Fill a text up with spaces to so many columns."""
    return text + " " * (columns - columns_of(text))


def cut(text: str, columns: int) -> str:
    """Shorten a text to so many columns, its end marked where something is left out."""
    if columns_of(text) <= columns:
        return text
    kept, left = [], columns - 1
    for character in text:
        left -= columns_of(character)
        if left < 0:
            break
        kept.append(character)
    return f"{''.join(kept)}…" if columns > 0 else ""


def hanging(text: str, width: int) -> str:
    """Return the indent of the further lines of a text: below its last column, where it has some
    and they leave room, else as it is indented itself, else two spaces.
    """
    fitting = 0
    for gap in _GAP.finditer(text, 0, width):
        end = columns_of(text[: gap.end()])
        fitting = end if end <= width // 2 else fitting
    own = len(text) - len(text.lstrip(" "))
    if fitting:
        return " " * fitting
    return " " * own if 0 < own <= width // 2 else _INDENT


def fold(text: str, width: int | None, indent: str | None = None) -> list[str]:
    """Return the lines of a text in so many columns, the further ones indented: by `indent`, else
    as `hanging` says. `width` None: nobody looks, and each line is as long as it is.
    """
    return [f"{before}{text[start:end]}" for before, start, end in places(text, width, indent)]


def places(
    text: str, width: int | None, indent: str | None = None
) -> Iterator[tuple[str, int, int]]:
    """Yield the lines of `fold`: what stands before each, where in the text it begins and ends."""
    offset = 0
    for line in text.split("\n"):
        before = ""
        for start, end in _parts(line, width, indent):
            yield before, offset + start, offset + end
            before = hanging(line, max(width or 0, _NARROWEST)) if indent is None else indent
        offset += len(line) + 1


def _parts(line: str, width: int | None, indent: str | None) -> Iterator[tuple[int, int]]:
    if width is None or (line.isascii() and len(line) <= width):
        yield 0, len(line)
        return
    width = max(width, _NARROWEST)
    less = columns_of(hanging(line, width) if indent is None else indent)
    # Spaces at the beginning are an indent of the text's own.
    begin, end, column, room = 0, 0, 0, width
    for piece in _piece().finditer(line):
        new = column + columns_of(line[end : piece.end()])
        if new > room and line[begin:end].strip():
            yield begin, end
            begin, room = piece.start(), width - less
            new = columns_of(piece[0])
        end, column = piece.end(), new
    yield begin, end


@cache
def _piece() -> re.Pattern[str]:
    """Return what stays in one piece: a command between backticks, a path or URL, a word, a wide
    character; with what may not stand apart from it. Made only for who has a terminal: it takes
    milliseconds.
    """
    return re.compile(
        rf"[{_OPENING}]*"
        rf"(?:`[^`\n]*`|(?:[A-Za-z][A-Za-z0-9+.-]{{0,20}}:)?/[^\s`{_CLOSING}]*|[{_WIDE}]|[^\s{_WIDE}])"
        rf"(?:(?<![{_WIDE}])(?:`[^`\n]*`|[^\s{_WIDE}]))*"
        rf"[{_CLOSING}]*"
    )
