"""What kind of build a host and a request call for, before any build is looked at. Pure."""

from __future__ import annotations

import re
from dataclasses import replace

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from headrace.values import dataclass
from headrace.variants.builds import CudaTables
from headrace.variants.compatibility.drivers import cuda_of
from headrace.variants.compatibility.intel_gpus import validated
from headrace.variants.compatibility.labels import Kind, is_ours
from headrace.variants.hosts import Host, Situation, VariantRequest
from headrace.variants.wheels import system_of

__all__ = ["BuildCriteria", "build_criteria", "hands_off", "image_target", "places"]

_IMAGE_CUDA = re.compile(r"cuda>=(\d+)\.(\d+)")
_IMAGE_VERSION = re.compile(r"(\d+)\.(\d+)")
#: What the user can do where the host to install for is not this one.
_SAY = "say for which GPU with HEADRACE_TARGET (driver=550,gpu=A100), or HEADRACE_CUDA=cpu"
_HINTS = {
    Situation.CONTAINER: f"this container shows no GPU, and where it will run is not known; {_SAY}",
    Situation.LOGIN_NODE: f"this is a batch system's login node, jobs run on others; {_SAY}",
    Situation.DRIVER_MISSING: "there is a GPU and no driver for it; install the driver first, or "
    "set HEADRACE_CUDA=cpu",
    Situation.UNREADABLE: "a GPU's driver is here and does not tell what it drives (`headrace "
    f"doctor` says why); {_SAY}",
    Situation.TEGRA: "builds for this board come from its vendor (NVIDIA's JetPack packages), not "
    "from these indexes",
}


@dataclass(frozen=True, slots=True)
class BuildCriteria:
    """What to look for."""

    kind: Kind | None
    """None: nothing; the default stays, and `why` is the message."""
    why: str
    """Why this kind, in a few words."""
    hint: str = ""
    """What to do where nothing of the kind is found."""
    keep: bool = False
    """Where nothing of the kind is found, the default stays: a plain CPU build would be a guess."""


def hands_off(request: VariantRequest, tables: CudaTables, build: str) -> str:
    """Say why the request is left alone; empty when it is not. `build`: the override."""
    if request.project not in tables.family:
        return "it has no builds for accelerators to choose from"
    if build == "off":
        return "choosing builds is switched off (HEADRACE_CUDA=off)"
    if request.explicit:
        return f"the build was asked for explicitly ({request.explicit})"
    local = _local(request.installed)
    if local and not is_ours(local):
        return f"{tables.lead} {request.installed} is installed, a vendor's own build"
    family = [text for project, text in request.companions if project in tables.family]
    return next(filter(None, map(_exact, (request.specifier, *family))), "")


def _exact(specifier: str) -> str:
    try:
        wanted = list(SpecifierSet(specifier))
    except InvalidSpecifier:
        return f"its specifier cannot be read ({specifier})"
    if any(_leaves_no_choice(each.operator, each.version) for each in wanted):
        return f"the very build was asked for ({specifier})"
    return ""


def _leaves_no_choice(operator: str, version: str) -> bool:
    """Whether a clause asks for the default index's very version, or for a vendor's own build; what
    names one of the known builds is a choice like any other (`pinned`).
    """
    local = version.partition("+")[2]
    return not is_ours(local) if local else operator == "==="


def _local(version: str | None) -> str:
    try:
        return Version(version or "0").local or ""
    except InvalidVersion:
        return "unreadable"


def build_criteria(host: Host, request: VariantRequest, tables: CudaTables) -> BuildCriteria:
    """Say what kind of build to look for."""
    if host.platform == "darwin":
        return BuildCriteria(None, "the default index's build is the one for macOS")
    makers = {gpu.maker for gpu in host.accelerators}
    asked = {request.project, *(project for project, _ in request.companions)}
    if tables.npu in asked or "huawei" in makers:
        return BuildCriteria(Kind.CPU, f"{tables.npu} brings the accelerator to a plain build")
    assumed = host.target or host.situation is Situation.UNREADABLE
    if "nvidia" in makers or (assumed and cuda_of(host, tables) is not None):
        return _nvidia(host, tables)
    if "amd" in makers and (host.platform, host.machine) == ("linux", "x86_64"):
        return BuildCriteria(Kind.ROCM, "", "AMD's own index has builds for more of its GPUs")
    if places(host, Kind.XPU, tables):
        return BuildCriteria(Kind.XPU, "")
    return _nothing(host, makers)


def _nvidia(host: Host, tables: CudaTables) -> BuildCriteria:
    gpus = [gpu for gpu in host.accelerators if gpu.maker == "nvidia"]
    board = host.situation is Situation.TEGRA
    if board and all(gpu.capability is None for gpu in gpus):
        return BuildCriteria(None, _HINTS[Situation.TEGRA])
    if cuda_of(host, tables) is None:
        return BuildCriteria(None, _HINTS.get(host.situation, _HINTS[Situation.DRIVER_MISSING]))
    board = board or (bool(gpus) and all(gpu.capability in tables.tegra for gpu in gpus))
    return BuildCriteria(Kind.CUDA, "", _HINTS[Situation.TEGRA] if board else "", keep=board)


def _nothing(host: Host, makers: set[str]) -> BuildCriteria:
    if host.situation is not Situation.ORDINARY:
        return BuildCriteria(None, _HINTS[host.situation])
    if "amd" in makers:
        hint = "AMD's own index has builds for its GPUs here"
        return BuildCriteria(Kind.CPU, f"there are no ROCm builds for {system_of(host)}", hint)
    if "intel" in makers:
        names = ", ".join(gpu.name for gpu in host.accelerators if gpu.maker == "intel")
        return BuildCriteria(Kind.CPU, f"XPU builds were not validated on {names}")
    return BuildCriteria(Kind.CPU, "there is no accelerator here")


def places(host: Host, kind: Kind, tables: CudaTables) -> tuple[int, ...]:
    """Return the places of the accelerators that count for a kind of build."""
    maker = {Kind.CUDA: "nvidia", Kind.ROCM: "amd", Kind.XPU: "intel"}.get(kind)
    found = [n for n, gpu in enumerate(host.accelerators) if gpu.maker == maker]
    if kind is Kind.XPU:
        return tuple(n for n in found if validated(host.accelerators[n], tables))
    # A processor's own graphics decides only where there is no card.
    cards = [n for n in found if not host.accelerators[n].integrated]
    return tuple(cards if kind is Kind.ROCM and cards else found)


def image_target(host: Host) -> Host:
    """Return the host that an image is made for, where it is being built and says so.

    Its CUDA stands in NVIDIA_REQUIRE_CUDA (the first alternative is for any GPU) or CUDA_VERSION.
    """
    nvidia = any(gpu.maker == "nvidia" for gpu in host.accelerators)
    if host.situation is not Situation.CONTAINER or host.target or nvidia:
        return host
    facts = dict(host.extra)
    counts = not facts.get("NVIDIA_DISABLE_REQUIRE")
    match = _IMAGE_CUDA.search(facts.get("NVIDIA_REQUIRE_CUDA", "")) if counts else None
    match = match or _IMAGE_VERSION.match(facts.get("CUDA_VERSION", ""))
    if not match:
        return host
    cuda = (int(match[1]), int(match[2]))
    note = "no GPU is visible here: chosen for the CUDA that the image requires"
    # A driver that shows through is the building host's, not the one it will run on.
    return replace(host, cuda=cuda, driver=None, target=True, notes=(*host.notes, note))
