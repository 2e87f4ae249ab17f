"""What the user says of the target host, in the variables that other tools know already.

NVIDIA's provider of wheel variants first, because it speaks of wheels; then uv, then conda. Whoever
describes the driver describes the host: nothing is detected. Whoever describes the GPU alone means
another GPU behind this host's driver.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from headrace.config import EnvVars
from headrace.system.accelerators.nvidia.kernel import VERSION
from headrace.system.accelerators.records import text_of
from headrace.variants.hosts import Accelerator, Host, Situation

__all__ = ["described", "with_capability"]

#: Conda's form may carry a build string behind another sign.
_PAIR = re.compile(r"(\d{1,2})(?:\.(\d{1,2}))?(?:\.\d+)*(?:=.*)?")
_GFX = re.compile(r"gfx[0-9a-f]{3,5}")
_METHOD = "override"
_CUDA = (EnvVars.NV_VARIANT_PROVIDER_FORCE_CUDA_DRIVER_VERSION, EnvVars.CONDA_OVERRIDE_CUDA)
_CAPABILITY = (EnvVars.NV_VARIANT_PROVIDER_FORCE_SM_ARCH, EnvVars.CONDA_OVERRIDE_CUDA_ARCH)


def described(env: Mapping[str, str], bare: Host) -> tuple[Host | None, tuple[str, ...]]:
    """Return the host that the variables describe, None where they describe no driver.

    With it what is wrong with them, as sentences. `bare` is this machine without its accelerators:
    platform, C library.
    """
    notes: list[str] = []
    force, conda = _CUDA
    for name in (force, EnvVars.UV_CUDA_DRIVER_VERSION, EnvVars.UV_AMD_GPU_ARCHITECTURE, conda):
        value = env.get(name)
        if value is None or (not value.strip() and name != conda):
            continue
        facts = _facts(name, value.strip())
        if facts is None:
            notes.append(f"{name}={value!r:.60} makes no sense and does not count")
            continue
        accelerators, driver, cuda = facts
        capability = _capability(env, notes)
        if capability and accelerators and accelerators[0].maker == "nvidia":
            accelerators = (replace(accelerators[0], capability=capability),)
        host = replace(
            bare,
            accelerators=accelerators,
            driver=driver,
            cuda=cuda,
            situation=Situation.ORDINARY,
            notes=tuple(notes),
            method=_METHOD,
            tried=((name, value.strip() or "no GPU"),),
            target=True,
        )
        return host, tuple(notes)
    return None, tuple(notes)


def with_capability(env: Mapping[str, str], found: Host) -> Host:
    """Replace the capabilities of the GPUs found by the described one, where one is described."""
    notes: list[str] = []
    capability = _capability(env, notes)
    if capability is None:
        return replace(found, notes=(*found.notes, *notes)) if notes else found
    others = tuple(gpu for gpu in found.accelerators if gpu.maker != "nvidia")
    described_gpu = _gpu(found.driver, found.cuda, capability)
    return replace(
        found,
        accelerators=(described_gpu, *others),
        notes=(*found.notes, *notes),
        target=True,
    )


def _facts(
    name: str, value: str
) -> tuple[tuple[Accelerator, ...], str | None, tuple[int, int] | None] | None:
    if name == EnvVars.UV_AMD_GPU_ARCHITECTURE:
        if not _GFX.fullmatch(value):
            return None
        return (Accelerator("amd", value, architecture=value, method=_METHOD),), None, None
    if name == EnvVars.UV_CUDA_DRIVER_VERSION:
        # A driver's branch alone will do: 550.
        if not VERSION.fullmatch(value) and not re.fullmatch(r"\d{3}", value):
            return None
        return (_gpu(value, None, None),), value, None
    if not value:
        return (), None, None
    cuda = _pair(value)
    return None if cuda is None else ((_gpu(None, cuda, None),), None, cuda)


def _capability(env: Mapping[str, str], notes: list[str]) -> tuple[int, int] | None:
    for name in _CAPABILITY:
        if value := env.get(name, "").strip():
            if capability := _pair(value):
                return capability
            notes.append(f"{name}={value!r:.60} makes no sense and does not count")
    return None


def _pair(value: str) -> tuple[int, int] | None:
    found = _PAIR.fullmatch(value)
    if not found or int(found.group(1)) == 0:
        return None
    return int(found.group(1)), int(found.group(2) or 0)


def _gpu(
    driver: str | None, cuda: tuple[int, int] | None, capability: tuple[int, int] | None
) -> Accelerator:
    runtime = text_of(f"{cuda[0]}.{cuda[1]}") if cuda else None
    return Accelerator(
        "nvidia",
        "NVIDIA GPU of the target host",
        capability,
        driver=driver,
        runtime=runtime,
        method=_METHOD,
    )
