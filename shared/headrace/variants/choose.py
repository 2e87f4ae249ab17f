"""Which build of a package for accelerators an installer should get on a host, and why. Pure.

In short: a CUDA build's major must not exceed the driver's; it must have kernels for the GPUs, all
of them if any has; of what is left the newest release. Whatever cannot be met is said, and a GPU
host never gets a CPU build in silence. The family's *lead* decides and its followers take the same
build (`admission`); their pages for an installer are arranged by `pages`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from packaging.version import Version

from headrace.values import dataclass
from headrace.variants import reasons
from headrace.variants.admission import Bond, Listing, of_lead, partners
from headrace.variants.best_build import BestBuild, settle
from headrace.variants.builds import UNUSED, Candidate, CudaTables, Decision, Outcome
from headrace.variants.compatibility.criteria import (
    BuildCriteria,
    build_criteria,
    hands_off,
)
from headrace.variants.compatibility.fit import Cause, Compatible, judge
from headrace.variants.compatibility.gpu_names import chosen_for
from headrace.variants.compatibility.labels import Kind, kind_of
from headrace.variants.hosts import Host, VariantRequest
from headrace.variants.pinned import with_pins
from headrace.variants.target import NOTHING, VariantOverride

__all__ = ["decide", "kind_wanted"]


def decide(
    host: Host,
    request: VariantRequest,
    candidates: Iterable[Candidate],
    tables: CudaTables,
    override: VariantOverride = NOTHING,
) -> Decision:
    """Choose a build of a project of the family.

    `candidates`: what the indexes list now, of all projects of the family that matter (the lead,
    the project, its companions), each from every index that lists it.
    """
    request, override = with_pins(request, tables, override)
    host = chosen_for(override.host or host, tables)
    if why := hands_off(request, tables, override.build):
        return Decision(
            Outcome.HANDS_OFF, request.project, f"{request.project} is left alone: {why}"
        )
    lead = of_lead(request, tables)
    listing = Listing.of(candidates, host, lead, tables)
    decision = _LeadDecision(host, lead, listing, tables, override).decision()
    return decision if request.project == tables.lead else _follower(decision, request, listing)


def _follower(decision: Decision, request: VariantRequest, listing: Listing) -> Decision:
    """Turn the lead's decision into that of the follower that was asked for."""
    found = [each for each in decision.companions if each.project == request.project]
    if decision.outcome is not Outcome.CHOSEN or not found:
        if decision.outcome is not Outcome.CHOSEN:
            return replace(decision, project=request.project)
        why = f"nothing that is listed goes with {decision.project} {decision.name}"
        reason = f"{request.project} stays as the default index has it: {why}"
        return Decision(Outcome.UPSTREAM, request.project, reason)
    label = listing.label(found[0])
    reason = f"{request.project} {reasons.name(found[0], label)}: goes with {decision.reason}"
    return replace(
        decision, project=request.project, candidate=found[0], label=label, reason=reason
    )


def kind_wanted(
    host: Host, request: VariantRequest, tables: CudaTables, override: VariantOverride
) -> BuildCriteria:
    """Say what kind of build to look for; an override's build decides."""
    if override.build:
        return BuildCriteria(kind_of(override.build), f"{override.words} says so")
    return build_criteria(host, request, tables)


