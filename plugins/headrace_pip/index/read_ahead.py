"""What a client asks for next, guessed from what it was just given.

A resolver asks one thing after the other: a project's page, the metadata of the newest release
that fits, the pages of what that requires. Each guess here saves it a round trip to the origin
when it is right, and costs a small request when it is wrong.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from headrace.interface import UnreadableError, foreign
from headrace_pip.index.environment import Environment, markers, tag_ranks
from headrace_pip.index.names import normalised, version_of
from headrace_pip.simple_api.model import FileLink, ProjectPage

__all__ = ["newest_fitting", "required_projects", "requirements_of"]

#: Releases looked at before the guess is given up: a page of which none fits is not worth more.
_RELEASES = 30
#: Requirements followed from one release, and characters of one, of a specifier or of a version:
#: packaging reads what follows a mistake again and again.
_REQUIREMENTS = 60
_LONGEST = 2048
_LONGEST_SPECIFIER = 512
_LONGEST_VERSION = 128
#: Kinds of interpreter, ABI and platform that one wheel is for, together.
_MOST_TAGS = 512


def newest_fitting(
    page: ProjectPage, where: Environment, wanted: SpecifierSet | None = None
) -> FileLink | None:
    """Return the file that a client takes when a project is asked of it, of a version in `wanted`.

    As pip and uv choose: the newest release, pre-releases only when there is nothing else, no
    yanked file unless its very version is asked for, the wheel with the best tag, else the source
    archive.
    """
    releases = _releases(page.files)
    order = sorted(releases, key=lambda v: (not v.is_prerelease, v), reverse=True)
    pinned = False
    if wanted is not None:
        fitting = set(wanted.filter(releases))
        order = [version for version in order if version in fitting]
        exact = [each for each in wanted if each.operator in ("==", "===")]
        pinned = any(not each.version.endswith(".*") for each in exact)
    for version in order if wanted is not None else order[:_RELEASES]:
        files = [f for f in releases[version] if (pinned or not f.yanked) and _allows(f, where)]
        ranked = [(rank, f) for f in files if (rank := tag_rank(f.filename, where)) is not None]
        if ranked:
            return min(ranked, key=lambda pair: pair[0])[1]
        for file in files:
            if file.filename.endswith((".tar.gz", ".zip")):
                return file
    return None


def _releases(files: Iterable[FileLink]) -> Mapping[Version, list[FileLink]]:
    by_text: dict[str, list[FileLink]] = {}
    for file in files:
        text = version_of(file.filename)
        if text is not None and len(text) <= _LONGEST_VERSION:
            by_text.setdefault(text, []).append(file)
    releases: dict[Version, list[FileLink]] = {}
    for text, some in by_text.items():
        with contextlib.suppress(UnreadableError), foreign("a version"):
            releases.setdefault(Version(text), []).extend(some)
    return releases


def _allows(file: FileLink, where: Environment) -> bool:
    return file.requires_python is None or _contains(file.requires_python, where.python)


@lru_cache(maxsize=512)
def _contains(specifier: str, python: str) -> bool:
    try:
        with foreign("a specifier"):
            short = specifier[:_LONGEST_SPECIFIER] == specifier
            return not short or SpecifierSet(specifier).contains(python, prereleases=True)
    except UnreadableError:
        return True  # as pip has it


def tag_rank(filename: str, where: Environment) -> int | None:
    """Return how well a wheel fits, 0 is best; None: it does not, or is no wheel."""
    if not filename.endswith(".whl"):
        return None
    ranks = tag_ranks(where)
    interpreters, abis, platforms = (part.split(".") for part in filename[:-4].split("-")[-3:])
    if len(interpreters) * len(abis) * len(platforms) > _MOST_TAGS:
        return None
    found = [
        ranks[interpreter, abi, platform]
        for interpreter in interpreters
        for abi in abis
        for platform in platforms
        if (interpreter, abi, platform) in ranks
    ]
    return min(found, default=None)


def required_projects(metadata: str, where: Environment) -> Iterator[str]:
    """Yield the normalised names that a release's metadata requires in this environment.

    What an extra requires is left out: which extras were asked for is not known here.
    """
    environment = markers(where)
    seen = set()
    for text in requirements_of(metadata)[:_REQUIREMENTS]:
        name = _required(text, environment)
        if name and name not in seen:
            seen.add(name)
            yield name


def requirements_of(metadata: str) -> list[str]:
    """Return what core metadata requires, as it stands there."""
    return list(_fields(metadata, "requires-dist"))


def _required(text: str, environment: dict[str, str]) -> str | None:
    """Return the normalised name that one requirement names there; None: none, or none to ask."""
    try:
        with foreign("a requirement"):
            if len(text) > _LONGEST:
                return None
            requirement = Requirement(text)
            applies = requirement.marker is None or requirement.marker.evaluate(environment)
            return normalised(requirement.name) if applies and not requirement.url else None
    except UnreadableError:
        return None


def _fields(metadata: str, wanted: str) -> Iterator[str]:
    """Yield the values of a header of core metadata; the description follows an empty line."""
    value: list[str] = []
    for line in metadata.splitlines():
        if line[:1] in (" ", "\t"):
            if value:
                value.append(line.strip())
            continue
        if value:
            yield " ".join(value)
        if not line:
            return
        name, _, rest = line.partition(":")
        value = [rest.strip()] if name.lower() == wanted else []
    if value:
        yield " ".join(value)
