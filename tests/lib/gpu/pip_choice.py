"""Which files pip takes of several pages, read from the standards and from pip's documentation.

Versions are ordered with their local part (PEP 440). A pre-release counts only where no final
release is admitted, or a clause names one. What is yanked (PEP 592) is out, unless all that is
admitted is yanked and a clause pins with ``==`` or ``===``. The newest first, and of the
requirements of what was taken all must hold, also those of what is installed already.

Nothing here knows of accelerators, nor uses headrace's own reading of these rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet
from packaging.version import Version

__all__ = ["File", "Requires", "in_order", "resolved"]


@dataclass(frozen=True, slots=True)
class File:
    """A wheel that the interpreter can install."""

    project: str
    version: str
    """With its local part."""
    yanked: bool = False


Requires = Callable[[File], Mapping[str, str]]
"""Project to specifier, of a wheel's metadata."""


def in_order(files: Sequence[File], specifier: str) -> list[File]:
    """Return what pip tries of a page, the first choice first."""
    wanted = SpecifierSet(specifier)
    admitted = set(wanted.filter(file.version for file in files))
    there = [file for file in files if file.version in admitted]
    pinned = any(
        clause.operator == "===" or (clause.operator == "==" and not clause.version.endswith(".*"))
        for clause in wanted
    )
    if not (pinned and all(file.yanked for file in there)):
        there = [file for file in there if not file.yanked]
    return sorted(there, key=lambda file: Version(file.version), reverse=True)


def resolved(
    asked: Mapping[str, str],
    pages: Mapping[str, Sequence[File]],
    requires: Requires,
    installed: File | None = None,
) -> dict[str, File] | None:
    """Return what would be installed by project; None: pip ends with an error.

    `asked`: project to specifier, as on the command line. `installed` stays where it is admitted.
    """
    return next(_solutions(dict(asked), {}, pages, requires, installed), None)


def _solutions(
    asked: dict[str, str],
    taken: dict[str, File],
    pages: Mapping[str, Sequence[File]],
    requires: Requires,
    installed: File | None,
) -> Iterator[dict[str, File]]:
    open_ones = [project for project in asked if project not in taken]
    if not open_ones:
        yield taken
        return
    project = open_ones[0]
    files = in_order(pages.get(project, ()), asked[project])
    if installed is not None and installed.project == project:
        files = [*in_order([installed], asked[project]), *files]
    for file in files:
        more = dict(asked)
        for other, specifier in requires(file).items():
            more[other] = ",".join(filter(None, (more.get(other, ""), specifier)))
        held = {**taken, project: file}
        if all(in_order([one], more[name]) for name, one in held.items() if not one.yanked):
            yield from _solutions(more, held, pages, requires, installed)