@dataclass(frozen=True, slots=True)
class _LeadDecision:
    """One decision on the lead, step by step."""

    host: Host
    request: VariantRequest
    listing: Listing
    tables: CudaTables
    override: VariantOverride

    def decision(self) -> Decision:
        listed = self.listing.by_project.get(self.tables.lead, ())
        for bond in Bond:
            # Where both are pinned that were made for others, they can still be of one build.
            refused = self._refused(bond)
            if len(refused) < len(listed):
                break
        admitted = [each for each in listed if each not in refused]
        wanted = kind_wanted(self.host, self.request, self.tables, self.override)
        if wanted.kind is None:
            return self._default(wanted, admitted, refused)
        if self.override.build:
            return self._forced(wanted, admitted, refused)
        settled = settle(admitted, wanted, self.host, self.tables)
        if settled.fit is None:
            return self._upstream(wanted, admitted, refused, settled)
        return self._chosen(settled.fit, wanted, refused, settled)

    def _refused(self, bond: Bond) -> dict[Candidate, str]:
        listed = self.listing.by_project.get(self.tables.lead, ())
        return {
            each: text
            for each in listed
            if (text := self.listing.refusal(each, self.request, bond=bond))
        }

    def _default(
        self, wanted: BuildCriteria, admitted: list[Candidate], refused: dict[Candidate, str]
    ) -> Decision:
        """Leave the default as it is: on macOS because it is right, else for want of knowledge."""
        lead = self.tables.lead
        plain = [each for each in admitted if not each.index]
        settled = BestBuild(None)
        if self.host.platform == "darwin" and plain:
            best = max(plain, key=lambda each: Version(each.version))
            newer = reasons.next_release(Compatible(best, "", (), (), ()), settled, refused)
            return Decision(
                Outcome.CHOSEN,
                lead,
                f"{lead} {best.version}: {'; '.join(filter(None, (wanted.why, newer)))}",
                best,
                warnings=self.host.notes,
                rejections=reasons.rejections(refused, settled, best),
            )
        return Decision(
            Outcome.UPSTREAM,
            lead,
            f"{lead} stays as the default index has it: {wanted.why}",
            warnings=self.host.notes,
            rejections=reasons.rejections(refused, settled, None),
        )

    def _forced(
        self, wanted: BuildCriteria, admitted: list[Candidate], refused: dict[Candidate, str]
    ) -> Decision:
        """Take the override's word, and say where this host cannot run it."""
        build = self.override.build
        those = [each for each in admitted if self.listing.label(each) == build]
        kind = wanted.kind or Kind.OTHER
        if not those:
            wrong = f"no build {build} is listed that the request admits"
            return self._stays(wrong, refused, BestBuild(None))
        best = max(those, key=lambda each: (Version(each.version), not each.index, each))
        judged = judge(best, kind, self.host, self.tables)
        if isinstance(judged, Compatible):
            only = BestBuild(judged, None, (judged,))
            return self._chosen(judged, wanted, refused, only)
        fit = Compatible(best, build, (), (), ())
        chosen = self._chosen(fit, wanted, refused, BestBuild(fit))
        odd = f"{fit.candidate.version}+{build} {judged.text}; this is {self._here()}"
        return replace(chosen, warnings=(*chosen.warnings, odd))

    def _here(self) -> str:
        return reasons.describe(self.host, self.tables)

    def _chosen(
        self,
        fit: Compatible,
        wanted: BuildCriteria,
        refused: dict[Candidate, str],
        settled: BestBuild,
    ) -> Decision:
        newer = "" if settled.cause else reasons.next_release(fit, settled, refused)
        said = reasons.warnings(
            fit, self.host, self.tables, [project for project, _ in self.request.companions]
        )
        unused = self._fallen_back(fit, wanted, settled)
        said += [f"{UNUSED}: {unused}"] if unused else []
        said += reasons.for_all(fit, settled, self.host, self.tables)
        companions = partners(self.listing, fit.candidate, fit.label, self.request.companions)
        return Decision(
            Outcome.CHOSEN,
            self.tables.lead,
            reasons.chosen(fit, wanted, self.host, self.tables, newer=newer, settled=settled),
            fit.candidate,
            fit.label,
            fit.covered,
            tuple(said),
            reasons.rejections(refused, settled, fit.candidate),
            tuple(companions.values()),
            unused,
        )

    def _fallen_back(self, fit: Compatible, wanted: BuildCriteria, settled: BestBuild) -> str:
        """Say why accelerators will not be used, and what would help; empty: they will be."""
        if settled.cause is None:
            # Hardware that no build knows was told in the reason; the hint is still of use.
            return wanted.hint if kind_of(fit.label) is Kind.CPU else ""
        better = self._remedy(wanted, [fit.candidate])
        cure = (
            f"ask for {better}" if better else wanted.hint or "no build that is listed does better"
        )
        return f"{reasons.obstacle_of(settled, self.tables)}; {cure}"

    def _upstream(
        self,
        wanted: BuildCriteria,
        admitted: list[Candidate],
        refused: dict[Candidate, str],
        settled: BestBuild,
    ) -> Decision:
        why = reasons.obstacle_of(settled, self.tables)
        if not admitted:
            why = reasons.refusal_of_all(refused, self.request.specifier)
        elif settled.cause is Cause.DRIVER:
            why = f"{why}, and this is {self._here()}"
            better = self._remedy(wanted, admitted)
            why = f"{why}; update the driver" + (f" or ask for {better}" if better else "")
        elif wanted.hint:
            why = f"{why}; {wanted.hint}"
        stays = self._stays(why, refused, settled)
        # What nothing is known of may still run.
        known = bool(admitted) and settled.cause in (Cause.DRIVER, Cause.ARCHITECTURE)
        return replace(stays, unused=why) if known else stays

    def _stays(self, why: str, refused: dict[Candidate, str], settled: BestBuild) -> Decision:
        return Decision(
            Outcome.UPSTREAM,
            self.tables.lead,
            f"{self.tables.lead} stays as the default index has it: {why}",
            warnings=self.host.notes,
            rejections=reasons.rejections(refused, settled, None),
        )

    def _remedy(self, wanted: BuildCriteria, wrong: list[Candidate]) -> str:
        """Say which request would do instead, with nothing asked of the version."""
        free = VariantRequest(self.tables.lead, self.request.python)
        possible = [
            each
            for each in self.listing.by_project.get(self.tables.lead, ())
            if not self.listing.refusal(each, free)
        ]
        fits = settle(possible, wanted, self.host, self.tables)
        runs = () if fits.cause else fits.fits
        best = max((fit.coverage for fit in runs), default=())
        return reasons.remedy(
            self.tables,
            (Version(each.version) for each in wrong),
            (fit for fit in runs if fit.coverage == best),
        )
