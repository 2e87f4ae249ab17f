"""Which of the listed builds a request admits, whatever the accelerators. Pure."""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace

from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import Version

from headrace.values import dataclass
from headrace.variants.builds import Candidate, CudaTables, Pair
from headrace.variants.compatibility.coverage import find_build
from headrace.variants.compatibility.labels import belongs, label_of, row_of, same_stack, toolkit_of
from headrace.variants.hosts import Host, VariantRequest
from headrace.variants.wheels import misfit

__all__ = [
    "Bond",
    "Listing",
    "of_lead",
    "partner",
    "partners",
    "pins",
    "refused_by",
    "that_matters",
]


class Bond(enum.IntEnum):
    """What a follower must have to do with a release of the lead."""

    MADE_FOR_IT = 0
    """By the tables or its metadata, or it is not known for which it was made."""
    ADMITS_IT = 1
    """Also one that was made for another release, and whose metadata does not insist on that."""
    ANY = 2
    """Any: whoever leaves requirements out (``--no-deps``) still wants one CUDA."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What the indexes list, and for whom it is looked through."""

    host: Host
    python: str | None
    tables: CudaTables
    by_project: Mapping[str, Sequence[Candidate]]
    _labels: dict[Candidate, str] = field(default_factory=dict, repr=False, compare=False)
    _misfits: dict[Candidate, str] = field(default_factory=dict, repr=False, compare=False)
    _made: dict[tuple[Candidate, str], bool | None] = field(
        default_factory=dict, repr=False, compare=False
    )
    _admitted: dict[tuple[str, str], list[Candidate]] = field(
        default_factory=dict, repr=False, compare=False
    )
    """What was worked out already: each build is looked at for every release of the lead."""

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
        if candidate not in self._labels:
            self._labels[candidate] = label_of(candidate, self.host, self.tables)
        return self._labels[candidate]

    def installable(self, candidate: Candidate) -> str:
        """Say why it cannot be installed here; empty when it can."""
        if candidate not in self._misfits:
            glibc = self._glibc(candidate)
            self._misfits[candidate] = misfit(candidate.wheels, self.host, self.python, glibc)
        return self._misfits[candidate]

    def belongs(self, candidate: Candidate, version: str) -> bool | None:
        """Whether a follower was made for a release of the lead; None: not known."""
        if (candidate, version) not in self._made:
            self._made[candidate, version] = belongs(self.tables, candidate, version)
        return self._made[candidate, version]

    def refuses(self, follower: Candidate, version: str) -> bool:
        """Whether a follower's metadata asks for another release of the lead."""
        if self.belongs(follower, version) is not False:
            return False
        wanted = self._requirement(follower)
        return wanted is not None and not _contains(wanted, version)

    def admits_later(self, follower: Candidate, version: str) -> bool:
        """Whether a follower was made for an older release of the lead, and asks for that or a
        later one.
        """
        if self.belongs(follower, version) is not False:
            return False
        wanted = self._requirement(follower)
        return bool(wanted) and _contains(wanted or "", version)

    def _requirement(self, follower: Candidate) -> str | None:
        """Return what a follower's metadata asks of the lead, as a specifier; None: not known."""
        if follower.requires:
            return follower.requires
        for each in self.tables.requirements:
            if each.project == follower.project and _contains(each.versions, follower.version):
                return each.lead
        # One that was made for a single release pins it.
        exact = f"=={follower.version}"
        rows = {row.version: row.partners for row in self.tables.releases}
        made = [
            release
            for release, partners in (rows | dict(self.tables.patches)).items()
            if partners.get(follower.project) == exact
        ]
        return f"=={made[0]}" if len(made) == 1 else None

    def admitted(self, project: str, specifier: str) -> list[Candidate]:
        """Return the builds that can be installed here and that a specifier admits."""
        if (project, specifier) not in self._admitted:
            self._admitted[project, specifier] = [
                each
                for each in self.by_project.get(project, ())
                if not refused_by(each, specifier) and not self.installable(each)
            ]
        return self._admitted[project, specifier]

    def _glibc(self, candidate: Candidate) -> Pair | None:
        row = row_of(self.tables, candidate.version)
        if candidate.project != self.tables.lead or row is None:
            return None
        known = find_build(self.tables, candidate.version, self.label(candidate))
        return (known.build.glibc if known else None) or row.glibc

    def refusal(
        self, candidate: Candidate, request: VariantRequest, *, bond: Bond = Bond.MADE_FOR_IT
    ) -> str:
        """Say why the request does not admit a build of the lead; empty when it does.

        `bond`: as in `partner`.
        """
        if refused := refused_by(candidate, request.specifier):
            return refused
        if wrong := self.installable(candidate):
            return wrong
        for project, specifier in request.companions:
            if project == self.tables.npu:
                if not self._under_npu(candidate, specifier):
                    return f"is not the release that {project}{specifier} goes with"
            elif self._in_the_way(project, specifier, candidate, bond=bond):
                return f"no {project}{specifier} that is listed goes with it"
        return ""

    def _in_the_way(self, project: str, specifier: str, lead: Candidate, *, bond: Bond) -> bool:
        """Whether what is asked of a follower rules a build of the lead out.

        A follower of which it is not known what it was made for, or what it is, rules nothing out.
        """
        if project not in self.tables.followers or not self.by_project.get(project):
            return False
        version, label = lead.version, self.label(lead)
        found = self.partner(project, version, label, specifier, bond=bond)
        those = self.admitted(project, specifier)
        return (
            found is None
            and not any(
                self.admits_later(each, version) and near(self.label(each), label) is not None
                for each in those
            )
            and all(
                self.belongs(each, version) is False
                or (self.belongs(each, version) and self.label(each))
                for each in those
            )
        )

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
        self,
        project: str,
        version: str,
        label: str,
        specifier: str = "",
        *,
        bond: Bond = Bond.MADE_FOR_IT,
    ) -> Candidate | None:
        """Return the newest build of a follower that goes with a build of the lead.

        `bond`: how much it must have to do with that release.
        """
        found = [
            (Version(each.version), nearness, not each.index, each)
            for each in self.admitted(project, specifier)
            if (
                self.belongs(each, version) is not False
                or (bond >= Bond.ADMITS_IT and not self.refuses(each, version))
                or bond is Bond.ANY
            )
            and (nearness := near(self.label(each), label)) is not None
        ]
        return max(found)[-1] if found else None

    def plain_partner(self, project: str, version: str, specifier: str) -> Candidate | None:
        """Return what an installer takes beside a release of the lead of the default index alone:
        the newest that does not refuse it.
        """
        found = [
            each
            for each in self.admitted(project, specifier)
            if not each.index and not self.refuses(each, version)
        ]
        return max(found, key=lambda each: Version(each.version), default=None)


