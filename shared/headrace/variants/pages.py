"""What the pages of a family of projects should list for one host. Pure.

An installer takes the newest version, and of one version the one with a local part. So the build
that suits is listed beside the default index's own, and what is newer and does not suit is marked
yanked: it still installs where it is pinned, and its reason is shown. A page cannot know what will
be asked of it, so each release of the lead gets its own best build; followers take the build of the
release that they were made for. What is older than the choice is never yanked: who asks for it gets
it, as without us.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby

from packaging.version import Version

from headrace.values import dataclass
from headrace.variants import reasons
from headrace.variants.admission import Listing, of_lead, partner
from headrace.variants.best_build import settle
from headrace.variants.builds import (
    Candidate,
    CudaTables,
    Decision,
    FamilyPages,
    Outcome,
    PageEntry,
)
from headrace.variants.choose import decide, kind_wanted
from headrace.variants.compatibility.criteria import BuildCriteria
from headrace.variants.compatibility.fit import Compatible, judge
from headrace.variants.compatibility.gpu_names import chosen_for
from headrace.variants.compatibility.labels import Kind, belongs, kind_of
from headrace.variants.family import does, family_for
from headrace.variants.hosts import Host, Situation, VariantRequest
from headrace.variants.pinned import with_pinned, with_pins
from headrace.variants.requested_pages import requested_pages
from headrace.variants.target import NOTHING, VariantOverride

__all__ = ["arrange", "serve"]

_NOTHING = Decision(Outcome.UPSTREAM, "", "no page is arranged")


@dataclass(frozen=True, slots=True)
class _Lead:
    """What becomes of one release of the lead."""

    version: str
    candidate: Candidate | None
    """Its build; None: the default index's, whatever that is."""
    label: str
    yanked: str = ""
    note: str = ""


def arrange(
    host: Host,
    request: VariantRequest,
    candidates: Iterable[Candidate],
    tables: CudaTables,
    override: VariantOverride = NOTHING,
) -> FamilyPages:
    """Arrange the pages of all projects of the family that have candidates.

    Each release gets the build that suits it, whatever the request asks for of the version. Pages
    are missing, so left as they are, where nothing was chosen or the default index alone is right.
    """
    every = sorted(set(candidates))
    request, override = with_pins(request, tables, override)
    request = VariantRequest(tables.lead, request.python, installed=request.installed)
    decision = decide(host, request, every, tables, override)
    host = chosen_for(override.host or host, tables)
    if decision.outcome is not Outcome.CHOSEN or host.platform == "darwin":
        return FamilyPages(decision)
    listing = Listing.of(every, host, request, tables)
    wanted = kind_wanted(host, request, tables, override)
    pages = _Pages(listing, decision, wanted, override.build)
    leads = pages.leads()
    arranged = {tables.lead: pages.of_lead(leads)}
    for project in sorted(listing.by_project):
        if project in tables.followers:
            arranged[project] = pages.of_follower(project, leads)
    return FamilyPages(decision, arranged)


def serve(
    host: Host,
    request: VariantRequest,
    candidates: Iterable[Candidate],
    tables: CudaTables,
    override: VariantOverride = NOTHING,
) -> FamilyPages:
    """Arrange the pages that installers get: as `arrange` does, where that is worth a change.

    Where the default index's newest build runs here, on all of the GPUs, its pages stay as they
    are although another build may suit a little better; so do they where there is no accelerator.
    What everybody has is what mirrors have, and what a frozen list of versions can name.
    """
    every = sorted(set(candidates))
    request, override = with_pins(request, tables, override)
    seen = chosen_for(override.host or host, tables)
    served = _served(host, request, every, tables, override)
    return with_pinned(served, request, Listing.of(every, seen, request, tables))


def _served(
    host: Host,
    request: VariantRequest,
    every: list[Candidate],
    tables: CudaTables,
    override: VariantOverride,
) -> FamilyPages:
    seen = chosen_for(override.host or host, tables)
    if request.known:
        listing = Listing.of(every, seen, of_lead(request, tables), tables)
        family = family_for(host, request, listing, override)
        chosen = family.stays or family.decision.outcome is Outcome.CHOSEN
        free = replace(request, installed=None)
        best = arrange(host, free, every, tables, override) if chosen else FamilyPages(_NOTHING)
        return requested_pages(best, family, request, listing)
    arrangement = arrange(host, request, every, tables, override)
    if override.build or not arrangement.pages:
        return arrangement
    if not seen.accelerators and kind_of(arrangement.decision.label) is Kind.CPU:
        why = "stays as the default index has it: there is no accelerator here"
        return FamilyPages(Decision(Outcome.UPSTREAM, tables.lead, f"{tables.lead} {why}"))
    plain = [each for each in every if not each.index]
    default = decide(host, VariantRequest(tables.lead, request.python), plain, tables, override)
    hidden = any(entry.yanked for entry in arrangement.pages[tables.lead])
    if not hidden and does(default, arrangement.decision, seen):
        return FamilyPages(default)
    return arrangement


