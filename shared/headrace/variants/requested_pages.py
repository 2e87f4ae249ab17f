"""The pages of a family for a request that is known: what it admits, the right build first. Pure.

An installer asks a page once and has no soft preference. Since it is known what it will take of a
page, only what would be taken before the right build is marked yanked, and nothing where there is
no right one. A pin is taken although it is yanked, and its reason is shown: so a build that will
not use what is here says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from packaging.version import Version

from headrace.values import dataclass
from headrace.variants.admission import Listing, of_lead, pins, refused_by
from headrace.variants.builds import Candidate, FamilyPages, Outcome, PageEntry
from headrace.variants.compatibility.labels import same_stack
from headrace.variants.family import Family
from headrace.variants.hosts import VariantRequest
from headrace.variants.taken import first_choice, page_of

__all__ = ["requested_pages"]


def requested_pages(
    every_release: FamilyPages, family: Family, request: VariantRequest, listing: Listing
) -> FamilyPages:
    """Arrange the pages of what is asked for.

    `every_release`: the pages with the best build of each release. Pages are missing where the
    default index's own give the same.
    """
    lead = listing.tables.lead
    asked = of_lead(request, listing.tables)
    wanted = {p: text for p, text in asked.companions if p in listing.tables.followers}
    if not family.stays or request.project == lead:
        wanted[lead] = asked.specifier
    there = {project: text for project, text in wanted.items() if project in listing.by_project}
    plain = FamilyPages(family.decision)
    if not family.name:
        return plain
    chosen = family.decision.outcome is not Outcome.UPSTREAM or family.stays
    if not chosen and not family.decision.unused and _goes_together(plain, there, listing):
        return plain  # nothing is to be chosen or told: what the index itself gives is as good
    arranged = FamilyPages(
        family.decision,
        {
            project: _Page(project, text, family, listing).entries(
                _every_build(project, every_release, listing)
            )
            for project, text in there.items()
        },
    )
    return plain if _alike(plain, arranged, there, listing) else arranged


def _every_build(
    project: str, every_release: FamilyPages, listing: Listing
) -> tuple[PageEntry, ...]:
    """Return what is on a page, and beside it, not listed, what could be."""
    shown = page_of(project, every_release, listing)
    there = {entry.candidate for entry in shown}
    others = [each for each in listing.by_project.get(project, ()) if each not in there]
    every = [*shown, *(PageEntry(each, listed=False) for each in others)]
    return tuple(sorted(every, key=lambda entry: entry.candidate))


def _alike(
    plain: FamilyPages, arranged: FamilyPages, asked: Mapping[str, str], listing: Listing
) -> bool:
    """Whether an installer takes the same of both, and is told the same."""
    for project, specifier in asked.items():
        one, other = (
            first_choice(page_of(project, served, listing), specifier, listing)
            for served in (plain, arranged)
        )
        if (one and one.candidate) != (other and other.candidate):
            return False
        if other and other.yanked:
            return False
    return True


def _goes_together(plain: FamilyPages, asked: Mapping[str, str], listing: Listing) -> bool:
    """Whether an installer takes builds of one stack, all of whose requirements are met."""
    lead = listing.tables.lead
    taken = {
        project: first_choice(page_of(project, plain, listing), specifier, listing)
        for project, specifier in asked.items()
    }
    first = taken.pop(lead, None)
    if first is None:
        return False
    label = listing.label(first.candidate)
    return all(
        other is not None
        and not listing.refuses(other.candidate, first.candidate.version)
        and same_stack(listing.label(other.candidate), label)
        for other in taken.values()
    )


@dataclass(frozen=True, slots=True)
class _Page:
    """One project's page."""

    project: str
    specifier: str
    family: Family
    listing: Listing

    def entries(self, best: Sequence[PageEntry]) -> tuple[PageEntry, ...]:
        """Arrange it. `best`: with the best build of each release."""
        shown = [replace(entry, listed=self._listed(entry)) for entry in best]
        there = [entry for entry in shown if entry.listed and self._admitted(entry.candidate)]
        warning = self._warning(there) if pins(self.specifier) else ""
        return tuple(
            replace(
                entry, yanked=(warning or self._yanked(entry.candidate)) if entry in there else ""
            )
            for entry in shown
        )

    @property
    def _right(self) -> Candidate | None:
        """The build that should be taken; None: the page's own newest."""
        if self._of_lead:
            return self.family.lead
        return self.family.members.get(self.project)

    @property
    def _of_lead(self) -> bool:
        return self.project == self.listing.tables.lead

    def _admitted(self, candidate: Candidate) -> bool:
        return not refused_by(candidate, self.specifier)

    def _listed(self, entry: PageEntry) -> bool:
        candidate, right = entry.candidate, self._right
        if not candidate.index:
            return True
        if right is not None and right.version == candidate.version:
            return candidate == right
        if not entry.listed or not self._admitted(candidate):
            return False
        return self._of_lead or self._goes(candidate) is not False

    def _goes(self, follower: Candidate) -> bool | None:
        """Whether a build goes with the lead; None: it was made for another release of it."""
        made = self.listing.belongs(follower, self.family.version)
        alike = same_stack(self.listing.label(follower), self.family.label)
        return None if made is False else alike

    def _yanked(self, candidate: Candidate) -> str:
        """Say why a build must not win; empty: it may, or does not."""
        right = self._right
        if right is None or Version(candidate.name) <= Version(right.name):
            return ""
        if self.listing.installable(candidate):
            return ""
        if self._of_lead:
            return f"headrace: {self.project} {candidate.name} {self._reason(candidate)}"
        made = self.listing.belongs(candidate, self.family.version)
        if made is None:
            return ""
        return self._apart(candidate.name)

    def _apart(self, name: str) -> str:
        lead = f"{self.listing.tables.lead} {self.family.name}"
        return f"headrace: {self.project} {name} does not go with {lead}"

    def _reason(self, candidate: Candidate) -> str:
        rejections = self.family.decision.rejections
        told = (each.reason for each in rejections if each.candidate == candidate)
        return next(told, "does not suit this host")

    def _warning(self, there: Sequence[PageEntry]) -> str:
        """Say what is wrong with a pin; empty: nothing."""
        if self._of_lead:
            unused = self.family.decision.unused
            return f"headrace: {self.project} {unused}" if unused else ""
        here = [each.candidate for each in there if not self.listing.installable(each.candidate)]
        apart = here and all(
            self.listing.label(each)
            and self.listing.belongs(each, self.family.version) is not None
            and not same_stack(self.listing.label(each), self.family.label)
            for each in here
        )
        return self._apart(here[0].version) if apart else ""
