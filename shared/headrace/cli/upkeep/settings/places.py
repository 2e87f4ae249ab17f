"""On which line of the settings file something stands. Pure."""

from __future__ import annotations

import re

from headrace.errors import HeadraceError, SettingsError

__all__ = ["line_of", "line_of_key"]

_TABLE = re.compile(r"\s*\[")
_MIRROR = re.compile(r"\s*\[\[\s*mirror\s*\]\]")
_AT_LINE = re.compile(r"\(at line ([0-9]{1,9}), column [0-9]{1,9}\)")
_AT_END = "(at end of document)"


def line_of_key(text: str, key: str) -> int | None:
    """Return the line, counted from 1, of a key above all tables; None: it is not there."""
    for number, line in enumerate(text.split("\n"), 1):
        if _TABLE.match(line):
            return None
        if _is_key(line, key):
            return number
    return None


def line_of(text: str, mistake: HeadraceError) -> int | None:
    """Return the line of a mistake; None: it cannot be told."""
    if found := _AT_LINE.search(mistake.message):
        return int(found[1])
    if _AT_END in mistake.message:
        return text.count("\n") + 1
    if not isinstance(mistake, SettingsError) or not mistake.key:
        return None
    if not mistake.entry:
        return line_of_key(text, mistake.key) or _first_mirror(text, mistake.key)
    return _line_in_table(text, mistake)


def _first_mirror(text: str, key: str) -> int | None:
    lines = text.split("\n")
    tables = (n for n, line in enumerate(lines, 1) if _MIRROR.match(line))
    return next(tables, None) if key == "mirror" else None


def _line_in_table(text: str, mistake: SettingsError) -> int | None:
    """Return the line of the field that is told, else of the table that has the id."""
    lines = text.split("\n")
    starts = [n for n, line in enumerate(lines) if _MIRROR.match(line)]
    for start in starts:
        end = next((n for n in range(start + 1, len(lines)) if _TABLE.match(lines[n])), len(lines))
        block = range(start, end)
        ids = [lines[n].partition("=")[2] for n in block if _is_key(lines[n], "id")]
        named = any(mistake.entry in each for each in ids)
        if not named and not (not ids and mistake.entry == "of no id"):
            continue
        words = mistake.message.partition(f"{mistake.entry}: ")[2].split()
        field = words[0] if words else ""
        return next((n + 1 for n in block if _is_key(lines[n], field)), start + 1)
    return None


def _is_key(line: str, key: str) -> bool:
    name = re.escape(key)
    return bool(key) and bool(re.match(rf"\s*(?:{name}|\"{name}\"|'{name}')\s*=", line))
