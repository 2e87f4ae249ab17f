"""Rows of text for people at any width: columns where they fit, a wrapped last column where it does
not, and a paragraph for each row in a narrow terminal. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from headrace.cli.language.spoken import translated
from headrace.cli.upkeep.shown.folding import columns_of, fold, padded

__all__ = ["bar", "laid_out"]

#: Between two columns.
_GAP = "  "
#: A last column that is narrower than this is no column.
_NARROWEST = 24
_INDENT = "  "
#: Parts of a bar's last cell, an eighth each; and of whoever can show no more than ASCII.
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def laid_out(
    rows: Sequence[Sequence[str]], width: int | None, headings: Sequence[str] = ()
) -> list[str]:
    """Return the lines of rows. `width` None: nobody looks, so nothing is wrapped."""
    if not rows:
        return []
    rows, headings = [_said(row) for row in rows], _said(headings)
    every = [*([headings] if headings else []), *rows]
    columns = len(every[0])
    widths = [max(columns_of(row[column]) for row in every) for column in range(columns)]
    before = sum(widths[:-1]) + len(_GAP) * (columns - 1)
    left = None if width is None else width - before
    if left is not None and left < min(_NARROWEST, widths[-1]):
        return [line for row in rows for line in _paragraph(row, width or 0)]
    lines: list[str] = []
    for row in every:
        head = _GAP.join(padded(text, widths[n]) for n, text in enumerate(row[:-1]))
        parts = fold(row[-1], left, "")
        lines.append(f"{head}{_GAP if head else ''}{parts[0]}".rstrip())
        lines += [f"{' ' * before}{part}" for part in parts[1:]]
    return lines


def _said(row: Sequence[str]) -> list[str]:
    """Return a row in the reader's language, whose widths are others."""
    return [translated(text) for text in row]


def bar(share: float, width: int, *, plain: bool = False) -> str:
    """Draw a share, from 0 to 1, of so many cells; `plain`: in ASCII."""
    filled = max(0.0, min(1.0, share)) * width
    if plain:
        return ("#" * round(filled)).ljust(width)
    whole = int(filled)
    rest = _EIGHTHS[int((filled - whole) * 8)].strip()
    return (_EIGHTHS[-1] * whole + rest).ljust(width)


def _paragraph(row: Sequence[str], width: int) -> list[str]:
    first, *rest = [text for text in row if text]
    lines = fold(first, width, "")
    for text in rest:
        lines += [f"{_INDENT}{line}" for line in fold(text, width - len(_INDENT), "")]
    return lines
