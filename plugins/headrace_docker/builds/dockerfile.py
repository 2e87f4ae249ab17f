"""A Dockerfile as text: which lines are RUN instructions, and flags put behind the word. Pure.

Nothing else of the text changes, so that lines keep their numbers in whatever BuildKit says. What
is in a heredoc, in a comment or in a trigger (ONBUILD) is no instruction of this build.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from headrace.interface import dataclass

__all__ = ["Instruction", "Refused", "directives", "instructions", "led", "lines_of"]

_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(\S.*)")
_WORD = re.compile(r"\s*([A-Za-z]+)(?=\s)")
#: A word of its own (BuildKit, ``parser.heredocsFromLine``); what stands in quotes is none. First
#: what is passed over.
_HEREDOC = re.compile(
    r"""(?<!\S)\d*<<(-?)\s*(["']?)([A-Za-z_][\w.]*)\2|"(?:[^"\\]|\\.)*+"?|'[^']*+'?|\\.""",
    re.DOTALL,
)
#: Instructions that heredocs stand in (BuildKit 0.8 and newer).
_WITH_HEREDOC = frozenset(("RUN", "COPY", "ADD"))
#: Frontends of their own that know no secret as a variable: older than 1.10.
_OLD = re.compile(r"docker/dockerfile(?:-upstream)?:(?:0|1\.[0-9])(?:[.-]|$)")
#: Steps that bring authorities of the image's own.
_AUTHORITIES = re.compile(r"\b(?:update-ca-certificates|update-ca-trust|trust\s+anchor)\b")
_NAMED = re.compile(r"(?i)\s*(?:ENV|ARG)\b.*\b({})\b")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One of them, with the heredocs that it begins."""

    word: str
    """In capitals: ``FROM``."""
    rest: str
    """What stands behind the word, in one line: what went on in the next is joined."""
    first: int
    """Its first line, counted from 0."""
    end: int
    """The first line behind it."""
    column: int
    """Where the word ends, in its first line."""


class Refused(ValueError):  # noqa: N818 - says why, as an answer
    """It cannot be led."""


def led(text: str, flags: str, variables: tuple[str, ...]) -> tuple[str, int, int]:
    """Put flags behind each RUN; return the text, how many there are, and how many were left alone.

    A stage that says itself whom it trusts, or by which proxy it goes, is left alone from there on:
    ours would stand in the place of that. `variables` are the names that say so. Refused where the
    Dockerfile asks for a frontend that does not know the flags.
    """
    lines = lines_of(text)
    _check_frontend(lines)
    own = re.compile(_NAMED.pattern.format("|".join(map(re.escape, variables))))
    found = left = 0
    alone = False
    for each in instructions(text):
        said = "".join(lines[each.first : each.end])
        if each.word == "FROM":
            alone = False
        elif each.word in ("ENV", "ARG"):
            alone = alone or bool(own.match(said.replace("\n", " ")))
        elif each.word == "RUN":
            if alone:
                left += 1
            else:
                found += 1
                line = lines[each.first]
                lines[each.first] = f"{line[: each.column]} {flags}{line[each.column :]}"
            alone = alone or bool(_AUTHORITIES.search(said))
    return "".join(lines), found, left


def lines_of(text: str) -> list[str]:
    """Return its lines with their ends, as BuildKit counts them: nothing else that Unicode or
    Python takes for the end of a line is one.
    """
    *whole, last = text.split("\n")
    return [*(f"{line}\n" for line in whole), *([last] if last else [])]


def instructions(text: str) -> Iterator[Instruction]:
    """Yield every instruction, in its order; whatever is none is passed over."""
    lines = lines_of(text)
    escape = _escape(lines)
    at = 0
    while at < len(lines):
        first = at
        word = _WORD.match(lines[first])
        at = _end(lines, at, escape)
        if word is None or lines[first].lstrip().startswith("#"):
            continue
        name = word[1].upper()
        said = _joined(lines[first:at], escape)
        if name in _WITH_HEREDOC:
            at = _behind_heredocs(lines, first, at)
        yield Instruction(name, said[word.end() :].strip(), first, at, word.end())


def _joined(lines: list[str], escape: str) -> str:
    kept = [lines[0], *(line for line in lines[1:] if not line.lstrip().startswith("#"))]
    return "".join(line.rstrip().removesuffix(escape) + " " for line in kept)


def _check_frontend(lines: list[str]) -> None:
    """Raise Refused where what stands at the top asks for one that does not know our flags."""
    for _, name, value in directives(lines):
        if name == "syntax" and "docker/dockerfile" not in value:
            raise Refused(f"its frontend is {value}, of which nothing is known")
        if name == "syntax" and _OLD.search(value):
            raise Refused(
                f"its frontend, {value}, knows no secrets as variables: 1.10 and newer do"
            )


def _escape(lines: list[str]) -> str:
    """Return what a line ends with that goes on."""
    said = [value for _, name, value in directives(lines) if name == "escape"]
    return said[-1] if said else "\\"


def directives(lines: Sequence[str]) -> Iterator[tuple[int, str, str]]:
    """Yield what stands at the top for the parser: the line from 0, the name, the value."""
    for number, line in enumerate(lines):
        said = _DIRECTIVE.match(line.strip().removeprefix("\ufeff"))
        if said is None:
            break
        yield number, said[1].lower(), said[2]


def _end(lines: list[str], at: int, escape: str) -> int:
    """Return where the instruction ends that begins in a line; comments and empty lines within one
    are passed over.
    """
    goes_on = re.compile(re.escape(escape) + r"[ \t]*\r?\n?$")
    if not lines[at].strip() or lines[at].lstrip().startswith("#"):
        return at + 1
    while at < len(lines):
        line = lines[at]
        at += 1
        if line.lstrip().startswith("#") or not line.strip():
            continue
        if not goes_on.search(line):
            break
    return at


def _behind_heredocs(lines: list[str], first: int, at: int) -> int:
    """Return where the heredocs end that an instruction begins."""
    for tabs, _, name in _HEREDOC.findall("".join(lines[first:at])):
        while name and at < len(lines):
            line = lines[at].rstrip("\r\n")
            at += 1
            if (line.lstrip("\t") if tabs else line) == name:
                break
    return at
