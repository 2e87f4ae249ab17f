"""Which GPUs a CUDA build has kernels for. Pure.

Machine code for capability X.y runs on X.z where z is not below y, within one major; code for
NVIDIA's boards (Tegra) and for cards is not interchangeable. PTX is translated for anything newer,
by a driver that is not older than the build's toolkit (CUDA C++ programming guide, "Binary
compatibility" and "PTX compatibility").
"""

from __future__ import annotations

from packaging.version import Version

from headrace.values import dataclass
from headrace.variants.builds import Architectures, Build, CudaTables, Pair
from headrace.variants.compatibility.labels import row_of, toolkit_of
from headrace.variants.hosts import Accelerator, Host

__all__ = ["KnownBuild", "covers", "find_build", "gpu_text"]


@dataclass(frozen=True, slots=True)
class KnownBuild:
    """What the tables say of a build."""

    build: Build
    assumed: str = ""
    """Not empty: the tables do not have it, and this is the release that it is taken to be like."""


def find_build(tables: CudaTables, version: str, label: str) -> KnownBuild | None:
    """Look a CUDA build of the lead up.

    One that came out after the tables is taken to be like the last before it with that label, else
    like the nearest build of the same CUDA major; None when there is none.
    """
    row = row_of(tables, version)
    if row:
        for build in row.builds:
            if build.label == label:
                return KnownBuild(build)
    older = [r for r in tables.releases if Version(r.version) <= Version(version)]
    for release in older:
        for build in release.builds:
            if build.label == label:
                return KnownBuild(build, release.version)
    toolkit = toolkit_of(label)
    for release in older:
        near = [
            build
            for build in release.builds
            if build.toolkit[0] == toolkit[0] and build.toolkit <= toolkit
        ]
        if near:
            return KnownBuild(max(near, key=lambda build: build.toolkit), release.version)
    return None


def covers(
    kernels: Architectures, capability: Pair, tables: CudaTables, *, translates: bool
) -> bool:
    """Whether there are kernels for a GPU. `translates`: the driver can translate the PTX."""
    board = capability in tables.tegra
    return any(
        major == capability[0]
        and least <= capability[1]
        and ((major, least) in tables.tegra) is board
        for major, least in kernels.sass
    ) or (translates and any(ptx <= capability for ptx in kernels.ptx))


def translates(build: Build, cuda: Pair, host: Host) -> bool:
    """Whether a driver can translate what a build has for newer GPUs."""
    return host.platform == "linux" and cuda >= build.toolkit


def sm(capability: Pair) -> str:
    """Write a capability as compilers do: ``sm_70``."""
    return f"sm_{capability[0]}{capability[1]}"


def gpu_text(gpu: Accelerator) -> str:
    """Write a GPU for people: ``sm_70 (Tesla V100)``, ``gfx1100 (Radeon RX 7900 XTX)``."""
    if gpu.maker == "intel" and gpu.name:  # the word of its family is the compilers' alone
        return gpu.name
    known = sm(gpu.capability) if gpu.capability else gpu.architecture
    return (
        f"{known} ({gpu.name})"
        if known and gpu.name and gpu.name != known
        else gpu.name or str(known)
    )
