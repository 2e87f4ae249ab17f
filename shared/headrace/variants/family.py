"""What a family of projects should be once an installer has met a known request. Pure.

First what the lead will be: what is installed and stays, else the build that is chosen among those
that the request admits, else the default index's newest of them. Then of each follower that is
asked for the newest build that goes with it, so that all are of one CUDA. Where nothing admitted
runs here, that is the default's family.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from headrace.values import dataclass
from headrace.variants.admission import Bond, Listing, of_lead, partners
from headrace.variants.builds import Candidate, Decision, Outcome
from headrace.variants.choose import decide
from headrace.variants.compatibility.gpu_names import chosen_for
from headrace.variants.compatibility.labels import Kind, kind_of, label_in
from headrace.variants.hosts import Host, VariantRequest
from headrace.variants.target import VariantOverride

__all__ = ["Family", "does", "family_for"]


@dataclass(frozen=True, slots=True)
class Family:
    """What should be there in the end."""

    decision: Decision
    """On the lead, with everything that the request asks for."""
    name: str = ""
    """The lead's version with the label of its build; empty: nothing is known of it."""
    lead: Candidate | None = None
    """The build of the lead that its page should give; None: the page's own newest."""
    members: Mapping[str, Candidate] = field(default_factory=dict)
    """By follower that is asked for; missing: its page's own newest."""
    stays: bool = False
    """The lead is installed, and an installer leaves it there."""

    @property
    def version(self) -> str:
        """The lead's, without the label."""
        return self.name.partition("+")[0]

    @property
    def label(self) -> str:
        """What the lead's build is."""
        return self.name.partition("+")[2]


def family_for(
    host: Host,
    request: VariantRequest,
    listing: Listing,
    override: VariantOverride,
) -> Family:
    """Say what the lead will be, and its followers with it. `request` is a known one."""
    tables = listing.tables
    asked = of_lead(request, tables)
    decision = _worth_it(host, asked, listing, override)
    if decision.outcome is Outcome.HANDS_OFF or listing.host.platform == "darwin":
        return Family(decision)
    lead = decision.candidate or _newest_default(asked, listing)
    if kept := _kept(asked, listing):
        stays = f"{tables.lead} {asked.installed} is installed and stays"
        decision = Decision(Outcome.UPSTREAM, tables.lead, stays, warnings=decision.warnings)
    found = kept or lead
    if found is None:
        return Family(decision)
    label = listing.label(found)
    if not label:
        return Family(decision, lead=lead)
    members = partners(listing, found, label, asked.companions)
    name = f"{found.version}+{label}"
    return Family(decision, name, lead, members, stays=kept is not None)


def _worth_it(
    host: Host, request: VariantRequest, listing: Listing, override: VariantOverride
) -> Decision:
    """Decide, and prefer the default index's own where another build is hardly better."""
    tables = listing.tables
    every = [each for those in listing.by_project.values() for each in those]
    best = decide(host, request, every, tables, override)
    if best.outcome is not Outcome.CHOSEN or override.build:
        return best
    plain = dict(request.companions).get(tables.npu) is None
    seen = chosen_for(override.host or host, tables)
    if plain and not seen.accelerators and kind_of(best.label) is Kind.CPU:
        why = "stays as the default index has it: there is no accelerator here"
        return Decision(Outcome.UPSTREAM, tables.lead, f"{tables.lead} {why}")
    own = [each for each in every if not each.index or each.project != tables.lead]
    default = decide(host, request, own, tables, override)
    return default if does(default, best, seen) else best


def does(default: Decision, best: Decision, host: Host) -> bool:
    """Whether the default index's own choice is as new as the best one and covers all GPUs."""
    if default.candidate is None or best.candidate is None:
        return False
    newer = Version(default.candidate.version) >= Version(best.candidate.version)
    makers = {host.accelerators[n].maker for n in best.covered}
    known = {n for n, gpu in enumerate(host.accelerators) if gpu.maker in makers and gpu.capability}
    return newer and set(default.covered) >= known | set(best.covered)


def _newest_default(request: VariantRequest, listing: Listing) -> Candidate | None:
    """Return what the default index would give: with followers that go with it, if there is one."""
    plain = [
        each for each in listing.admitted(request.project, request.specifier) if not each.index
    ]
    every = ([e for e in plain if not listing.refusal(e, request, bond=bond)] for bond in Bond)
    fitting = next(filter(None, every), plain)
    return max(fitting, key=lambda each: Version(each.version), default=None)


def _kept(request: VariantRequest, listing: Listing) -> Candidate | None:
    """Return the lead that is installed, where the request leaves it there."""
    try:
        version = Version(request.installed or "")
    except InvalidVersion:
        return None
    if not SpecifierSet(request.specifier).contains(version, prereleases=True):
        return None
    local = version.local or ""
    label = label_in(local)
    there = Candidate(request.project, version.public, label, label)
    for project, specifier in request.companions:
        if project not in listing.tables.followers:
            continue
        those = listing.admitted(project, specifier)
        # A follower that was made for another release alone brings that.
        if those and all(listing.refuses(each, there.version) for each in those):
            return None
    return there
