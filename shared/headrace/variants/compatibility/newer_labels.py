"""Which variant indexes may be there that the tables do not have. Pure.

A label is a number: CUDA's or ROCm's. So the next ones are known before anybody has seen them. They
are worth a question where the default index lists a release that came out after the tables, and
where the user names one.
"""

from __future__ import annotations

from collections.abc import Iterable

from packaging.version import Version

from headrace.variants.builds import Candidate, CudaTables, Pair
from headrace.variants.compatibility.drivers import cuda_of
from headrace.variants.compatibility.labels import Kind, kind_of, minor, toolkit_of
from headrace.variants.hosts import Host

__all__ = ["named_label", "next_labels"]

#: Releases of ROCm after the newest known that are looked for.
_NEXT = 2


def named_label(build: str, known: Iterable[Candidate]) -> str:
    """Return the label that the user named, where it is one by number that nothing known has."""
    numbered = kind_of(build) in (Kind.CUDA, Kind.ROCM)
    return build if numbered and all(each.index != build for each in known) else ""


def next_labels(
    host: Host, listed: Iterable[Candidate], known: Iterable[Candidate], tables: CudaTables
) -> list[str]:
    """Return the labels that come after the known ones and could suit a host, newest first.

    `listed`: what the default index has now; `known`: what the tables say that indexes have.
    """
    newest = Version(minor(tables.releases[0].version))
    releases = (each.version for each in listed if each.project == tables.lead and not each.index)
    if all(Version(minor(version)) <= newest for version in releases):
        return []
    makers = {gpu.maker for gpu in host.accelerators}
    labels = {each.index for each in known}
    if "nvidia" in makers:
        return _cuda(host, labels, tables)
    return _rocm(labels) if "amd" in makers else []


def _cuda(host: Host, labels: set[str], tables: CudaTables) -> list[str]:
    """Return those of toolkits that have no build yet, and whose major the driver runs."""
    own = cuda_of(host, tables) or (0, 0)
    last = max(map(toolkit_of, labels), default=(0, 0))
    toolkits: set[Pair] = {each.cuda for each in tables.toolkits} | {own}
    newer = sorted((cuda for cuda in toolkits if last < cuda <= (own[0], 99)), reverse=True)
    return [f"cu{major}{number}" for major, number in newer if number < 10]


def _rocm(labels: set[str]) -> list[str]:
    versions = [Version(each.removeprefix("rocm")) for each in labels if kind_of(each) is Kind.ROCM]
    last = max(versions)
    return [f"rocm{last.major}.{last.minor + n}" for n in range(_NEXT, 0, -1)]
