"""One key in a TOML file, set and taken back, with everything else left as it is.

A value is a string, or a list of strings on one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headrace.errors import ConfigurationError
from headrace.foreign import foreign, read_toml

__all__ = ["MARK", "get", "get_list", "is_marked", "load", "set_key", "unset_key"]

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
        for line in content.decode("utf-8").splitlines()
    )


def set_key(content: bytes, keys: Sequence[str], value: str | Sequence[str], path: Path) -> bytes:
    """Set a key, making its tables where they are missing."""
    before = load(content, path)
    import tomlkit  # noqa: PLC0415 - `headrace status` only reads

    plain = value if isinstance(value, str) else list(value)
    with foreign("TOML", lambda why: _not_ours(path, why)):
        document = tomlkit.parse(content.decode("utf-8"))
        table: Any = document
        for key in keys[:-1]:
            if key not in table:
                table[key] = tomlkit.table()
            table = table[key]
        item = tomlkit.item(plain)
        item.comment(MARK)
        table[keys[-1]] = item
        text = tomlkit.dumps(document)
    # tomlkit writes "\n"; a file with "\r\n" stays one.
    if b"\r\n" in content:
        text = text.replace("\r\n", "\n").replace("\n", "\r\n")
    after = text.encode()
    try:
        as_it_would_be = load(after, path)
    except ConfigurationError as error:
        raise _not_ours(path, error.message) from error
    if _with(before, keys, plain) != as_it_would_be:
        raise _not_ours(path, "the edit would change more than one key")
    return after


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

    document = tomlkit.parse(content.decode("utf-8"))
    tables: list[Any] = [document]
    for key in keys[:-1]:
        tables.append(tables[-1][key])
    if back is not None:
        tables[-1][keys[-1]] = back if isinstance(back, str) else list(back)
        item = tables[-1][keys[-1]]
        if isinstance(item, Item):
            item.trivia.comment = ""
        return tomlkit.dumps(document).encode()
    del tables[-1][keys[-1]]
    for table, key in reversed(list(zip(tables, keys[:-1], strict=False))):
        if not table[key]:
            del table[key]
    return tomlkit.dumps(document).encode()


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
