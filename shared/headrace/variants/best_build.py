"""The best of the admitted builds, or what to fall back to and for what cause. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from packaging.version import Version

from headrace.values import dataclass
from headrace.variants.builds import Candidate, CudaTables, Pair
from headrace.variants.compatibility.criteria import BuildCriteria
from headrace.variants.compatibility.fit import Cause, Compatible, Incompatible, judge
from headrace.variants.compatibility.labels import Kind, kind_of, label_of
from headrace.variants.hosts import Host

__all__ = ["BestBuild", "settle"]


@dataclass(frozen=True, slots=True)
class BestBuild:
    """What came out."""

    fit: Compatible | None
    """None: the default stays."""
    cause: Cause | None = None
    """Not None: nothing of the kind that is wanted suits, because of this; `fit` is a CPU build."""
    fits: tuple[Compatible, ...] = ()
    """All that run, best first."""
    misfits: tuple[Incompatible, ...] = ()


def settle(
    candidates: Iterable[Candidate], want: BuildCriteria, host: Host, tables: CudaTables
) -> BestBuild:
    """Choose among builds of the lead."""
    kind = want.kind or Kind.OTHER
    judged = [judge(candidate, kind, host, tables) for candidate in sorted(set(candidates))]
    able = [one for one in judged if isinstance(one, Compatible)]
    fits = sorted(_weighed(able, host), key=lambda fit: fit.score, reverse=True)
    misfits = tuple(one for one in judged if isinstance(one, Incompatible))
    if fits:
        return BestBuild(fits[0], None, tuple(fits), misfits)
    cause = _cause(misfits)
    # With an old driver a CPU build would be a silent surprise, and a new driver the cure.
    plain = kind is not Kind.CPU and not want.keep
    plain = plain and cause not in (Cause.DRIVER, Cause.UNKNOWN)
    # Of the kind, nothing at all: then nothing is known of why, but for hardware that the default
    # does not know either.
    if not plain or (cause is Cause.KIND and kind is Kind.CUDA):
        return BestBuild(None, cause, (), misfits)
    cpu = [
        fit
        for one in misfits
        if kind_of(label_of(one.candidate, host, tables)) is Kind.CPU
        and isinstance(fit := judge(one.candidate, Kind.CPU, host, tables), Compatible)
    ]
    best = max(cpu, key=lambda fit: fit.score, default=None)
    return BestBuild(best, cause, (), misfits)


def _weighed(fits: Sequence[Compatible], host: Host) -> list[Compatible]:
    """Take from a default its right to stay where another build of its release covers a more
    capable GPU.
    """
    strongest: dict[str, Pair] = {}
    for fit in fits:
        version = fit.candidate.version
        strongest[version] = max(strongest.get(version, (0, 0)), _strongest(fit, host))
    return [
        fit
        if _strongest(fit, host) == strongest[fit.candidate.version]
        else replace(fit, coverage=tuple(0 for _ in fit.coverage))
        for fit in fits
    ]


def _strongest(fit: Compatible, host: Host) -> Pair:
    known = (host.accelerators[n].capability for n in fit.covered)
    return max((each for each in known if each), default=(0, 0))


def _cause(misfits: Iterable[Incompatible]) -> Cause:
    those = [misfit for misfit in misfits if misfit.cause is not Cause.KIND]
    causes = {misfit.cause for misfit in those}
    if not causes:
        return Cause.KIND
    if Cause.DRIVER in causes:
        return Cause.DRIVER
    # A release that came long after the tables may well be the one for a GPU that did too.
    newest = max(Version(misfit.candidate.version) for misfit in those)
    last = {one.cause for one in those if Version(one.candidate.version) == newest}
    return Cause.UNKNOWN if Cause.UNKNOWN in last else Cause.ARCHITECTURE
