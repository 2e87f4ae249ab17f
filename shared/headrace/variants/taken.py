"""Which build an installer takes of a project's page as it is served for a host. Pure.

An installer takes the newest version that its specifier admits, local part included, and what is
yanked only where nothing else is admitted and exactly that is asked for (PEP 440, PEP 592). What a
page cannot offer, no recommendation brings.
"""

from __future__ import annotations

from collections.abc import Iterable

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from headrace.variants.admission import Listing, pins
from headrace.variants.builds import Candidate, CudaTables, FamilyPages, PageEntry
from headrace.variants.compatibility.gpu_names import chosen_for
from headrace.variants.hosts import Host, VariantRequest
from headrace.variants.target import NOTHING, VariantOverride

__all__ = ["first_choice", "page_of", "taken"]


def taken(
    request: VariantRequest,
    served: FamilyPages,
    candidates: Iterable[Candidate],
    host: Host,
    tables: CudaTables,
    *,
    override: VariantOverride = NOTHING,
) -> tuple[PageEntry, str] | None:
    """Return what `served` gives to a request, and the label of that build; None: nothing there
    is for this host, or nothing that is admitted.
    """
    listing = Listing.of(candidates, chosen_for(override.host or host, tables), request, tables)
    entries = page_of(request.project, served, listing)
    best = first_choice(entries, request.specifier, listing)
    return None if best is None else (best, listing.label(best.candidate))


def page_of(project: str, served: FamilyPages, listing: Listing) -> tuple[PageEntry, ...]:
    """Return what is on a page; one that is not arranged is the default index's."""
    entries = served.pages.get(project)
    if entries is not None:
        return entries
    own = [each for each in listing.by_project.get(project, ()) if not each.index]
    return tuple(PageEntry(each, listed=True) for each in own)


def first_choice(
    entries: Iterable[PageEntry], specifier: str, listing: Listing
) -> PageEntry | None:
    """Return what an installer takes of a page; None: nothing."""
    try:
        wanted = SpecifierSet(specifier)
    except InvalidSpecifier:
        return None
    there = {
        # With its local part: `==2.15.0` admits 2.15.0+cu126, `===2.15.0` does not.
        entry.candidate.name: entry
        for entry in sorted(entries, key=lambda entry: not _withdrawn(entry))
        if entry.listed and not listing.installable(entry.candidate)
    }
    admitted = [there[name] for name in wanted.filter(there)]
    if not (pins(specifier) and all(map(_withdrawn, admitted))):
        admitted = [entry for entry in admitted if not _withdrawn(entry)]
    return max(admitted, key=lambda entry: Version(entry.candidate.name), default=None)


def _withdrawn(entry: PageEntry) -> bool:
    return bool(entry.yanked) or entry.candidate.yanked
