"""Which build an installer takes of a project's page as it is served for a host. Pure.

An installer takes the newest version that its specifier admits, local part included, and what is
yanked only where exactly that is asked for (PEP 440, PEP 592). What a page cannot offer, no
recommendation brings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from packaging.specifiers import InvalidSpecifier
from packaging.version import Version

from headrace.variants.admission import Listing, refused_by
from headrace.variants.builds import Candidate, CudaTables, FamilyPages, PageEntry
from headrace.variants.compatibility.gpu_names import chosen_for
from headrace.variants.hosts import Host, VariantRequest
from headrace.variants.target import NOTHING, VariantOverride

__all__ = ["taken"]


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
    every = list(candidates)
    listing = Listing.of(every, chosen_for(override.host or host, tables), request, tables)
    entries = served.pages.get(request.project)
    if entries is None:
        own = [each for each in every if each.project == request.project and not each.index]
        entries = tuple(PageEntry(each, listed=True) for each in own)
    there = [
        entry
        for entry in entries
        if entry.listed
        and not _refused(entry, request.specifier)
        and not listing.installable(entry.candidate)
    ]
    best = max(there, key=lambda each: Version(each.candidate.name), default=None)
    return None if best is None else (best, listing.label(best.candidate))


def _refused(entry: PageEntry, specifier: str) -> str:
    candidate = entry.candidate
    withdrawn = bool(entry.yanked) or candidate.yanked
    try:
        # With its local part: `==2.15.0` admits 2.15.0+cu126, `===2.15.0` does not.
        with_local = replace(candidate, version=candidate.name, yanked=withdrawn)
        return refused_by(with_local, specifier)
    except InvalidSpecifier:
        return "cannot be read"
