"""The best of the admitted builds, or what to fall back to and for what cause. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from packaging.version import Version

from headrace.variants.builds import Candidate, CudaTables
from headrace.variants.compatibility.criteria import Want
from headrace.variants.compatibility.fit import Cause, Fit, Misfit, judge
from headrace.variants.compatibility.labels import Kind, kind_of, label_of
from headrace.variants.hosts import Host

__all__ = ["Settled", "settle"]


@dataclass(frozen=True, slots=True)
class Settled:
    """What came out."""

    fit: Fit | None
    """None: the default stays."""
    cause: Cause | None = None
    """Not None: nothing of the kind that is wanted suits, because of this; `fit` is a CPU build."""
    fits: tuple[Fit, ...] = ()
    """All that run, best first."""
    misfits: tuple[Misfit, ...] = ()


def settle(candidates: Iterable[Candidate], want: Want, host: Host, tables: CudaTables) -> Settled:
    """Choose among builds of the lead."""
    kind = want.kind or Kind.OTHER
    judged = [judge(candidate, kind, host, tables) for candidate in sorted(set(candidates))]
    fits = sorted(
        (one for one in judged if isinstance(one, Fit)), key=lambda fit: fit.score, reverse=True
    )
    misfits = tuple(one for one in judged if isinstance(one, Misfit))
    if fits:
        return Settled(fits[0], None, tuple(fits), misfits)
    cause = _cause(misfits)
    # With an old driver a CPU build would be a silent surprise, and a new driver the cure.
    plain = kind is not Kind.CPU and not want.keep
    plain = plain and cause not in (Cause.DRIVER, Cause.UNKNOWN)
    # Of the kind, nothing at all: then nothing is known of why, but for hardware that the default
    # does not know either.
    if not plain or (cause is Cause.KIND and kind is Kind.CUDA):
        return Settled(None, cause, (), misfits)
    cpu = [
        fit
        for one in misfits
        if kind_of(label_of(one.candidate, host, tables)) is Kind.CPU
        and isinstance(fit := judge(one.candidate, Kind.CPU, host, tables), Fit)
    ]
    best = max(cpu, key=lambda fit: fit.score, default=None)
    return Settled(best, cause, (), misfits)


def _cause(misfits: Iterable[Misfit]) -> Cause:
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
