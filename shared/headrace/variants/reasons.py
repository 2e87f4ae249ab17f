"""Sentences on builds for people: what was chosen, why nothing newer, what is in the way. Pure.

``torch 2.14.1+cu126: driver 550.54.15 = CUDA 12.4; 2.15 needs driver >= 580; covers sm_70 (Tesla
V100)``
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from packaging.version import Version

from headrace.variants.best_build import BestBuild
from headrace.variants.builds import Candidate, CudaTables, Rejection
from headrace.variants.compatibility.coverage import gpu_text
from headrace.variants.compatibility.criteria import BuildCriteria, places
from headrace.variants.compatibility.drivers import describe
from headrace.variants.compatibility.fit import Cause, Compatible, Incompatible
from headrace.variants.compatibility.labels import Kind, kind_of, minor, toolkit_of
from headrace.variants.hosts import Host, Situation

__all__ = [
    "chosen",
    "describe",
    "for_all",
    "gpu_text",
    "in_the_way",
    "name",
    "next_release",
    "obstacle_of",
    "refusal_of_all",
    "rejections",
    "remedy",
    "uncovered",
    "warnings",
]


#: Which of several causes says most, first ones first.
_TELLING = {Cause.DRIVER: 0, Cause.ARCHITECTURE: 1, Cause.UNKNOWN: 2, Cause.KIND: 5}
#: Kinds of builds for people.
_KINDS = {Kind.CUDA: "CUDA", Kind.ROCM: "ROCm", Kind.XPU: "XPU", Kind.CPU: "CPU"}
#: What was not asked for tells nothing.
_SILENT = 9


def name(candidate: Candidate, label: str) -> str:
    """Write a version with what its build is."""
    return f"{candidate.version}+{label}" if label else candidate.version


def chosen(
    fit: Compatible,
    want: BuildCriteria,
    host: Host,
    tables: CudaTables,
    *,
    newer: str,
    settled: BestBuild,
) -> str:
    """Say why a build was chosen. `newer`: why the next release was not."""
    kind = kind_of(fit.label)
    parts = [want.why]
    if kind is Kind.CUDA:
        parts.append(describe(host, tables))
    elif kind is Kind.CPU and not want.why:
        parts.append(_instead(settled, fit.candidate.version))
    if newer:
        parts.append(newer)
    if covered := dict.fromkeys(gpu_text(host.accelerators[n]) for n in fit.covered):
        parts.append(f"covers {', '.join(covered)}")
    return f"{tables.lead} {name(fit.candidate, fit.label)}: {'; '.join(filter(None, parts))}"


def _instead(settled: BestBuild, version: str) -> str:
    """Say why it is a CPU build."""
    for misfit in settled.misfits:
        if misfit.candidate.version == version and misfit.cause is Cause.ARCHITECTURE:
            return f"every other build of {minor(version)} {misfit.core}"
    nearest = in_the_way(settled)
    return f"{minor(nearest.candidate.version)} {nearest.core}" if nearest else "there is no other"


def next_release(fit: Compatible, settled: BestBuild, refused: Mapping[Candidate, str]) -> str:
    """Say why the release after the chosen one is not it: ``2.15 needs driver >= 580``.

    `refused`: what the request, Python or the platform does not admit.
    """
    texts: dict[Version, list[tuple[int, str]]] = {}
    for misfit in settled.misfits:
        order = _TELLING[misfit.cause]
        texts.setdefault(Version(misfit.candidate.version), []).append((order, misfit.text))
    for other in settled.fits:
        texts.setdefault(other.version, []).append((0, "has no build for the best of the GPUs"))
    for candidate, text in refused.items():
        if (order := _order(text)) < _SILENT:
            texts.setdefault(Version(candidate.version), []).append((order, text))
    later = [v for v in texts if v > fit.version and v.release[:2] > fit.version.release[:2]]
    if not later:
        return ""
    # Builds of other kinds do not say why this kind is missing.
    order, text = min(texts[min(later)])
    if order == _TELLING[Cause.KIND]:
        text = f"has no {_KINDS.get(kind_of(fit.label), 'such')} build"
    return f"{minor(str(min(later)))} {text}"


def _order(refusal: str) -> int:
    """Return how much a refusal tells, as `_TELLING` does."""
    beginnings = (("needs", 3), (("is not the release", "no "), 4), ("has no wheel", 6))
    return next((order for words, order in beginnings if refusal.startswith(words)), _SILENT)


def refusal_of_all(refused: Mapping[Candidate, str], specifier: str) -> str:
    """Say why nothing at all is admitted: ``2.15.0 needs Python >= 3.11``."""
    those = [(Version(c.version), -_order(text), text) for c, text in refused.items()]
    telling = [one for one in those if one[1] > -_SILENT]
    if not telling:
        return f"nothing that is listed is {specifier or 'for this host'}"
    version, _, text = max(telling)
    return f"{version} {text}"


def uncovered(fit: Compatible, host: Host) -> tuple[int, ...]:
    """Return the places of the accelerators that a build is known to have no kernels for."""
    kind = kind_of(fit.label)
    maker = {Kind.CUDA: "nvidia", Kind.ROCM: "amd"}.get(kind, "")
    return tuple(
        n
        for n, gpu in enumerate(host.accelerators)
        if gpu.maker == maker
        and n not in fit.covered
        and (gpu.capability is not None or kind is Kind.ROCM)
    )


def for_all(fit: Compatible, settled: BestBuild, host: Host, tables: CudaTables) -> list[str]:
    """Say which release all of the GPUs could use, where the chosen one leaves some out."""
    if not uncovered(fit, host):
        return []
    those = [other for other in settled.fits if not uncovered(other, host)]
    best = max(those, key=lambda other: other.score, default=None)
    if best is None or best.version >= fit.version:
        return []
    built = name(best.candidate, best.label)
    return [f"{tables.lead}=={best.candidate.version} ({built}) is the newest for all of the GPUs"]


def warnings(
    fit: Compatible, host: Host, tables: CudaTables, companions: Sequence[str]
) -> list[str]:
    """Say what is odd about a build on a host."""
    built = name(fit.candidate, fit.label)
    said = list(host.notes)
    kind = kind_of(fit.label)
    for n in uncovered(fit, host):
        gpu = host.accelerators[n]
        if kind is Kind.ROCM and gpu.integrated:
            continue
        number = [m for m, other in enumerate(host.accelerators) if other.maker == gpu.maker]
        said.append(f"GPU {number.index(n)}, {gpu_text(gpu)}, cannot be used by {built}")
    if fit.assumed:
        said.append(
            f"which GPUs {built} has kernels for is not known yet; taken to be as in {fit.assumed}"
        )
    elif kind is Kind.ROCM and fit.label.removeprefix("rocm") in tables.rocm_unproven:
        said.append(f"which GPUs {built} has kernels for is told by its build script alone")
    if kind is Kind.CUDA:
        said += _unknown(host, tables, built)
        major = toolkit_of(fit.label)[0]
        said += [
            f"{project} has to be a build for CUDA {major} too"
            for project in companions
            if project in tables.same_major
        ]
    return said


def _unknown(host: Host, tables: CudaTables, built: str) -> list[str]:
    said = [
        f"what {gpu.name or 'the GPU'} is capable of could not be read; "
        f"{built} is the newest, with the longest list of GPUs"
        for gpu in (host.accelerators[n] for n in places(host, Kind.CUDA, tables))
        if gpu.capability is None
    ]
    if host.situation is Situation.LOGIN_NODE and not host.target:
        said.append("this is a batch system's login node: jobs may run on other GPUs")
    return said


def in_the_way(settled: BestBuild) -> Incompatible | None:
    """Return the build that comes nearest to suiting; None: none of the kind is listed."""
    those = [misfit for misfit in settled.misfits if misfit.cause is settled.cause]
    if not those or settled.cause is Cause.KIND:
        return None
    if settled.cause is Cause.DRIVER:
        # The builds that ask for the least.
        least = min(one.toolkit for one in those)
        those = [one for one in those if one.toolkit == least]
    return max(those, key=lambda one: (Version(one.candidate.version), one.candidate))


def obstacle_of(settled: BestBuild, tables: CudaTables) -> str:
    """Say what is in the way of every build of the kind: ``2.15.0 needs driver >= 580``."""
    nearest = in_the_way(settled)
    if nearest is None:
        return f"no build of {tables.lead} for this host is listed"
    return f"{nearest.candidate.version} {nearest.core}"


def remedy(tables: CudaTables, those: Iterable[Version], possible: Iterable[Compatible]) -> str:
    """Say which request would do: ``torch<2.15 (2.14.1+cu126)``; empty when none would.

    `those`: the versions that do not; `possible`: builds that run, whatever the request.
    """
    runs = sorted(possible, key=lambda fit: fit.score)
    # Of a release that only its followers rule out, another build may run.
    wrong = sorted(set(those) - {fit.version for fit in runs}) or sorted(those)
    if not runs or not wrong:
        return ""
    newer = [fit for fit in runs if fit.version > wrong[-1]]
    if newer:
        first = min(fit.version for fit in newer)
        fit = max((fit for fit in newer if fit.version == first), key=lambda fit: fit.score)
        return f"{tables.lead}>={first} ({name(fit.candidate, fit.label)})"
    older = [fit for fit in runs if fit.version < wrong[0]]
    if older:
        best = older[-1]
        return f"{tables.lead}<{minor(str(wrong[0]))} ({name(best.candidate, best.label)})"
    return ""


def rejections(
    refused: Mapping[Candidate, str],
    settled: BestBuild,
    winner: Candidate | None,
) -> tuple[Rejection, ...]:
    """Say of each candidate that was not chosen why not."""
    out = dict(refused)
    for misfit in settled.misfits:
        texts = filter(None, (misfit.text, misfit.lasting))
        out[misfit.candidate] = ", ".join(texts)
    for fit in settled.fits:
        out[fit.candidate] = _second(fit, settled.fits[0])
    if winner:
        out.pop(winner, None)
    return tuple(Rejection(candidate, out[candidate]) for candidate in sorted(out))


def _second(fit: Compatible, best: Compatible) -> str:
    better = name(best.candidate, best.label)
    if fit.coverage < best.coverage:
        return f"covers a weaker GPU than {better}"
    if fit.version < best.version:
        return f"is older than {better}"
    if len(fit.covered) < len(best.covered):
        return f"covers fewer of the GPUs than {better}"
    if fit.label == best.label:
        return "is the same build on another index"
    if not best.candidate.index:
        return f"{better} is the default index's, and runs"
    return f"{better} is nearer to the driver"
