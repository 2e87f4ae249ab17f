"""Edit pip's configuration as text, so that comments, order and line ends survive.

configparser, which pip reads with, cannot write a file back without losing comments. So the lines
are classed here by the same rules as its `RawConfigParser` uses, and only whole lines come or go.
They are text, as pip has them: what is a space (a no-break space is one) is decided on characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from headrace.interface import dataclass

__all__ = [
    "BEGIN",
    "END",
    "Option",
    "decode",
    "encode",
    "insert",
    "options",
    "sections",
    "split",
    "strip_blocks",
    "wrap",
]

BEGIN = "# >>> headrace: written by `headrace on`, taken out by `headrace off`"
END = "# <<< headrace"
KEPT = "# headrace keeps:"

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_SECTION = re.compile(r"\[(.+)\]")
_DELIMITER = re.compile(r"[=:]")


@dataclass(frozen=True, slots=True)
class Option:
    """One setting: lines [start, end) of the file."""

    section: str
    name: str
    """As pip normalises it: lower case, hyphens, without leading ``--``."""
    value: str
    start: int
    end: int


def decode(content: bytes) -> str:
    """Read a file as pip does in a UTF-8 locale; what is no UTF-8 as Latin-1, where every byte is
    a character: it comes back unchanged from `encode`.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def encode(text: str, like: bytes) -> bytes:
    """Write text in the encoding that `decode` found in a file."""
    try:
        like.decode("utf-8")
    except UnicodeDecodeError:
        return text.encode("latin-1", "replace")
    return text.encode("utf-8", "surrogateescape")


def split(text: str) -> list[str]:
    """Return the lines with their ends, where Python ends a line of a file: nowhere else."""
    return _LINE.findall(text)


def _content(line: str) -> str:
    text = line.strip()
    return "" if text.startswith(("#", ";")) else text


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())].strip("\r\n")


def sections(lines: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield the sections with the numbers of their header lines."""
    for kind, name, start, _ in _scan(lines):
        if kind == "section":
            yield name, start


def options(lines: Sequence[str]) -> Iterator[Option]:
    """Yield every option of every section."""
    section = ""
    for kind, name, start, end in _scan(lines):
        if kind == "section":
            section = name
            continue
        first = lines[start].strip()
        if match := _DELIMITER.search(first):
            rest = (_content(line) for line in lines[start + 1 : end])
            text = "\n".join([first[match.end() :].strip(), *filter(None, rest)])
            key = first[: match.start()].rstrip().lower().replace("_", "-").removeprefix("--")
            yield Option(section, key, text.strip(), start, end)


def _scan(lines: Sequence[str]) -> Iterator[tuple[str, str, int, int]]:
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
            yield "section", match[1], number, number + 1
        else:
            option, end = number, number + 1
    if option is not None:
        yield "option", "", option, end


def newline(lines: Sequence[str]) -> str:
    """Return the line end of the file."""
    for end in ("\r\n", "\n", "\r"):
        if lines and lines[0].endswith(end):
            return end
    return "\n"


def wrap(body: Iterable[str], kept: Iterable[str], end: str, indent: str = "") -> list[str]:
    """Return our block: the marks, the lines that it stands for as comments, and our own.

    With the old lines inside, the block can be undone even where the journal was lost.
    """
    old = [f"{KEPT} " + line.rstrip("\r\n") for line in kept]
    return [indent + line + end if line else end for line in (BEGIN, *old, *body, END)]


def insert(lines: Sequence[str], section: str, setting: str, end: str) -> list[str] | None:
    """Put a setting in our block below a section's header; None: there is no such section."""
    for name, header in sections(lines):
        if name == section:
            # The line below must not become a continuation of ours, so ours is indented alike.
            below = next((line for line in lines[header + 1 :] if _content(line)), "")
            head = [lines[header].rstrip("\r\n") + end]
            block = wrap([setting], (), end, _indent(below))
            return [*lines[:header], *head, *block, *lines[header + 1 :]]
    return None


def strip_blocks(content: bytes) -> bytes:
    """Take every block of ours out and put back what it stood for.

    A block without its end is left: then somebody cut it, and what follows is not ours.
    """
    result: list[str] = []
    block: list[str] | None = None
    for line in split(decode(content)):
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
    return encode("".join(result + (block or [])), content)


def _kept(line: str) -> str:
    return line.lstrip().removeprefix(f"{KEPT} ")
