"""How well one build suits a host: a score to compare by, or why it does not. Pure.

The order of preferences: the most capable GPU covered, or any by the default index's build, which
is what everybody gets; the newest release; of that all GPUs covered, the most capable one, more of
them; the default index over others, because every mirror has it; the newest CUDA major that the
driver runs; of that a toolkit that the driver was made for over one that it merely runs, and the
nearest of those.
"""

from __future__ import annotations

import enum

from packaging.version import Version

from headrace.values import dataclass
from headrace.variants.builds import DEFAULT_INDEX, Candidate, CudaTables, Pair
from headrace.variants.compatibility.coverage import covers, find_build, gpu_text, translates
from headrace.variants.compatibility.criteria import places
from headrace.variants.compatibility.drivers import cuda_of, obstacle
from headrace.variants.compatibility.labels import Kind, kind_of, label_of, toolkit_of
from headrace.variants.hosts import Host

__all__ = ["Cause", "Compatible", "Incompatible", "judge"]


class Cause(enum.StrEnum):
    """Why a build does not suit a host."""

    DRIVER = "driver"
    """It would with a newer driver."""
    ARCHITECTURE = "architecture"
    """It has no kernels for any of the GPUs."""
    UNKNOWN = "unknown"
    """Nothing is known of its kernels."""
    KIND = "kind"
    """It is for other hardware."""


@dataclass(frozen=True, slots=True)
class Incompatible:
    """A build that is out, and why."""

    candidate: Candidate
    cause: Cause
    text: str
    """Continues "it …": ``needs driver >= 580``."""
    toolkit: Pair = (0, 0)
    """Of a CUDA build: how new a driver it asks for."""
    lasting: str = ""
    """Beside an old driver: what a new one would not mend."""

    @property
    def core(self) -> str:
        """What is really in the way."""
        return self.lasting or self.text


@dataclass(frozen=True, slots=True)
class Compatible:
    """A build that runs."""

    candidate: Candidate
    label: str
    covered: tuple[int, ...]
    """Places of the accelerators that it has kernels for."""
    coverage: tuple[int, ...]
    """The first part of the score, the same in every release; larger is better."""
    rest: tuple[int, ...]
    """The part of the score below the version."""
    assumed: str = ""
    """As `KnownBuild.assumed`."""

    @property
    def version(self) -> Version:
        """The candidate's, to compare by."""
        return Version(self.candidate.version)

    @property
    def score(self) -> tuple[tuple[int, ...], Version, tuple[int, ...], Candidate]:
        """To compare by; the largest is the best. The candidate itself breaks the last ties."""
        return self.coverage, self.version, self.rest, self.candidate


def judge(
    candidate: Candidate, kind: Kind, host: Host, tables: CudaTables
) -> Compatible | Incompatible:
    """Say how well a candidate suits a host that calls for a kind of build."""
    label = label_of(candidate, host, tables)
    if kind_of(label) is not kind:
        what = f"is a build for {label}" if label else "is of a kind that is not known"
        return Incompatible(candidate, Cause.KIND, what)
    if kind is Kind.CUDA:
        return _cuda(candidate, label, host, tables)
    if kind is Kind.ROCM:
        return _rocm(candidate, label, host, tables)
    covered = places(host, kind, tables)
    return Compatible(candidate, label, covered, (len(covered),), (_default(candidate),))


def _cuda(
    candidate: Candidate, label: str, host: Host, tables: CudaTables
) -> Compatible | Incompatible:
    known = find_build(tables, candidate.version, label)
    kernels = known.build.architectures.get(host.machine) if known else None
    if known is None or kernels is None:
        text = f"is a build for {label} of which nothing is known for {host.machine}"
        return Incompatible(candidate, Cause.UNKNOWN, text)
    toolkit, cuda = toolkit_of(label), cuda_of(host, tables) or (0, 0)
    jit = translates(known.build, cuda, host)
    gpus = places(host, Kind.CUDA, tables)
    readable = {n: c for n in gpus if (c := host.accelerators[n].capability)}
    covered = tuple(n for n, c in readable.items() if covers(kernels, c, tables, translates=jit))
    unreadable = len(gpus) - len(readable)
    hopeless = bool(readable) and not covered and not unreadable
    lacking = _no_kernels(host, readable)
    if too_old := obstacle(toolkit, host, tables, zstd=known.build.zstd):
        if hopeless:
            return Incompatible(candidate, Cause.ARCHITECTURE, too_old, toolkit, lacking)
        return Incompatible(candidate, Cause.DRIVER, too_old, toolkit)
    if hopeless:
        return Incompatible(candidate, Cause.ARCHITECTURE, lacking, toolkit)
    best = max(readable.values(), default=None)
    covers_best = not readable or any(readable[n] == best for n in covered)
    default = _default(candidate)
    breadth = len(kernels.sass) if unreadable or not gpus else 0
    surely = int(not known.assumed)
    rest = (len(covered), int(covers_best), breadth, default, surely, *_nearness(toolkit, cuda))
    runs = int(covers_best or bool(default and covered))
    return Compatible(candidate, label, covered, (runs,), rest, known.assumed)


def _default(candidate: Candidate) -> int:
    return int(candidate.index == DEFAULT_INDEX)


def _nearness(toolkit: Pair, cuda: Pair) -> tuple[int, int, int]:
    major, number = toolkit
    return (major, 1, number) if toolkit <= cuda else (major, 0, -number)


def _no_kernels(host: Host, places_of: dict[int, Pair]) -> str:
    gpus = dict.fromkeys(gpu_text(host.accelerators[n]) for n in places_of)
    return f"has no kernels for {' or '.join(gpus)}"


def _rocm(
    candidate: Candidate, label: str, host: Host, tables: CudaTables
) -> Compatible | Incompatible:
    version = label.removeprefix("rocm")
    like = _like(version, tables)
    listed = tables.rocm.get(like)
    if listed is None:
        text = f"is a build for ROCm {version}, of which nothing is known"
        return Incompatible(candidate, Cause.ARCHITECTURE, text)
    gpus = places(host, Kind.ROCM, tables)
    if not gpus:
        return Incompatible(candidate, Cause.KIND, "is a build for AMD's GPUs")
    covered = tuple(n for n in gpus if host.accelerators[n].architecture in listed)
    if not covered:
        names = dict.fromkeys(gpu_text(host.accelerators[n]) for n in gpus)
        return Incompatible(
            candidate, Cause.ARCHITECTURE, f"has no kernels for {' or '.join(names)}"
        )
    numbers = (*Version(version).release, 0, 0)[:3]
    assumed = "" if like == version else f"ROCm {like}"
    surely = int(not assumed and version not in tables.rocm_unproven)
    # One covered card is enough: the others must not hold the release back.
    rest = (len(covered), surely, *numbers, _default(candidate))
    return Compatible(candidate, label, covered, (1,), rest, assumed)


def _like(version: str, tables: CudaTables) -> str:
    """Return the version of ROCm whose builds one is like: itself, else the last before it of its
    major; empty where there is none.
    """
    if version in tables.rocm:
        return version
    wanted = Version(version)
    older = [
        known
        for known in tables.rocm
        if Version(known).major == wanted.major and Version(known) < wanted
    ]
    return max(older, key=Version, default="")
