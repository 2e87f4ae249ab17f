"""What projects on this machine require: folders with a pyproject.toml, wheels, scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from headrace.interface import (
    ConfigurationError,
    Program,
    UnreadableError,
    dataclass,
    foreign,
    read_toml,
)
from headrace_pip.index.names import normalised, project_of, version_of
from headrace_pip.index.read_ahead import requirements_of
from headrace_pip.index.wheel_metadata import metadata_of_wheel

__all__ = ["Project", "group", "project_at", "script"]

_PYPROJECT = "pyproject.toml"
#: The block of a script's own metadata (inline script metadata, once PEP 723).
_BLOCK = "# /// script"
_BLOCK_END = "# ///"
_INCLUDED = "include-group"
#: Groups in groups.
_DEEPEST = 32


@dataclass(frozen=True, slots=True)
class Project:
    """A project at a path or a URL."""

    name: str
    """Normalised; empty: it is not told."""
    version: str = ""
    requires: tuple[str, ...] = ()
    """As ``Requires-Dist`` has them."""
    whole: bool = False
    """Whether this is all that it requires."""


@foreign("a path or a URL")
def project_at(place: str, program: Program) -> Project:
    """Read what is at a path or a URL, as far as it is on this machine; ValueError for what is
    neither.
    """
    path = _path_of(place)
    named = urlsplit(place).fragment.partition("egg=")[2].partition("&")[0].partition("[")[0]
    if path is None:
        file = unquote(urlsplit(place).path).rpartition("/")[2]
        wheel = file if file.endswith(".whl") else ""
        name = project_of(wheel) or normalised(named or "-") or ""
        return Project(name, version_of(wheel) or "" if wheel else "")
    if path.name.endswith(".whl"):
        text = metadata_of_wheel(program.read(path) or b"")
        requires = tuple(requirements_of(text or ""))
        version = version_of(path.name) or ""
        return Project(project_of(path.name) or "", version, requires, text is not None)
    content = program.read(path / _PYPROJECT)
    try:
        table = read_toml(content or b"", path).get("project") if content else None
        with foreign(_PYPROJECT):
            return _of_table(table) if isinstance(table, dict) else Project("")
    except (ConfigurationError, UnreadableError):
        return Project("")


def _path_of(place: str) -> Path | None:
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", place):
        return Path(place)
    url = urlsplit(place)
    return Path(unquote(url.path)) if url.scheme.lower() == "file" and not url.netloc else None


def _of_table(table: dict[str, Any]) -> Project:
    dynamic = set(table.get("dynamic") or ())
    requires = [str(each) for each in table.get("dependencies") or ()]
    for extra, needs in (table.get("optional-dependencies") or {}).items():
        requires += [_only_with(str(each), canonicalize_name(str(extra))) for each in needs]
    told = not dynamic & {"dependencies", "optional-dependencies"}
    return Project(normalised(str(table.get("name") or "")) or "", "", tuple(requires), told)


def _only_with(requirement: str, extra: str) -> str:
    what, _, marker = requirement.partition(";")
    also = f"({marker}) and " if marker.strip() else ""
    # A URL ends at a space.
    return f'{what} ; {also}extra == "{extra}"'


def group(name: str, program: Program) -> tuple[str, ...]:
    """Return what a dependency group holds; ValueError where there is none, or none to be read.

    `name` as ``--group`` has it: with the path of the file before a colon, or without.
    """
    place, colon, wanted = name.rpartition(":")
    path = Path(place) if colon else Path(_PYPROJECT)
    content = program.read(path)
    if content is None:
        raise UnreadableError(str(path), "it cannot be opened")
    table = read_toml(content, path)
    with foreign("a dependency group"):
        listed = table["dependency-groups"].items()
        groups = {str(canonicalize_name(key)): value for key, value in listed}
        return tuple(_members(groups, canonicalize_name(wanted), ()))


def _members(groups: dict[str, Any], name: str, above: tuple[str, ...]) -> Iterator[str]:
    if name in above or len(above) > _DEEPEST:
        raise ValueError("groups hold each other")
    for each in groups[name]:
        if isinstance(each, str):
            yield each
        else:
            yield from _members(groups, canonicalize_name(each[_INCLUDED]), (*above, name))


def script(path: str, program: Program) -> tuple[str, ...]:
    """Return what a script says that it requires; ValueError where it cannot be read."""
    content = program.read(Path(path))
    if content is None:
        raise UnreadableError(path, "it cannot be opened")
    with foreign("a script"):
        lines = content.decode("utf-8").splitlines()
        first = lines.index(_BLOCK) + 1
        last = lines.index(_BLOCK_END, first)
        table = read_toml("\n".join(each[2:] for each in lines[first:last]).encode(), path)
        return tuple(str(each) for each in table.get("dependencies") or ())
