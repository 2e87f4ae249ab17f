"""Which build runs on which host: the rule, read anew from what it is about.

A driver runs a CUDA build of its own major or an older one. Machine code for X.y runs on GPUs X.z
from y on; code that is to be translated also on all newer ones, where the driver is as new as the
compiler. ROCm's and Intel's builds run on the GPUs that they name.
"""

from __future__ import annotations

from packaging.version import Version

from variants_study.facts import FACTS, Pair
from variants_study.hosts import INTEL, Gpu, StudyHost

__all__ = ["covered", "label_of", "stack"]


def label_of(project: str, version: str) -> str:
    """Return what kind of build a version is, with its local part or as the default index has it;
    "" for a project without kinds.
    """
    public, _, local = version.partition("+")
    return local or FACTS.defaults.get((project, public), "")


def stack(label: str) -> str:
    """Name what two libraries must have in common to be loaded into one process."""
    if label.startswith("cu"):
        return f"CUDA {label[2:-1]}"
    if label.startswith("rocm"):
        return f"ROCm {label[4:].partition('.')[0]}"
    return label


def covered(version: str, host: StudyHost) -> frozenset[int]:
    """Return the numbers of the GPUs that a build of torch runs on; none for a build for CPUs."""
    label = label_of("torch", version)
    return frozenset(
        number for number, gpu in enumerate(host.gpus) if _runs(version, label, gpu, host.driver)
    )


def _runs(version: str, label: str, gpu: Gpu, driver: str) -> bool:
    if label.startswith("cu"):
        return gpu.capability is not None and _cuda_runs(version, label, gpu.capability, driver)
    if label.startswith("rocm"):
        return gpu.name in FACTS.rocm.get(label[4:], ())
    return label == "xpu" and gpu.name in INTEL


def _cuda_runs(version: str, label: str, capability: Pair, driver: str) -> bool:
    minor = ".".join(version.split(".")[:2])
    kernels = FACTS.builds.get((minor, label))
    if kernels is None:
        return False
    has = Version(driver)
    reports = next((cuda for first, cuda in FACTS.cuda_of_driver if has >= first), (0, 0))
    if has < FACTS.floors[kernels.toolkit[0]] or (kernels.zstd and reports < FACTS.zstd):
        return False
    (major, least) = capability
    if any(of == major and at <= least for of, at in kernels.sass):
        return True
    return reports >= kernels.toolkit and any(at <= capability for at in kernels.ptx)
