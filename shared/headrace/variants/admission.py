"""Which of the listed builds a request admits, whatever the accelerators. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import Version

from headrace.variants.builds import Candidate, CudaTables, Pair
from headrace.variants.compatibility.coverage import find_build
from headrace.variants.compatibility.labels import belongs, label_of, row_of, same_stack, toolkit_of
from headrace.variants.hosts import Host, VariantRequest
from headrace.variants.wheels import misfit

__all__ = ["Listing", "partner"]


@dataclass(frozen=True, slots=True)
class Listing:
    """What the indexes list, and for whom it is looked through."""

    host: Host
    python: str | None
    tables: CudaTables
    by_project: Mapping[str, Sequence[Candidate]]

    @classmethod
    def of(
        cls,
        candidates: Iterable[Candidate],
        host: Host,
        request: VariantRequest,
        tables: CudaTables,
    ) -> Listing:
        """Sort the candidates; their order does not matter from here on."""
        by_project: dict[str, list[Candidate]] = {}
        for candidate in sorted(set(candidates)):
            by_project.setdefault(candidate.project, []).append(candidate)
        return cls(host, host.python or request.python, tables, by_project)

    def label(self, candidate: Candidate) -> str:
        """Return what a candidate is."""
        return label_of(candidate, self.host, self.tables)

    def installable(self, candidate: Candidate) -> str:
        """Say why it cannot be installed here; empty when it can."""
        glibc = self._glibc(candidate)
        return misfit(candidate.wheels, self.host, self.python, glibc)

    def _glibc(self, candidate: Candidate) -> Pair | None:
        row = row_of(self.tables, candidate.version)
        if candidate.project != self.tables.lead or row is None:
            return None
        known = find_build(self.tables, candidate.version, self.label(candidate))
        return (known.build.glibc if known else None) or row.glibc

    def refusal(self, candidate: Candidate, request: VariantRequest) -> str:
        """Say why the request does not admit a build of the lead; empty when it does."""
        if refused := refused_by(candidate, request.specifier):
            return refused
        if wrong := self.installable(candidate):
            return wrong
        for project, specifier in request.companions:
            if project == self.tables.npu:
                if not self._under_npu(candidate, specifier):
                    return f"is not the release that {project}{specifier} goes with"
            elif project in self.tables.followers and self.by_project.get(project):
                label = self.label(candidate)
                if self.partner(project, candidate.version, label, specifier) is None:
                    return f"no {project}{specifier} that is listed goes with it"
        return ""

    def _under_npu(self, candidate: Candidate, specifier: str) -> bool:
        """Whether an NPU's companion of the lead's own version is asked for and there."""
        listed = self.by_project.get(self.tables.npu, ())
        release = Version(candidate.version).release
        if listed:
            return any(
                Version(each.version).release == release and not refused_by(each, specifier)
                for each in listed
            )
        # Its post-releases go with the release itself.
        plain = ",".join(
            clause.operator + Version(clause.version).base_version
            if not clause.version.endswith(".*")
            else str(clause)
            for clause in SpecifierSet(specifier)
        )
        return SpecifierSet(plain).contains(Version(candidate.version).base_version)

    def partner(
        self, project: str, version: str, label: str, specifier: str = ""
    ) -> Candidate | None:
        """Return the newest build of a follower that goes with a build of the lead."""
        found = [
            (Version(each.version), nearness, not each.index, each)
            for each in self.by_project.get(project, ())
            if not refused_by(each, specifier)
            and belongs(self.tables, each, version) is not False
            and (nearness := near(self.label(each), label)) is not None
            and not self.installable(each)
        ]
        return max(found)[-1] if found else None


def near(label: str, wanted: str) -> tuple[int, int] | None:
    """Return how near a follower's build is to the lead's, larger is nearer; None: it cannot be
    loaded beside it.
    """
    if not label or not same_stack(label, wanted):
        return None
    return int(label == wanted), -abs(toolkit_of(label)[1] - toolkit_of(wanted)[1])


def partner(listing: Listing, builds: Iterable[Candidate], wanted: str) -> Candidate | None:
    """Return the nearest of several builds of one version of a follower; the default first."""
    found = [
        (nearness, not each.index, each)
        for each in builds
        if (nearness := near(listing.label(each), wanted)) is not None
    ]
    return max(found)[2] if found else None


def refused_by(candidate: Candidate, specifier: str) -> str:
    """Say why a specifier does not admit a version; empty when it does (PEP 440, PEP 592)."""
    wanted = SpecifierSet(specifier)
    version = Version(candidate.version)
    if not wanted.contains(version, prereleases=True):
        return f"is not {specifier}"
    if candidate.yanked and not any(map(_pins, wanted)):
        return "was withdrawn (yanked)"
    if version.is_prerelease and not wanted.prereleases:
        return "is a pre-release"
    return ""


def _pins(clause: Specifier) -> bool:
    return clause.operator in ("==", "===") and not clause.version.endswith(".*")
