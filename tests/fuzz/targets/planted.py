"""Parsers that are broken on purpose: what does not find these faults finds none.

Not among the targets. `tests/unit/fuzz` runs them.
"""

from __future__ import annotations

import os

from fuzz.model import BrokenLaw, Target


def _faulty(data: bytes) -> object:
    """A list of ``word=number``, with a fault of each kind for one of the words."""
    for part in data.split(b";"):
        word, equals, rest = part.partition(b"=")
        if not equals:
            raise ValueError("no number")
        match word:
            case b"index":
                return b"abc"[int(rest)]
            case b"law" if not rest.isdigit():
                raise BrokenLaw("a number comes out as it went in")
            case b"table":
                return {b"a": 1}[rest]
            case _:
                continue
    return len(data) > 20


def _slow(data: bytes) -> object:
    """Compares each byte with each other one."""
    return sum(one == other for one in data for other in data) > 100


def _large(data: bytes) -> object:
    """Takes a MiB and more for each byte."""
    return len(b"x" * (len(data) << 20)) > 0


def _deadly(data: bytes) -> object:
    """Ends the process, as a fault in a C library does."""
    if b"(((" in data:
        os.abort()
    return data[:1]


#: Line by line, each a step: nothing but the lines that it reaches tells that an input is nearer.
def _deep(data: bytes) -> object:
    if data[:1] != b"h":
        return None
    if data[1:2] != b"e":
        return None
    if data[2:3] != b"a":
        return None
    if data[3:4] != b"d":
        return None
    if data[-1:] != b"!":
        return None
    raise KeyError("reached")


TARGETS = [
    Target("planted", _faulty, (ValueError,), (b"index", b"law=", b" "), 500),
    Target("planted-slow", _slow, ()),
    Target("planted-large", _large, (), largest=200),
    Target("planted-deadly", _deadly, (), (b"(",)),
    Target("planted-deep", _deep, ()),
]
