"""Builds that a request pins by their local version: ``torch==2.14.1+cu126``. Pure.

A frozen list of versions names the build of the host that it was made on, which the default index
does not have. An explicit pin is its user's word: it comes before whatever else decides, its family
follows it, and where it cannot run here that is told and nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from headrace.variants.admission import Listing
from headrace.variants.builds import Candidate, CudaTables, FamilyPages, PageEntry
from headrace.variants.compatibility.fit import Cause, Compatible, judge
from headrace.variants.compatibility.labels import is_ours, kind_of
from headrace.variants.hosts import VariantRequest
from headrace.variants.taken import page_of
from headrace.variants.target import VariantOverride

__all__ = ["index_of", "pinned_build", "with_pinned", "with_pins"]


def with_pins(
    request: VariantRequest, tables: CudaTables, override: VariantOverride
) -> tuple[VariantRequest, VariantOverride]:
    """Return what is asked for and what decides, where a pin's word counts first.

    The project's own pin, else the lead's, else any of the family.
    """
    if override.build == "off" or request.project not in tables.family:
        return request, override
    for project, specifier in _family(request, tables):
        if build := pinned_build(specifier):
            said = VariantOverride(build, override.host, f"{project}{specifier}", pinned=True)
            # Its hash is that of the build that is pinned, whatever is installed.
            return replace(request, explicit="", installed=None), said
    return request, override


def _family(request: VariantRequest, tables: CudaTables) -> Iterator[tuple[str, str]]:
    yield request.project, request.specifier
    others = [each for each in request.companions if each[0] in tables.family]
    yield from sorted(others, key=lambda each: (each[0] != tables.lead, each))


def pinned_build(specifier: str) -> str:
    """Return the label of the very build that a specifier asks for; empty where it asks for none
    of the known kinds.
    """
    try:
        clauses = list(SpecifierSet(specifier))
        exact = [each.version for each in clauses if each.operator in {"==", "==="}]
        locals_ = [Version(each).local for each in exact if "+" in each]
    except (InvalidSpecifier, InvalidVersion):
        return ""
    return next((local for local in locals_ if local and is_ours(local)), "")


def with_pinned(served: FamilyPages, request: VariantRequest, listing: Listing) -> FamilyPages:
    """List the builds that a request pins on their page: whoever pins one finds it. Of the lead
    those that cannot run here are yanked, so that an installer shows why.
    """
    build, project = pinned_build(request.specifier), request.project
    those = listing.by_project.get(project, ())
    if not any(each.label == build and not listing.installable(each) for each in those if build):
        return served
    page = {entry.candidate: entry for entry in page_of(project, served, listing)}
    entries = []
    for each in those:
        entry = page.get(each) or PageEntry(each, listed=not each.index)
        if each.label == build:
            why = _wrong(each, listing)
            entry = replace(entry, listed=True, yanked=why, note=why)
        entries.append(entry)
    return replace(served, pages={**served.pages, project: tuple(entries)})


def _wrong(build: Candidate, listing: Listing) -> str:
    if build.project != listing.tables.lead or not listing.host.accelerators:
        return ""
    judged = judge(build, kind_of(build.label), listing.host, listing.tables)
    if isinstance(judged, Compatible) or judged.cause is Cause.UNKNOWN:
        return ""
    return f"headrace: {build.project} {build.name} {judged.text}"


def index_of(label: str) -> str:
    """Return the name of the variant index that has the builds of a label."""
    # An index of old builds for processors alone is spelled otherwise than its local versions.
    return label.replace(".", "-") if label.startswith("cpu.") else label
