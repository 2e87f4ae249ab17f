"""One member of a JSON object's text changed, the rest byte for byte (RFC 8259). Pure.

Order, spaces and line ends of the user's text stay. Whoever edits checks that the result means
what it should: `members` believes that the text is one JSON object.
"""

from __future__ import annotations

import json
import re

from headrace.interface import dataclass

__all__ = ["Member", "added", "members", "replaced", "skip", "without"]

_SPACE = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class Member:
    """One member of the outermost object: where its key and its value stand."""

    key: str
    start: int
    value: int
    end: int


def members(text: str) -> list[Member]:
    """Return the members of the outermost object."""
    decoder = json.JSONDecoder()
    at = skip(text, text.index("{") + 1)
    found = []
    while text[at] != "}":
        start = at
        key, at = decoder.raw_decode(text, at)
        value = skip(text, skip(text, at) + 1)  # past the colon
        _, end = decoder.raw_decode(text, value)
        found.append(Member(key, start, value, end))
        at = skip(text, end)
        if text[at] == ",":
            at = skip(text, at + 1)
    return found


def skip(text: str, at: int) -> int:
    """Return where the next character is that is no space."""
    match = _SPACE.match(text, at)
    return match.end() if match else at


def replaced(text: str, key: str, value: object) -> str:
    """Give a key another value; the text as it is where it has no such key. Of several the last one
    counts.
    """
    for each in reversed(members(text)):
        if each.key == key:
            return f"{text[: each.value]}{json.dumps(value)}{text[each.end :]}"
    return text


def added(text: str, key: str, value: object) -> str:
    """Add a key at the end, standing as the one before it does."""
    member = f"{json.dumps(key)}: {json.dumps(value)}"
    there = members(text)
    if not there:
        opening = text.index("{") + 1
        return f"{text[:opening]}{member}{text[opening:]}"
    last = there[-1]
    before = text[: last.start]
    space = before[len(before.rstrip(" \t\r\n")) :] or " "
    return f"{text[: last.end]},{space}{member}{text[last.end :]}"


def without(text: str, key: str) -> str:
    """Take a key out wherever it stands, with the comma that it needs no longer."""
    there = members(text)
    for number, each in enumerate(there):
        if each.key != key:
            continue
        if number + 1 < len(there):
            return without(text[: each.start] + text[there[number + 1].start :], key)
        if number:
            return text[: there[number - 1].end] + text[each.end :]
        return text[: each.start] + text[each.end :]
    return text
