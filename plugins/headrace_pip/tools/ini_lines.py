"""Edit pip's configuration as text, so that comments, order and line ends survive.

configparser, which pip reads with, cannot write a file back without losing comments. So the lines
are classed here by the same rules as its `RawConfigParser` uses, and only whole lines come or go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

__all__ = ["BEGIN", "END", "Option", "insert", "options", "sections", "strip_blocks", "wrap"]

BEGIN = b"# >>> headrace: written by `headrace on`, taken out by `headrace off`"
END = b"# <<< headrace"
KEPT = b"# headrace keeps:"

_SECTION = re.compile(rb"\[(.+)\]")
_OPTION = re.compile(rb"([^=:]*)[=:](.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Option:
    """One setting: lines [start, end) of the file."""

    section: str
    name: str
    """As pip normalises it: lower case, hyphens, without leading ``--``."""
    value: str
    start: int
    end: int


def _content(line: bytes) -> bytes:
    text = line.strip()
    return b"" if text.startswith((b"#", b";")) else text


def _indent(line: bytes) -> bytes:
    return line[: len(line) - len(line.lstrip())].strip(b"\r\n")


def sections(lines: Sequence[bytes]) -> Iterator[tuple[str, int]]:
    """Yield the sections with the numbers of their header lines."""
    for kind, name, start, _ in _scan(lines):
        if kind == "section":
            yield name, start


def options(lines: Sequence[bytes]) -> Iterator[Option]:
    """Yield every option of every section."""
    section = ""
    for kind, name, start, end in _scan(lines):
        if kind == "section":
            section = name
        elif match := _OPTION.match(lines[start].strip()):
            more = filter(None, map(_content, lines[start + 1 : end]))
            text = b"\n".join([match[2].strip(), *more])
            key = _decode(match[1].rstrip()).lower().replace("_", "-").removeprefix("--")
            yield Option(section, key, _decode(text).strip(), start, end)


def _scan(lines: Sequence[bytes]) -> Iterator[tuple[str, str, int, int]]:
    level = 0
    option: int | None = None
    end = 0
    for number, line in enumerate(lines):
        text = _content(line)
        if not text:
            continue
        indent = len(line) - len(line.lstrip())
        if option is not None and indent > level:
            end = number + 1
            continue
        level = indent
        if option is not None:
            yield "option", "", option, end
            option = None
        if match := _SECTION.match(text):
            yield "section", _decode(match[1]), number, number + 1
        else:
            option, end = number, number + 1
    if option is not None:
        yield "option", "", option, end


def _decode(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


def newline(lines: Sequence[bytes]) -> bytes:
    """Return the line end of the file."""
    for end in (b"\r\n", b"\n", b"\r"):
        if lines and lines[0].endswith(end):
            return end
    return b"\n"


def wrap(
    body: Iterable[bytes], kept: Iterable[bytes], end: bytes, indent: bytes = b""
) -> list[bytes]:
    """Return our block: the marks, the lines that it stands for as comments, and our own.

    With the old lines inside, the block can be undone even where the journal was lost.
    """
    old = [KEPT + b" " + line.rstrip(b"\r\n") for line in kept]
    return [indent + line + end if line else end for line in (BEGIN, *old, *body, END)]


def insert(lines: Sequence[bytes], section: str, setting: bytes, end: bytes) -> list[bytes] | None:
    """Put a setting in our block below a section's header; None: there is no such section."""
    for name, header in sections(lines):
        if name == section:
            # The line below must not become a continuation of ours, so ours is indented alike.
            below = next((line for line in lines[header + 1 :] if _content(line)), b"")
            head = [lines[header].rstrip(b"\r\n") + end]
            block = wrap([setting], (), end, _indent(below))
            return [*lines[:header], *head, *block, *lines[header + 1 :]]
    return None


def strip_blocks(content: bytes) -> bytes:
    """Take every block of ours out and put back what it stood for.

    A block without its end is left: then somebody cut it, and what follows is not ours.
    """
    result: list[bytes] = []
    block: list[bytes] | None = None
    for line in content.splitlines(keepends=True):
        text = line.strip()
        if block is None:
            if text == BEGIN:
                block = [line]
            else:
                result.append(line)
            continue
        block.append(line)
        if text == END:
            result += [_kept(old) for old in block if old.strip().startswith(KEPT)]
            block = None
    return b"".join(result + (block or []))


def _kept(line: bytes) -> bytes:
    return line.lstrip().removeprefix(KEPT + b" ")
