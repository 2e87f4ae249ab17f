"""Requirement and constraint files, as pip reads them (`pip._internal.req.req_file`).

Of the parsers that are to be had none does it as pip does and is kept: so the lines are read here,
what stands on one is `packaging`'s to read, and options are read as those of the command line.
"""

from __future__ import annotations

import codecs
import posixpath
import re
import shlex
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from headrace.interface import Program, UnreadableError, dataclass, foreign
from headrace_pip.requested.command_line import LineParser

__all__ = ["FileLine", "RequirementFiles"]

_REMOTE = re.compile(r"(?:http|https|file):", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
#: Codecs of text; some that Python has beside them cost more than the text is long.
_CODING = re.compile(
    rb"coding[:=]\s*((?:ascii|big5|cp|euc|gb|iso|koi8|latin|mac|shift|us|utf|windows)[-\w]*)",
    re.IGNORECASE,
)
#: A longer mark begins as a shorter one does.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
)
#: Bytes of a file, lines of all files, characters of a line, files in files.
_LARGEST = 1 << 20
_LINES = 5000
_LONGEST = 64 << 10
_DEEPEST = 32
#: Characters of a variable's value that is put into a line.
_LONGEST_VALUE = 4096


@dataclass(frozen=True, slots=True)
class FileLine:
    """One requirement, or what a line says about indexes."""

    text: str
    """The requirement; empty: the line has options alone."""
    editable: bool = False
    hashed: bool = False
    constraint: bool = False
    indexes: tuple[str, ...] = ()
    """Indexes and pages of links that the line names."""


@dataclass(slots=True)
class RequirementFiles:
    """Reads files with those that they name."""

    program: Program
    whole: bool = True
    """False: something could not be read, or was too much."""
    left: int = field(default=_LINES, repr=False)
    variables: dict[str, str] = field(default_factory=dict, repr=False)
    parser: LineParser = field(default_factory=LineParser, repr=False)

    def read(self, name: str, *, constraint: bool) -> Iterator[FileLine]:
        """Yield what one file says, below the program's working directory."""
        yield from self._file(name, (), constraint=constraint)

    def _file(self, name: str, above: tuple[str, ...], *, constraint: bool) -> Iterator[FileLine]:
        path = self._path(name)
        content = self.program.read(Path(path)) if path else None
        if content is None or len(content) > _LARGEST or path in above or len(above) > _DEEPEST:
            self.whole = False
            return
        for text in self._lines(content):
            self.left -= 1
            if self.left < 0 or len(text) > _LONGEST:
                self.whole = False
                return
            try:
                yield from self._line(text, path, above, constraint=constraint)
            except UnreadableError:
                self.whole = False

    def _path(self, name: str) -> str:
        """Return a file's path; empty for what is elsewhere."""
        if not _REMOTE.match(name):
            return posixpath.normpath(self.program.working_directory / name)
        try:
            with foreign("a URL"):
                url = urlsplit(name)
        except UnreadableError:
            return ""
        return unquote(url.path) if url.scheme.lower() == "file" and not url.netloc else ""

    def _line(
        self, text: str, path: str, above: tuple[str, ...], *, constraint: bool
    ) -> Iterator[FileLine]:
        requirement, rest = _parted(text)
        with foreign("a line"):
            words = shlex.split(rest)
        told = self.parser.read(words)
        lists = told.lists
        if requirement or lists["editables"]:
            editable = not requirement
            what = requirement or lists["editables"][0]
            yield FileLine(what, editable, bool(lists["hashes"]), constraint)
            return
        for key in ("requirements", "constraints"):
            if lists[key]:
                other = lists[key][0]
                if not _REMOTE.match(other):
                    other = posixpath.join(posixpath.dirname(path), other)
                yield from self._file(other, (*above, path), constraint=key == "constraints")
                return
        indexes = (told.values.get("index_url", ""), *lists["extra_index_urls"])
        named = tuple(filter(None, (*indexes, *lists["find_links"])))
        if named:
            yield FileLine("", constraint=constraint, indexes=named)

    def _lines(self, content: bytes) -> Iterator[str]:
        try:
            text = _decoded(content)
        except UnreadableError:
            self.whole = False
            return
        for line in _joined(text.splitlines()):
            told = _without_comment(line).strip()
            told = _VARIABLE.sub(self._value, told) if len(told) <= _LONGEST else told
            if told:
                yield told

    def _value(self, found: re.Match[str]) -> str:
        name = found[1]
        if name not in self.variables:
            value = self.program.variable(name) or ""
            self.whole = self.whole and len(value) <= _LONGEST_VALUE
            self.variables[name] = value if len(value) <= _LONGEST_VALUE else ""
        return self.variables[name] or found[0]


@foreign("a requirement file")
def _decoded(content: bytes) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding)
    for line in content.split(b"\n", 2)[:2]:
        if line.startswith(b"#") and (named := _CODING.search(line)):
            return content.decode(named[1].decode("ascii"))
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _joined(lines: list[str]) -> Iterator[str]:
    """Join lines that end in a backslash with the next; a comment ends what is joined."""
    parts: list[str] = []
    for line in lines:
        comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not comment:
            parts.append(line.strip("\\"))
            continue
        parts.append(f" {line}" if comment else line)
        yield "".join(parts)
        parts = []
    if parts:
        yield "".join(parts)


def _without_comment(line: str) -> str:
    at = line.find("#")
    while at > 0 and not line[at - 1].isspace():
        at = line.find("#", at + 1)
    return line if at < 0 else line[:at]


def _parted(line: str) -> tuple[str, str]:
    """Part a line in front of its first option: what is before is no shell's."""
    words = line.split(" ")
    first = next((at for at, word in enumerate(words) if word.startswith("-")), len(words))
    return " ".join(words[:first]).strip(), " ".join(words[first:])
