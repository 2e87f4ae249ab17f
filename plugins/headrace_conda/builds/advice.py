"""What is to be said of a choice on a host with NVIDIA's GPUs: a CPU build, a CUDA that is too new,
an architecture that conda does not see. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from headrace.interface import Accelerator, Host, dataclass, load_cuda_tables
from headrace_conda.builds.machines import is_described
from headrace_conda.builds.reading import Verdict
from headrace_conda.builds.records import PackageBuild

__all__ = ["Hint", "architecture", "cpu_build", "cuda_of_build", "older_cuda"]

_PAIR = re.compile(r"(\d{1,3})(?:\.(\d{1,3}))?")
#: How conda-forge names the builds of a CUDA: ``cuda129_…``, ``py312_cuda130…``.
_BUILT_FOR = re.compile(r"cuda(\d{2})(\d)(?!\d)")


@dataclass(frozen=True, slots=True)
class Hint:
    """One condition more that would bring what runs here."""

    spec: str
    why: str


def cpu_build(host: Host, choice: PackageBuild | None, verdicts: Sequence[Verdict]) -> str:
    """Say why a host with an NVIDIA GPU gets a CPU build; empty: it gets none, or there are only
    such.
    """
    if choice is None or choice.for_gpu or not _nvidia(host):
        return ""
    theirs = [each for each in verdicts if each.build.for_gpu]
    same = [each for each in theirs if each.build.version == choice.version]
    # Of the newest that are out, the one with the fewest demands tells what is missing.
    for each in reversed(same or theirs[:1]):
        if each.obstacle:
            return f"{each.build.version} {each.build.build} {each.obstacle}"
        return (
            f"{each.build.version} {each.build.build} would run, and a solver takes the other; "
            f"`{each.build.name}={each.build.version}={each.build.build}` asks for it"
        )
    return ""


def cuda_of_build(build: PackageBuild | None) -> str:
    """Read from a build's name which CUDA it is for; empty: it does not say."""
    found = _BUILT_FOR.search(build.build) if build else None
    return f"{found[1]}.{found[2]}" if found else ""


def older_cuda(host: Host, choice: PackageBuild | None, cuda: str) -> Hint | None:
    """Say which older CUDA makes code for the GPUs here, where the chosen one makes none.

    conda's solver sees the driver alone: a Tesla V100 with driver 580 gets CUDA 13.
    """
    read = _PAIR.match(cuda)
    if choice is None or not choice.for_gpu or read is None:
        return None
    brought = (int(read[1]), int(read[2] or 0))
    compilers = load_cuda_tables().compilers
    lost: list[tuple[tuple[int, int], Accelerator]] = []
    for gpu in _nvidia(host):
        made = compilers.get(gpu.capability[0]) if gpu.capability else None
        if made is None or made.last is None or gpu.capability not in made.ended:
            continue
        if brought > made.last:
            lost.append((made.last, gpu))
    if not lost:
        return None
    last, gpu = min(lost, key=lambda pair: pair[0])
    assert gpu.capability is not None
    shown = f"{gpu.name or 'the GPU'} ({gpu.capability[0]}.{gpu.capability[1]})"
    why = f"CUDA {brought[0]}.{brought[1]} makes no code for {shown}, which the solver cannot know"
    return Hint(f"cuda-version={last[0]}", why)


def architecture(
    arch: str, seen: str | None, env: Mapping[str, str], host: Host, *, wanted: bool
) -> list[str]:
    """Say what ``__cuda_arch`` is, and to whom: `arch` by the host's GPUs, `seen` by the tool that
    was asked. `wanted`: a build is out for want of it.
    """
    if seen is not None:
        said = not is_described(host) and env.get("CONDA_OVERRIDE_CUDA_ARCH")
        why = "CONDA_OVERRIDE_CUDA_ARCH says so" if said else "the lowest capability of all GPUs"
        return [f"__cuda_arch is {seen}: {why}"]
    if not arch:
        return []
    told = f"__cuda_arch is {arch} for pixi and rattler, and this conda has none"
    way = (
        ": `conda config --set plugins.headrace_cuda_arch true` gives it one, and so does "
        "NVIDIA's nvidia-virtual-packages in conda's base"
    )
    return [told + way * wanted]


def _nvidia(host: Host) -> list[Accelerator]:
    return [gpu for gpu in host.accelerators if gpu.maker == "nvidia"]
