"""One requirement: of pip's user, of a file, of a release. Read as pip does
(`pip._internal.req.constructors`), which takes paths and URLs beside what packaging reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from headrace.interface import dataclass, foreign
from headrace_pip.index.names import normalised

__all__ = ["ProjectNeed", "need_of", "release_need"]

_URL = re.compile(r"(?:https?|file|ftp|(?:git|hg|svn|bzr)(?:\+[a-z]+)?):", re.IGNORECASE)
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tbz", ".tar.xz", ".txz")
_EXTRAS = re.compile(r"(.+)\[([^\[\]]*)\]")
#: Characters of a requirement: packaging reads what follows a mistake again and again.
_LONGEST = 2048


@dataclass(frozen=True, slots=True)
class ProjectNeed:
    """What is needed of a project."""

    project: str
    """Normalised name; empty: `place` does not tell."""
    specifier: str = ""
    extras: frozenset[str] = frozenset()
    """Normalised."""
    place: str = ""
    """A path or a URL; empty: an index has it."""


def need_of(text: str, markers: Mapping[str, str], *, editable: bool = False) -> ProjectNeed | None:
    """Read what a user wrote; None: it does not apply there. ValueError where pip would stop."""
    with foreign("a requirement"):
        if len(text) > _LONGEST:
            raise ValueError("it is too long")
        url = bool(_URL.match(text))
        text, _, marker = text.partition("; " if url else ";")
        what, extras = _with_extras(text.strip())
        if marker and not _applies(marker, markers):
            return None
        if url or editable or _is_path(what):
            return ProjectNeed("", extras=extras, place=what)
    return release_need(f"{text} ; {marker}" if marker else text, markers)


def _is_path(what: str) -> bool:
    name, at, _ = what.partition("@")
    if at and "/" not in name:
        return False  # a name with its URL
    return "/" in what or what.startswith(".") or what.lower().endswith(_ARCHIVES)


def _with_extras(text: str) -> tuple[str, frozenset[str]]:
    found = _EXTRAS.fullmatch(text)
    if found is None:
        return text, frozenset()
    names = (name.strip() for name in found[2].split(","))
    return found[1].strip(), frozenset(canonicalize_name(name) for name in names if name)


def _applies(marker: str, markers: Mapping[str, str]) -> bool:
    requirement = Requirement(f"name ; {marker}")
    return requirement.marker is None or requirement.marker.evaluate(dict(markers))


@foreign("a requirement")
def release_need(
    text: str, markers: Mapping[str, str], extras: frozenset[str] = frozenset()
) -> ProjectNeed | None:
    """Read what metadata requires, where some extras of it are asked for; None: it does not apply
    there. ValueError where it is no requirement.
    """
    if len(text) > _LONGEST:
        raise ValueError("it is too long")
    requirement = Requirement(text)
    where = dict(markers)
    if requirement.marker is not None and not any(
        requirement.marker.evaluate(where | {"extra": extra}) for extra in ("", *extras)
    ):
        return None
    project = normalised(requirement.name)
    if project is None:
        raise ValueError("it names no project")
    wanted = frozenset(canonicalize_name(extra) for extra in requirement.extras)
    specifier: SpecifierSet = requirement.specifier
    return ProjectNeed(project, str(specifier), wanted, requirement.url or "")
