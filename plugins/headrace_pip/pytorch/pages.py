"""A project's page that is made of those of several indexes. Pure.

An installer takes the newest version, and of one version the one with a local part: what is added
here wins by itself, what is yanked here (PEP 592) wins only where it is pinned. Nothing of the
default index's page is taken away, so that pins and hashes find their file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from headrace.interface import PageEntry
from headrace_pip.pytorch.index import version_of
from headrace_pip.simple_api.model import FileLink, ProjectPage

__all__ = ["merge"]


def merge(
    pages: Mapping[str, ProjectPage], entries: Sequence[PageEntry]
) -> tuple[ProjectPage, dict[str, str]]:
    """Return the page, and of each file that was added the label of its index.

    `pages` by label; the default index's (empty label) is the one that is added to.
    """
    default = pages[""]
    told = {
        (each.candidate.index, each.candidate.version, each.candidate.label): each
        for each in entries
    }
    files = [_marked(file, told) for file in default.files]
    here = {file.filename for file in files}
    added: dict[str, str] = {}
    for label, file, entry in _chosen(pages, told):
        if file.filename not in here | added.keys():
            added[file.filename] = label
            files.append(replace(file, yanked=file.yanked or entry.yanked or False))
    versions = default.versions
    if versions is not None:
        builds = [version_of(name) or ("", "") for name in added]
        more = dict.fromkeys(f"{version}+{label}" for version, label in builds)
        versions = (*versions, *more)
    return replace(default, files=tuple(files), versions=versions), added


Told = Mapping[tuple[str, str, str], PageEntry]


def _marked(file: FileLink, told: Told) -> FileLink:
    """Mark a file of the default index; what its own index yanked keeps that reason."""
    build = version_of(file.filename)
    entry = told.get(("", *build)) if build else None
    return (
        replace(file, yanked=entry.yanked) if entry and entry.yanked and not file.yanked else file
    )


def _chosen(
    pages: Mapping[str, ProjectPage], told: Told
) -> Iterator[tuple[str, FileLink, PageEntry]]:
    for label, page in pages.items():
        for file in page.files if label else ():
            build = version_of(file.filename)
            entry = told.get((label, *build)) if build else None
            if entry is not None and entry.listed:
                yield label, file, entry
