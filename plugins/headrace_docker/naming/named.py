"""An image as a file names it, and what a comment beside it says of its tag. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from headrace.interface import dataclass
from headrace_docker.registry_api.image_names import read_name

__all__ = ["PLACEHOLDER", "NamedAt", "NamedImage", "named", "tag_beside"]

#: Stands in a written folder where the name of its owner's registry is to come. No host can have
#: it (RFC 2606).
PLACEHOLDER = "registry.example"

_WORD = re.compile(r"[^\s'\",;()]+")
#: A comment that says a tag alone, as those write it who update pins: ``# v1.2``, ``# tag=1.2``.
_TAG = re.compile(r"#\s*(?:renovate:\s*)?(?:tag=)?(?=[\w.-]*\d)([A-Za-z0-9_][\w.-]{0,127})\s*")
#: Lines of comment above, and characters of a line, that are looked at.
_ABOVE, _LONGEST = 8, 2000


@dataclass(frozen=True, slots=True)
class NamedAt:
    """Where an image is named."""

    file: str
    line: int
    """Counted from 1."""

    def __str__(self) -> str:
        """As compilers have it: ``Dockerfile:3``."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class NamedImage:
    """One that a file, or a command line, names."""

    text: str
    """As it stands there, its variables resolved."""
    place: NamedAt | None
    registry: str = ""
    repository: str = ""
    """Empty: it is no image's name, and `problem` says why."""
    tag: str = ""
    digest: str = ""
    platform: str = ""
    """As the file wants it: ``linux/arm64``; empty: it does not say."""
    problem: str = ""

    @property
    def repository_place(self) -> str:
        """``docker.io/library/alpine``."""
        return f"{self.registry}/{self.repository}"

    @property
    def whole(self) -> str:
        """As an engine takes it: ``docker.io/library/alpine:3.22@sha256:…``."""
        if not self.repository:
            return self.text
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.repository_place}{tag}{'@' if self.digest else ''}{self.digest}"


def named(text: str, place: NamedAt | None, platform: str = "", tag: str = "") -> NamedImage:
    """Read a name; `tag` is what a comment says of one that has a digest alone."""
    found = read_name(text)
    if found is None:
        why = "has a variable that is not known here" if "$" in text else "is no image's name"
        return NamedImage(text, place, problem=f"{text[:80]!r} {why}")
    tag = found.tag or (tag if found.digest else found.reference)
    return NamedImage(text, place, found.registry, found.repository, tag, found.digest, platform)


def tag_beside(text: str, lines: Sequence[str], at: int) -> str:
    """Return the tag that a comment tells of an image that is named in a line (from 0), by its
    digest alone: behind it, or in the lines of comment right above it; "": none does.

    A comment tells one by the image's own name, ``# pytorch/pytorch:2.9.1``, or by the tag alone.
    """
    wanted = read_name(text)
    if wanted is None or not wanted.digest or wanted.tag or at >= len(lines):
        return ""
    own = lines[at][:_LONGEST]
    behind = own[mark:] if (mark := own.find("#", max(own.find(wanted.digest), 0))) >= 0 else ""
    if behind and (alone := _TAG.fullmatch(behind.strip())):
        return alone[1]
    comments = [behind]
    for line in reversed(lines[max(at - _ABOVE, 0) : at]):
        if not line.lstrip().startswith("#"):
            break
        comments.append(line[:_LONGEST])
    for comment in comments:
        for word in _WORD.findall(comment):
            other = read_name(word.rstrip("."))
            if other is not None and other.place == wanted.place and other.tag:
                return other.tag
    return ""
