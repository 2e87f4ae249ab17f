"""Whether what an image holds runs on a host: driver and kernels, by the same facts as a build of a
package. Pure.

Of an image all of the host's GPUs count: whoever starts it sees them all.
"""

from __future__ import annotations

from collections.abc import Iterator

from packaging.specifiers import SpecifierSet

from headrace.values import dataclass
from headrace.variants.builds import Architectures, Candidate, CudaTables, Pair, Release
from headrace.variants.compatibility.coverage import covers, find_build, gpu_text
from headrace.variants.compatibility.coverage import translates as driver_translates
from headrace.variants.compatibility.criteria import places
from headrace.variants.compatibility.drivers import cuda_of, describe, obstacle
from headrace.variants.compatibility.fit import Incompatible, judge
from headrace.variants.compatibility.labels import Kind
from headrace.variants.hosts import Accelerator, Host

__all__ = ["Contents", "host_text", "in_the_way", "release_in", "runs_on"]


@dataclass(frozen=True, slots=True)
class Contents:
    """What an image holds, as far as it decides where it runs."""

    kind: Kind
    toolkit: Pair | None = None
    """Its CUDA; None: not known, or none."""
    lead: str = ""
    """The release of the tables' lead in it, as the index has it; empty: none, or not known."""
    kernels: Architectures | None = None
    """What its own configuration says of its kernels; counts before what the tables know."""
    rocm: str = ""
    """Its version of ROCm."""


def runs_on(host: Host, tables: CudaTables) -> Kind:
    """Return the kind of image that uses what a host has; CPU where it has nothing to use."""
    if places(host, Kind.CUDA, tables) or (host.target and cuda_of(host, tables)):
        return Kind.CUDA
    makers = {gpu.maker for gpu in host.accelerators}
    if "amd" in makers:
        return Kind.ROCM
    return Kind.XPU if places(host, Kind.XPU, tables) else Kind.CPU


def in_the_way(
    contents: Contents, host: Host, tables: CudaTables, *, own_driver: bool = False
) -> str:
    """Say why it does not run on a host, as "needs …" or "has no …"; empty when it does.

    `own_driver`: its own libraries stand in for the driver's (forward compatibility).
    """
    if contents.kind is not runs_on(host, tables):
        return _ELSEWHERE[contents.kind]
    if contents.kind is Kind.ROCM:
        return _rocm(contents, host, tables)
    if contents.kind is not Kind.CUDA or contents.toolkit is None:
        return ""
    major, minor = contents.toolkit
    known = find_build(tables, contents.lead, f"cu{major}{minor}") if contents.lead else None
    zstd = known is not None and known.build.zstd
    too_old = obstacle(contents.toolkit, host, tables, zstd=zstd)
    if too_old and not own_driver:
        return too_old
    without = _without_kernels(contents, host, tables, own_driver=own_driver)
    gpus = dict.fromkeys(map(gpu_text, without))
    return f"has no kernels for {' or '.join(gpus)}" if gpus else ""


def host_text(host: Host, tables: CudaTables) -> str:
    """Say what a host has: ``driver 550 = CUDA 12.4, sm_70 (Tesla V100)``."""
    gpus = dict.fromkeys(gpu_text(gpu) for gpu in host.accelerators)
    driver = [describe(host, tables)] if host.driver or host.cuda else []
    return ", ".join([*driver, *gpus]) or f"no GPU ({host.machine})"


def release_in(tables: CudaTables, specifier: SpecifierSet) -> Release | None:
    """Return the newest release of the lead that a specifier admits; None: none that is known."""
    return next((each for each in tables.releases if specifier.contains(each.version)), None)


_ELSEWHERE = {
    Kind.CUDA: "needs an NVIDIA GPU",
    Kind.ROCM: "needs a GPU of AMD's",
    Kind.XPU: "needs a GPU of Intel's",
    Kind.CPU: "uses no GPU",
    Kind.OTHER: "is of a kind that is not known",
}


def _without_kernels(
    contents: Contents, host: Host, tables: CudaTables, *, own_driver: bool
) -> Iterator[Accelerator]:
    assert contents.toolkit is not None
    cuda = contents.toolkit if own_driver else cuda_of(host, tables) or (0, 0)
    kernels, jit = contents.kernels, host.platform == "linux" and cuda >= contents.toolkit
    if kernels is None and contents.lead:
        label = f"cu{contents.toolkit[0]}{contents.toolkit[1]}"
        known = find_build(tables, contents.lead, label)
        if known is not None:
            kernels = known.build.architectures.get(host.machine)
            jit = driver_translates(known.build, cuda, host)
    for place in places(host, Kind.CUDA, tables):
        gpu = host.accelerators[place]
        if gpu.capability is None:
            continue
        if kernels is not None:
            has = covers(kernels, gpu.capability, tables, translates=jit)
        else:
            has = _compiled(contents.toolkit, gpu.capability, tables)
        if not has:
            yield gpu


def _compiled(toolkit: Pair, capability: Pair, tables: CudaTables) -> bool:
    """Whether a CUDA can have made code for a GPU at all."""
    made = tables.compilers.get(capability[0])
    if made is None:
        return True
    early = made.first is not None and toolkit < made.first
    late = made.last is not None and capability in made.ended and toolkit > made.last
    return not early and not late


def _rocm(contents: Contents, host: Host, tables: CudaTables) -> str:
    if not contents.rocm:
        return ""
    # Which release of the lead it is makes no difference: its kernels are told by ROCm's version.
    label = f"rocm{contents.rocm}"
    candidate = Candidate(tables.lead, tables.releases[0].version, label, index=label)
    found = judge(candidate, Kind.ROCM, host, tables)
    if isinstance(found, Incompatible):
        return found.text
    places_of = [n for n in places(host, Kind.ROCM, tables) if n not in found.covered]
    without = dict.fromkeys(gpu_text(host.accelerators[n]) for n in places_of)
    return f"has no kernels for {' or '.join(without)}" if without else ""
