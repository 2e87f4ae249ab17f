"""Intel's GPUs, by the numbers of their PCI devices."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.system.accelerators.host_view import HostView
from headrace.system.accelerators.pci import INTEL, Device
from headrace.system.accelerators.results import VendorResult
from headrace.variants import tables as cuda_tables
from headrace.variants.compatibility.intel_gpus import family_of_device
from headrace.variants.hosts import Accelerator

__all__ = ["accelerator", "look"]


def accelerator(device: int, method: str, name: str | None = None) -> Accelerator:
    """Make an accelerator of a device's number; others than the validated have no architecture."""
    family = family_of_device(device, cuda_tables.load())
    shown = family.name if family else "Intel graphics"
    return Accelerator(
        "intel",
        name or f"{shown} 0x{device:04x}",
        architecture=family.word if family and family.validated else None,
        method=method,
        integrated=family is None or family.integrated,
    )


def look(host_view: HostView, bus: Sequence[Device], *, contained: bool) -> VendorResult:
    """Find Intel's GPUs; none in a container that was given no render node."""
    found = tuple(
        accelerator(device.device, "pci")
        for device in bus
        if device.vendor == INTEL
        and (device.display or accelerator(device.device, "pci").architecture)
    )
    if not found:
        return VendorResult()
    nodes = [n for n in host_view.names("/dev/dri") if n.startswith("renderD")]
    if not nodes:
        if contained:
            return VendorResult(
                tried=(("intel", "a GPU is on the bus, and no /dev/dri/renderD* here"),)
            )
        note = "Intel's GPU has no /dev/dri/renderD*: its kernel driver (i915, xe) is not loaded"
        return VendorResult(found, method="pci", notes=(note,) if _useful(found) else ())
    if _useful(found) and not any(host_view.may_use(f"/dev/dri/{n}") for n in nodes):
        note = "this user may not open /dev/dri/renderD*: add it to the group render"
        return VendorResult(found, method="pci", notes=(note,))
    return VendorResult(found, method="pci")


def _useful(found: Sequence[Accelerator]) -> bool:
    return any(gpu.architecture for gpu in found)
