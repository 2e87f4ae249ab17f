"""One key in a TOML file, set and taken back, with everything else left as it is.

A value is a string, or a list of strings on one line. Tools differ in what they read: TOML 1.0 or
1.1, with a byte order mark or without. What any of them reads is read here; where the tool itself
does not, it stops before our edit as after it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headrace.errors import ConfigurationError
from headrace.foreign import UnreadableError, foreign, read_toml

__all__ = ["MARK", "get", "get_list", "is_marked", "load", "set_key", "unset_key"]

#: A newline, alone or after a carriage return; not what else Python ends a line at.
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BOM = "\ufeff"
MARK = "written by `headrace on`, taken out by `headrace off`"


def load(content: bytes, path: Path) -> dict[str, Any]:
    """Read the file; ConfigurationError where the tool itself could not."""
    return read_toml(content, path)


def get(content: bytes, keys: Sequence[str], path: Path) -> str | None:
    """Return a string, or None where it is not set."""
    value = _value(content, keys, path)
    return value if isinstance(value, str) else None


def get_list(content: bytes, keys: Sequence[str], path: Path) -> list[str] | None:
    """Return a list of strings, or None where it is not set."""
    value = _value(content, keys, path)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    return None


def is_marked(content: bytes, keys: Sequence[str], path: Path) -> bool:
    """Whether the key stands on a line that headrace wrote."""
    value = get(content, keys, path)
    items = get_list(content, keys, path) or [] if value is None else [value]
    return bool(items) and any(
        MARK in line and all(item in line for item in items)
        for line in split(content.decode("utf-8"))
    )


def set_key(content: bytes, keys: Sequence[str], value: str | Sequence[str], path: Path) -> bytes:
    """Set a key, making its tables where they are missing, and let every other line stay."""
    plain = value if isinstance(value, str) else list(value)
    before, text = load(content, path), content.decode("utf-8")
    mark = _BOM if text.startswith(_BOM) else ""
    old = split(text.removeprefix(_BOM))
    why = "the edit would change more than one key"
    for edited in (_by_document, _by_lines):
        try:
            new = _ended_alike(old, _marked(split(edited(old, keys, plain)), plain))
            after = (mark + "".join(new)).encode()
            same = load(after, path) == _with(before, keys, plain)
        except UnreadableError as error:
            why = error.message
            continue
        except ConfigurationError:
            continue
        if same and _lost(old, new) <= _lines_of(before, keys):
            return after
    raise _not_ours(path, why)


def _by_document(lines: Sequence[str], keys: Sequence[str], value: str | list[str]) -> str:
    import tomlkit  # noqa: PLC0415 - `headrace status` only reads

    with foreign("TOML"):
        document = tomlkit.parse("".join(lines))
        table: Any = document
        for key in keys[:-1]:
            if key not in table:
                table[key] = tomlkit.table()
            table = table[key]
        item = tomlkit.item(value)
        item.comment(MARK)
        table[keys[-1]] = item
        return tomlkit.dumps(document)


def _by_lines(lines: Sequence[str], keys: Sequence[str], value: str | list[str]) -> str:
    """Put a key in that is not there yet, as text: below the header of its table where that stands
    on a line of its own, else in a new table at the end.
    """
    parts = (f"(?:{re.escape(key)}|{re.escape(_quoted(key))})" for key in keys[:-1])
    name = r"\s*\.\s*".join(parts)
    header = re.compile(rf"\[\s*{name}\s*\]\s*(?:#.*)?")
    ours = f"{_spelled(keys[-1])} = {_quoted(value)} # {MARK}\n"
    for number, line in enumerate(lines):
        if header.fullmatch(line.strip()):
            above = [*lines[:number], line if line.endswith("\n") else f"{line}\n"]
            return "".join([*above, ours, *lines[number + 1 :]])
    text = "".join(lines)
    gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    return f"{text}{gap}[{'.'.join(map(_spelled, keys[:-1]))}]\n{ours}"


def _spelled(key: str) -> str:
    return key if _BARE.fullmatch(key) else _quoted(key)


def _quoted(value: str | list[str]) -> str:
    return json.dumps(value, ensure_ascii=False)  # JSON's strings are TOML's too


def split(text: str) -> list[str]:
    """Return the lines with their ends, where TOML ends a line: nowhere else."""
    return _LINE.findall(text)


def _marked(lines: Sequence[str], value: str | list[str]) -> list[str]:
    """Say whose the key is also where it stands in a table within a line."""
    written = [value] if isinstance(value, str) else value

    def ours(line: str) -> bool:
        return MARK not in line and all(each in line for each in written)

    return [
        f"{line.rstrip()} # {MARK}{line[len(line.rstrip()) :]}" if ours(line) else line
        for line in lines
    ]


def _unmarked(lines: Sequence[str]) -> list[str]:
    """Take our mark from a line that says nothing of ours any more."""
    return [line if "://" in line else line.replace(f" # {MARK}", "") for line in lines]


def _ended_alike(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """Give the lines that are new the end that the file's first line has."""
    if not (old and old[0].endswith("\r\n")):
        return list(new)
    known = set(old)
    bare = {line for line in new if line.endswith("\n") and not line.endswith("\r\n")} - known
    return [f"{line[:-1]}\r\n" if line in bare else line for line in new]


