"""The border to text that others wrote: whatever a parser raises there leaves as one error of ours.

Who writes a page, a shard, a header or a configuration file decides what its parser meets, and no
list of exception classes is ever complete: deep nesting is a `RecursionError`, a number can be an
`OverflowError`, a table where a list should be an `AttributeError`. So a parser is wrapped once,
where the text comes in, and what stands behind the border handles one class. Pure.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

from headrace.errors import ConfigurationError, HeadraceError

__all__ = [
    "UnreadableError",
    "foreign",
    "read_json",
    "read_json_or_none",
    "read_toml",
    "reason",
    "whole_number",
]

#: Characters of a parser's own words that are repeated.
_LONGEST = 200
#: Digits of a number that counts anything.
_DIGITS = 18
#: Dots in one line of TOML.
_MOST_DOTS = 1000
#: Characters of TOML 1.1 that are read: no tool's settings are longer.
_LONGEST_NEWER = 16 << 10


class UnreadableError(HeadraceError, ValueError):
    """Text of somebody else's is not what it should be. The fault of whoever wrote it.

    A `ValueError` too, which is what the hooks promise.
    """

    fault_of = "whoever wrote it"

    def __init__(self, what: str, why: str) -> None:
        """Name what was read, and the parser's reason."""
        super().__init__("unreadable", f"{what} cannot be read: {why}")


def reason(error: BaseException) -> str:
    """Say in one short line what a parser met."""
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    said = "".join(c if c.isprintable() else " " for c in str(error)[:_LONGEST])
    told = " ".join(said.split())
    # Only those words are meant for people.
    plain = told and isinstance(error, ValueError)
    return told if plain else f"{type(error).__name__} {told}".strip()


@contextlib.contextmanager
def foreign(what: str, error: Callable[[str], HeadraceError] | None = None) -> Iterator[None]:
    """Inside, a parser reads foreign text; as a context or as a function's decorator.

    Errors of ours pass, all others become what `error` makes of the reason: `UnreadableError` where
    it is not given. Memory that has run out is nobody's text.
    """
    try:
        yield
    except (HeadraceError, MemoryError):
        raise
    except Exception as met:
        why = reason(met)
        raise (error(why) if error is not None else UnreadableError(what, why)) from met


def whole_number(text: str) -> int | None:
    """Return the number that a word is; None where it is none.

    ``isdigit`` is not enough: it takes signs for digits (``\u00b2``) that `int` does not take, nor
    does `int` take thousands of them.
    """
    return int(text) if len(text) <= _DIGITS and text.isascii() and text.isdigit() else None


def read_json(text: bytes | str, what: str = "JSON") -> Any:
    """Read JSON (RFC 8259), for UnreadableError: numbers that it does not know are none."""
    import json  # noqa: PLC0415 - who only asks where files lie need not pay

    with foreign(what):
        return json.loads(text, parse_constant=_no_number, parse_float=_finite)


def read_json_or_none(text: bytes | str) -> Any:
    """Read what a program says; None for what is no JSON."""
    try:
        return read_json(text)
    except UnreadableError:
        return None


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is out of range")
    return number


def read_toml(
    content: bytes, path: object, *, hint: str = "mend it; nothing was changed"
) -> dict[str, Any]:
    """Read a TOML file; ConfigurationError names it."""
    import tomllib  # noqa: PLC0415 - as above

    def broken(why: str) -> ConfigurationError:
        return ConfigurationError("bad-toml", f"{path} cannot be read: {why}", hint=hint)

    with foreign("TOML", broken):
        # Some tools take a byte order mark, and the others stop before our edit as after it.
        text = content.decode("utf-8").removeprefix("\ufeff")
        # The library looks at each part of a dotted key once for every part before it.
        if any(line.count(".") > _MOST_DOTS for line in text.splitlines()):
            raise ValueError(f"a line has more than {_MOST_DOTS} dots")
        try:
            return tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            if (newer := _newer_toml(text)) is None:
                raise error from None
            return newer


def _newer_toml(text: str) -> dict[str, Any] | None:
    """Read TOML 1.1, as some tools do and Python's own library does from 3.15 on; None: none."""
    if len(text) > _LONGEST_NEWER:
        return None
    import tomlkit  # noqa: PLC0415 - most files are none, and most commands need it not

    try:
        document: dict[str, Any] = tomlkit.parse(text).unwrap()
    except Exception:  # noqa: BLE001 - whatever is wrong, Python's own words are the clearer
        return None
    return document
