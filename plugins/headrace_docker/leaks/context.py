"""What a build is sent of a folder: the grammar of ``.dockerignore``. Pure.

As docker's own documentation and its patternmatcher have it: a pattern counts for what lies below
what it fits, the last that fits decides, ``**`` is any number of folders. It costs what paths and
patterns are long, whatever they are.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from headrace.interface import HeldSecret, dataclass
from headrace_docker.leaks.held import leaks_in_files

__all__ = ["read_ignored", "secrets_sent", "sent"]

#: docker reads the first alone; podman and buildah the second, where it is there.
_FILES = (".dockerignore", ".containerignore")
_STEPS = ("Dockerfile", "Containerfile")
_EVERY = "**"
#: Of one part of a path: what stands for others, and what is taken as it is.
_PART = re.compile(r"\*+|\?|\\(.)|\[(\^?)((?:\\.|[^\]\\])+)\]|(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Pattern:
    keeps: bool
    """It began with ``!``."""
    parts: tuple[re.Pattern[str] | None, ...]
    """None is ``**``."""


def secrets_sent(paths: Collection[str], read: Callable[[str], bytes]) -> Iterator[HeldSecret]:
    """Look for secrets in what any engine is sent of a folder: see `ImageTool.secrets_sent`."""
    told = [read(name).decode("utf-8", "replace") for name in _FILES if name in paths]
    going = {path for text in told or [""] for path in sent(read_ignored(text), paths)}
    # What the steps are read from goes along whatever is ignored, and is in the image's history.
    going.update(name for name in _STEPS if name in paths)
    yield from leaks_in_files((path, read(path)) for path in sorted(going))


def read_ignored(text: str) -> tuple[_Pattern, ...]:
    """Read the file; a pattern that docker would refuse fits nothing."""
    patterns = []
    for line in text.removeprefix("\ufeff").splitlines():
        if line.startswith("#") or not line.strip():
            continue
        word = line.strip()
        keeps = word.startswith("!")
        path = posixpath.normpath(word[1:].strip() if keeps else word).strip("/")
        if path and path != ".":
            parts = (None if each == _EVERY else _part(each) for each in path.split("/"))
            patterns.append(_Pattern(keeps, tuple(parts)))
    return tuple(patterns)


def sent(patterns: Sequence[_Pattern], paths: Iterable[str]) -> Iterator[str]:
    """Give the paths of files (``a/b``, from the folder on) that a build is sent."""
    for path in paths:
        parts = path.split("/")
        kept = True
        for pattern in patterns:
            if pattern.keeps != kept and _fits(pattern.parts, parts):
                kept = pattern.keeps
        if kept:
            yield path


def _fits(pattern: Sequence[re.Pattern[str] | None], parts: Sequence[str]) -> bool:
    """Whether a pattern fits a path, or a folder above it."""
    # After each part of the pattern: how many parts of the path it may have come to.
    reached = {0}
    for each in pattern:
        if each is None:
            reached = set(range(min(reached), len(parts) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(parts) and each.fullmatch(parts[at])}
        if not reached:
            return False
    # `**` alone, or at the end, is for what lies below and not for the folder itself.
    return max(reached) > 0


def _part(text: str) -> re.Pattern[str]:
    found = []
    for each in _PART.finditer(text):
        escaped, negated, inner, plain = each.groups()
        if inner is not None:
            inside = inner.replace("[", "\\[")
            found.append(f"[{negated}{inside}]")
        elif (literal := escaped if escaped is not None else plain) is not None:
            found.append(re.escape(literal))
        else:
            found.append("[^/]" if each[0] == "?" else "[^/]*")
    try:
        return re.compile("".join(found), re.DOTALL)
    except re.error:
        return re.compile(r"(?!)")