def _lost(old: Sequence[str], new: Sequence[str]) -> int:
    """Return how many lines are not as they were; that the last one has an end now is no loss."""
    gone = Counter(old) - Counter(new)
    last = old[-1] if old else ""
    if gone[last] and any(line.rstrip("\r\n") == last for line in new):
        gone[last] -= 1
    return gone.total()


def _lines_of(document: dict[str, Any], keys: Sequence[str]) -> int:
    """Return how many lines may change: the key's own, or those of a table within a line."""
    value: Any = document
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return 2 + (len(value) if isinstance(value, list) else str(value).count("\n"))


def unset_key(
    content: bytes, keys: Sequence[str], back: str | Sequence[str] | None, path: Path
) -> bytes:
    """Give a key its old value back, or remove it, with tables that this leaves empty."""
    load(content, path)
    with foreign("TOML", lambda why: _not_ours(path, why)):
        after = _without(content, keys, back)
    load(after, path)
    return after


def _without(content: bytes, keys: Sequence[str], back: str | Sequence[str] | None) -> bytes:
    import tomlkit  # noqa: PLC0415 - as above
    from tomlkit.items import Item  # noqa: PLC0415 - as above

    text = content.decode("utf-8")
    mark = _BOM if text.startswith(_BOM) else ""
    old = split(text.removeprefix(_BOM))
    document = tomlkit.parse("".join(old))
    tables: list[Any] = [document]
    for key in keys[:-1]:
        tables.append(tables[-1][key])
    if back is not None:
        tables[-1][keys[-1]] = back if isinstance(back, str) else list(back)
        item = tables[-1][keys[-1]]
        if isinstance(item, Item):
            item.trivia.comment = ""
        return (mark + "".join(_ended_alike(old, split(tomlkit.dumps(document))))).encode()
    del tables[-1][keys[-1]]
    for table, key in reversed(list(zip(tables, keys[:-1], strict=False))):
        if not table[key]:
            del table[key]
    lines = _unmarked(split(tomlkit.dumps(document)))
    return (mark + "".join(_ended_alike(old, lines))).encode()


def _value(content: bytes, keys: Sequence[str], path: Path) -> Any:
    value: Any = load(content, path)
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _with(table: dict[str, Any], keys: Sequence[str], value: str | list[str]) -> dict[str, Any]:
    if not keys:
        return table
    first, *rest = keys
    inner = _with(dict(table.get(first, {})), rest, value) if rest else value
    return {**table, first: inner}


def _not_ours(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        "bad-toml", f"{path} cannot be edited safely: {why}", hint="nothing was changed"
    )
