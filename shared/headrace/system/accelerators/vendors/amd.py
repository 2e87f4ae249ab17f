"""AMD's GPUs from the kernel's list of compute nodes. No ROCm tool is needed."""

from __future__ import annotations

import re
from collections.abc import Mapping

from headrace.system.accelerators.host_view import HostView
from headrace.system.accelerators.records import text_of
from headrace.system.accelerators.results import VendorResult
from headrace.variants.hosts import Accelerator
from headrace.wording import counted

__all__ = ["NODES", "architecture", "look"]

NODES = "/sys/class/kfd/kfd/topology/nodes"
_VERSION = re.compile(r"\d+(?:\.\d+){1,2}")
#: Graphics of processors that the kernel lists like cards, with no processor cores in their node.
_OF_PROCESSORS = frozenset({
    *("gfx902", "gfx909", "gfx90c", "gfx1013", "gfx1033", "gfx1035", "gfx1036", "gfx1037"),
    *("gfx1103", "gfx1150", "gfx1151", "gfx1152", "gfx1153"),
})  # fmt: skip
#: Kinds of memory that are a card's own.
_OWN_MEMORY = ("1", "2")


def architecture(version: int) -> str | None:
    """Spell the kernel's number: 90010 is gfx90a; 0, a processor, is None."""
    if not 0 < version < 1_000_000:
        return None
    return f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}"


def look(host_view: HostView, *, contained: bool) -> VendorResult:
    """Find AMD's GPUs; none in a container that was not given ``/dev/kfd``."""
    if not host_view.is_linux:
        return VendorResult()
    found = [gpu for node in host_view.names(NODES) if (gpu := _gpu(host_view, node)) is not None]
    if not found:
        return VendorResult()
    if not host_view.exists("/dev/kfd"):
        listed = counted(len(found), "GPU is listed", "GPUs are listed")
        said = f"{listed}, and /dev/kfd is not here"
        note = "" if contained else "AMD's GPU cannot be used without /dev/kfd: load amdgpu"
        return VendorResult(tried=(("kfd", said),), notes=(note,) if note else ())
    notes: tuple[str, ...] = ()
    if not host_view.may_use("/dev/kfd"):
        notes = ("this user may not open /dev/kfd: add it to the groups render and video",)
    return VendorResult(tuple(found), method="kfd", notes=notes)


def _gpu(host_view: HostView, node: str) -> Accelerator | None:
    place = f"{NODES}/{node}"
    properties = _numbers(host_view.text(f"{place}/properties"))
    gfx = architecture(properties.get("gfx_target_version", 0))
    if gfx is None:
        return None
    release = host_view.text("/opt/rocm/.info/version") or ""
    rocm = _VERSION.match(release)
    driver = text_of(host_view.text("/sys/module/amdgpu/version"))
    return Accelerator(
        "amd",
        text_of(host_view.text(f"{place}/name")) or gfx,
        architecture=gfx,
        driver=driver,
        runtime=rocm.group() if rocm else None,
        memory=_memory(host_view, place),
        method="kfd",
        integrated=properties.get("cpu_cores_count", 0) > 0 or gfx in _OF_PROCESSORS,
    )


def _memory(host_view: HostView, place: str) -> int | None:
    total = 0
    for bank in host_view.names(f"{place}/mem_banks"):
        numbers = _numbers(host_view.text(f"{place}/mem_banks/{bank}/properties"))
        if str(numbers.get("heap_type")) in _OWN_MEMORY:
            total += numbers.get("size_in_bytes", 0)
    return total or None


def _numbers(text: str | None) -> Mapping[str, int]:
    """Read lines of ``name number``; whatever else there is, is left out."""
    lines = (line.split() for line in (text or "").splitlines())
    return {
        words[0]: int(words[1])
        for words in lines
        if len(words) == 2 and re.fullmatch(r"[0-9]{1,20}", words[1])
    }
