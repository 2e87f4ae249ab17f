"""The user's settings as text: one word or one mirror put in or taken out, all else as it stands.

Whatever way an edit is made, it is held against what the file said before: only what was meant may
differ, or the file stays as it is. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from headrace.errors import ConfigurationError
from headrace.foreign import UnreadableError, foreign, read_toml

__all__ = [
    "with_fleet",
    "with_mirror",
    "with_word",
    "without_fleet",
    "without_mirror",
    "without_word",
]

_BOM = "\ufeff"
_TABLE = "mirror"
_FLEET = "fleet"
#: Above the table that `headrace on --fleet` writes, and no other.
_OURS = "# written by `headrace on --fleet`; `headrace off` takes it out again\n"
#: A newline ends a line, and nothing else that Python ends one at.
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_KEY = re.compile(r"[a-z_]+ = ")
_HEADER = re.compile(r"\s*\[")
_MIRROR = re.compile(r"\s*\[\[\s*(?:mirror|\"mirror\"|'mirror')\s*\]\]\s*(?:#.*)?")

_Edit = Callable[[list[str]], str]


def with_word(content: bytes, key: str, word: str, path: Path) -> bytes:
    """Put a word into a list of words, which is made where there is none."""
    before = read_toml(content, path)
    words = _words(before, key)
    if word in words:
        return content
    wanted = {**before, key: [*words, word]}
    line = f"{key} = [{json.dumps(word)}]"
    ways: list[_Edit] = [lambda lines: _by_document(lines, lambda d: d[key].append(word))]
    if key not in before:
        # A text of several lines may look like a table: then it goes above everything.
        ways = [
            lambda lines: _above_tables(lines, line),
            lambda lines: line + "\n" + "".join(lines),
        ]
    return _edited(content, wanted, ways, path)


def without_word(content: bytes, key: str, word: str, path: Path) -> bytes:
    """Take a word out of a list of words, as often as it stands there."""
    before = read_toml(content, path)
    words = _words(before, key)
    if word not in words:
        return content
    wanted = {**before, key: [each for each in words if each != word]}

    def take_out(document: Any) -> None:
        while word in document[key]:
            document[key].remove(word)

    return _edited(content, wanted, [lambda lines: _by_document(lines, take_out)], path)


def with_mirror(content: bytes, fields: Mapping[str, str | bool], path: Path) -> bytes:
    """Put a ``[[mirror]]`` table at the end."""
    before = read_toml(content, path)
    wanted = {**before, _TABLE: [*before.get(_TABLE, []), dict(fields)]}
    # JSON's strings and booleans are TOML's too.
    told = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]
    table = "\n".join([f"[[{_TABLE}]]", *told])

    def at_the_end(lines: list[str]) -> str:
        text = "".join(lines)
        end = "" if not text or text.endswith("\n") else "\n"
        gap = "\n" if text.strip() else ""
        return f"{text}{end}{gap}{table}\n"

    return _edited(content, wanted, [at_the_end], path)


def without_mirror(content: bytes, mirror: str, path: Path) -> bytes:
    """Take the ``[[mirror]]`` tables of an id out; comments that stand above the next one stay."""
    before = read_toml(content, path)
    tables = before.get(_TABLE, [])
    left = [each for each in tables if each.get("id") != mirror]
    if len(left) == len(tables):
        return content
    wanted = {key: value for key, value in before.items() if key != _TABLE}
    wanted |= {_TABLE: left} if left else {}
    gone = [number for number, each in enumerate(tables) if each.get("id") == mirror]
    return _edited(content, wanted, [lambda lines: _without_tables(lines, gone)], path)


def with_fleet(content: bytes, fields: Mapping[str, str], path: Path) -> bytes:
    """Put the ``[fleet]`` table at the end, in the place of one that was put there in this way.

    ConfigurationError where there is one that somebody else wrote, and it says something else.
    """
    if read_toml(content, path).get(_FLEET) == dict(fields):
        return content
    content = without_fleet(content, path)
    before = read_toml(content, path)
    if _FLEET in before:
        raise ConfigurationError(
            "fleet-is-yours",
            f"{path} has a table [fleet] that headrace has not written",
            hint="change it there: `headrace config edit`; nothing was changed",
            fault_of="your settings",
        )
    told = [f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in fields.items()]

    def at_the_end(lines: list[str]) -> str:
        text = "".join(lines)
        end = "" if not text or text.endswith("\n") else "\n"
        gap = "\n" if text.strip() else ""
        return "".join([text, end, gap, _OURS, f"[{_FLEET}]\n", *told])

    return _edited(content, {**before, _FLEET: dict(fields)}, [at_the_end], path)


def without_fleet(content: bytes, path: Path) -> bytes:
    """Take the ``[fleet]`` table out that `with_fleet` has put in, and no other."""
    if _OURS.strip().encode() not in content:
        return content
    before = read_toml(content, path)
    if _FLEET not in before:
        return content
    wanted = {key: value for key, value in before.items() if key != _FLEET}

    def take_out(lines: list[str]) -> str:
        start = next(n for n, each in enumerate(lines) if each.strip() == _OURS.strip())
        end = start + 2
        while end < len(lines) and _KEY.match(lines[end]):
            end += 1
        gap = start > 0 and not lines[start - 1].strip()
        return "".join([*lines[: start - gap], *lines[end:]])

    return _edited(content, wanted, [take_out], path)


def _words(table: Mapping[str, Any], key: str) -> list[Any]:
    words = table.get(key, [])
    return words if isinstance(words, list) else []


def _edited(content: bytes, wanted: dict[str, Any], ways: list[_Edit], path: Path) -> bytes:
    text = content.decode("utf-8")
    mark = _BOM if text.startswith(_BOM) else ""
    lines = _LINE.findall(text.removeprefix(_BOM))
    new_line = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    for edit in ways:
        try:
            made = edit(lines)
            after = (mark + re.sub(r"\r?\n", new_line, made)).encode()
            same = read_toml(after, path) == wanted
        except (UnreadableError, ConfigurationError):
            continue
        if same:
            return after
    raise ConfigurationError(
        "not-edited",
        f"{path} is written in a way that cannot be edited without changing more than was asked",
        hint="change that line by hand: `headrace config edit`; nothing was changed",
        fault_of="your settings",
    )


def _by_document(lines: list[str], change: Callable[[Any], None]) -> str:
    import tomlkit  # noqa: PLC0415 - most commands only read

    with foreign("TOML"):
        document = tomlkit.parse("".join(lines))
        change(document)
        return tomlkit.dumps(document)


def _above_tables(lines: list[str], line: str) -> str:
    """Put a key above the first table, and above the comment that belongs to that."""
    first = next((n for n, each in enumerate(lines) if _HEADER.match(each)), len(lines))
    if first == len(lines):
        text = "".join(lines)
        return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{line}\n"
    while first and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return "".join([*lines[:first], f"{line}\n", "\n", *lines[first:]])


def _without_tables(lines: list[str], numbers: list[int]) -> str:
    kept: list[str] = []
    for number, block in _blocks(lines):
        if number not in numbers:
            kept += block
            continue
        # What stands above the next table, behind a gap, is that one's.
        end = len(block)
        while end > 1 and block[end - 1].lstrip().startswith("#"):
            end -= 1
        gap = end > 1 and not block[end - 1].strip()
        kept += block[end:] if gap else []
    while kept and not kept[-1].strip():
        kept.pop()
    return "".join(kept)


def _blocks(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Give the lines by the table that they stand in: -1 outside of mirrors, else which it is."""
    number, count, block = -1, 0, list[str]()
    for line in lines:
        mirror = _MIRROR.fullmatch(line.rstrip("\r\n")) is not None
        if mirror or (number >= 0 and _HEADER.match(line) and not line.lstrip().startswith("[[")):
            yield number, block
            block = []
            number, count = (count, count + 1) if mirror else (-1, count)
        block.append(line)
    yield number, block