@dataclass(frozen=True, slots=True)
class _Pages:
    listing: Listing
    decision: Decision
    wanted: BuildCriteria
    build: str
    """The override's."""

    def leads(self) -> dict[str, _Lead]:
        """Say what becomes of each release of the lead, by version."""
        tables = self.listing.tables
        listed = self.listing.by_project[tables.lead]
        best = self.decision.candidate
        coverage = self._coverage(best) if best else ()
        return {
            version: self._lead(version, list(group), coverage)
            for version, group in groupby(listed, key=lambda each: each.version)
        }

    def _coverage(self, candidate: Candidate) -> tuple[int, ...]:
        kind = self.wanted.kind or Kind.OTHER
        judged = judge(candidate, kind, self.listing.host, self.listing.tables)
        return judged.coverage if isinstance(judged, Compatible) else ()

    def _lead(self, version: str, group: list[Candidate], coverage: tuple[int, ...]) -> _Lead:
        here = [each for each in group if not self.listing.installable(each)]
        if not here:
            return _Lead(version, None, "")
        if self.build:
            return self._forced(version, here)
        host = self.listing.host
        settled = settle(here, self.wanted, host, self.listing.tables)
        fit = settled.fit
        if fit is None or settled.cause is not None:
            nearest = reasons.in_the_way(settled)
            out = self._out(
                version, nearest.core if nearest else "has no build for this accelerator"
            )
            if fit is None:
                return out
            plain = kind_of(self.decision.label) is Kind.CPU
            kept = _Lead(version, None, "", note=out.note) if plain else out
            return replace(kept, candidate=fit.candidate, label=fit.label)
        if fit.coverage >= coverage:
            return _Lead(version, fit.candidate, fit.label)
        gpus = ", ".join(
            reasons.gpu_text(host.accelerators[n]) for n in reasons.uncovered(fit, host)
        )
        out = self._out(version, f"has no build that covers {gpus} too")
        return replace(out, candidate=fit.candidate, label=fit.label)

    def _forced(self, version: str, here: list[Candidate]) -> _Lead:
        those = [each for each in here if self.listing.label(each) == self.build]
        best = max(those, key=lambda each: not each.index, default=None)
        if best is None:
            return self._out(version, f"has no build {self.build}")
        return _Lead(version, best, self.build)

    def _out(self, version: str, why: str) -> _Lead:
        """Return a release without a suitable build; a newer one than the choice must not win."""
        note = f"headrace: {self.listing.tables.lead} {version} {why}"
        best = self.decision.candidate
        newer = best is not None and Version(version) > Version(best.version)
        return _Lead(version, None, "", note if newer and not self._harmless() else "", note)

    def _harmless(self) -> bool:
        """Whether the default index's build does no worse here than the choice."""
        host = self.listing.host
        return not self.build and not host.accelerators and host.situation is Situation.ORDINARY

    def of_lead(self, leads: dict[str, _Lead]) -> tuple[PageEntry, ...]:
        """Arrange the lead's own page."""
        listed = self.listing.by_project[self.listing.tables.lead]
        return tuple(self._entry(each, leads[each.version]) for each in listed)

    def _entry(self, candidate: Candidate, lead: _Lead) -> PageEntry:
        default = not candidate.index
        return PageEntry(
            candidate,
            listed=default or candidate == lead.candidate,
            yanked=lead.yanked if default or candidate == lead.candidate else "",
            note=lead.note,
        )

    def of_follower(self, project: str, leads: dict[str, _Lead]) -> tuple[PageEntry, ...]:
        """Arrange a follower's page."""
        listed = self.listing.by_project[project]
        entries: list[PageEntry] = []
        for _, group in groupby(listed, key=lambda each: each.version):
            builds = list(group)
            lead = self._lead_of(builds[0], leads)
            if lead is None:
                entries += [PageEntry(each, listed=not each.index) for each in builds]
                continue
            here = [each for each in builds if not self.listing.installable(each)]
            build = partner(self.listing, here, lead.label) if lead.label else None
            yanked, note = lead.yanked, lead.note
            if lead.label and build is None and here and self._known(builds[0], lead):
                note = f"headrace: no {project} {builds[0].version} is built for {lead.label}"
                yanked = yanked or (note if self._passed_over(builds[0], lead) else "")
            shown = replace(lead, candidate=build, yanked=yanked, note=note)
            entries += [self._entry(each, shown) for each in builds]
        return tuple(entries)

    def _lead_of(self, candidate: Candidate, leads: dict[str, _Lead]) -> _Lead | None:
        """Return the release of the lead that a follower's version goes with here.

        The chosen one where it may; else the newest that is not yanked, else the newest.
        """
        chosen = self.decision.candidate
        tables = self.listing.tables
        those = [
            lead
            for lead in leads.values()
            if (made := belongs(tables, candidate, lead.version)) is True
            or (made is None and chosen and lead.version == chosen.version)
        ]
        return max(
            those,
            key=lambda lead: (
                not lead.yanked,
                chosen is not None and lead.version == chosen.version,
                Version(lead.version),
            ),
            default=None,
        )

    def _known(self, candidate: Candidate, lead: _Lead) -> bool:
        return belongs(self.listing.tables, candidate, lead.version) is True

    def _passed_over(self, candidate: Candidate, lead: _Lead) -> bool:
        """Whether an older version of a follower has the build that this one lacks."""
        other = self.listing.partner(candidate.project, lead.version, lead.label)
        return other is not None and Version(other.version) < Version(candidate.version)