def of_lead(request: VariantRequest, tables: CudaTables) -> VariantRequest:
    """Return what a request for a follower asks of the lead."""
    if request.project == tables.lead:
        return request
    others = [(p, text) for p, text in request.companions if p != tables.lead]
    return replace(
        request,
        project=tables.lead,
        specifier=dict(request.companions).get(tables.lead, ""),
        companions=((request.project, request.specifier), *others),
    )


def that_matters(request: VariantRequest, tables: CudaTables) -> VariantRequest:
    """Return a request without what decides nothing: two that say the same are then equal."""
    those = tables.family | tables.same_major | {tables.npu}
    companions = {(name, _sorted(text)) for name, text in request.companions if name in those}
    return replace(
        request, specifier=_sorted(request.specifier), companions=tuple(sorted(companions))
    )


@functools.lru_cache(maxsize=4096)
def _contains(specifier: str, version: str) -> bool:
    return SpecifierSet(specifier).contains(version, prereleases=True)


def _sorted(specifier: str) -> str:
    return ",".join(sorted({clause.strip() for clause in specifier.split(",")} - {""}))


def partners(
    listing: Listing, lead: Candidate, label: str, asked: Iterable[tuple[str, str]]
) -> dict[str, Candidate]:
    """Return the builds of the followers that are asked for which go with a build of the lead."""
    found: dict[str, Candidate] = {}
    for project, specifier in asked:
        if project not in listing.tables.followers:
            continue
        tries = (listing.partner(project, lead.version, label, specifier, bond=b) for b in Bond)
        best = None if lead.index else listing.plain_partner(project, lead.version, specifier)
        if best is None or near(listing.label(best), label) is None:
            best = next((each for each in tries if each is not None), None)
        if best is not None:
            found[project] = best
    return found


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
    return _refused_by(candidate.name, specifier, yanked=candidate.yanked)


@functools.lru_cache(maxsize=4096)
def _refused_by(text: str, specifier: str, *, yanked: bool) -> str:
    wanted = SpecifierSet(specifier)
    version = Version(text)
    if not wanted.contains(version, prereleases=True):
        return f"is not {specifier}"
    if yanked and not pins(specifier):
        return "was withdrawn (yanked)"
    if version.is_prerelease and not wanted.prereleases:
        return "is a pre-release"
    return ""


def pins(specifier: str) -> bool:
    """Whether a specifier pins one version, so that an installer takes a yanked one too."""
    return any(map(_pins, SpecifierSet(specifier)))


def _pins(clause: Specifier) -> bool:
    return clause.operator == "===" or (
        clause.operator == "==" and not clause.version.endswith(".*")
    )
