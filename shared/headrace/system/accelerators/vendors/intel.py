"""Intel's GPUs, by the numbers of their PCI devices.

Builds for Intel's GPUs were validated on Arc A and B, Data Center GPU Max, and the graphics of Core
Ultra from Meteor Lake-H on. The numbers are those of Linux' list of Intel's GPUs.
"""

from __future__ import annotations

from collections.abc import Sequence

from headrace.system.accelerators.host_view import HostView
from headrace.system.accelerators.pci import INTEL, Device
from headrace.system.accelerators.results import VendorResult
from headrace.variants.hosts import Accelerator

__all__ = ["accelerator", "look"]

#: Word of the family (None: no build was validated on it), name, part of a processor, numbers.
_FAMILIES: tuple[tuple[str | None, str, bool, frozenset[int]], ...] = (
    ("dg2", "Intel Arc A-series (Alchemist)", False, frozenset({*range(0x5690, 0x5698),
     *range(0x56A0, 0x56A7), *range(0x56B0, 0x56B4), *range(0x56BA, 0x56C0)})),
    (None, "Intel Data Center GPU Flex", False, frozenset(range(0x56C0, 0x56C3))),
    ("bmg", "Intel Arc B-series (Battlemage)", False, frozenset({0xE202, 0xE209,
     *range(0xE20B, 0xE20E), *range(0xE210, 0xE213), 0xE216, *range(0xE220, 0xE224)})),
    ("pvc", "Intel Data Center GPU Max", False, frozenset({0x0B69, 0x0B6E,
     *range(0x0BD4, 0x0BDC), 0x0BE0, 0x0BE1, 0x0BE5})),
    (None, "Intel Graphics (Meteor Lake-U)", True, frozenset({0x7D40, 0x7D45, 0x7D60})),
    ("mtl", "Intel Arc Graphics (Meteor Lake-H)", True, frozenset({0x7D55, 0x7DD5})),
    (None, "Intel Graphics (Arrow Lake-S)", True, frozenset({0x7D41, 0x7D67, 0xB640})),
    ("arl", "Intel Arc Graphics (Arrow Lake-H)", True, frozenset({0x7D51, 0x7DD1})),
    ("lnl", "Intel Arc Graphics (Lunar Lake)", True, frozenset({0x6420, 0x64A0, 0x64B0})),
    ("ptl", "Intel Graphics (Panther Lake)", True, frozenset({*range(0xB080, 0xB088), 0xB08F,
     0xB090, 0xB0A0, 0xB0B0})),
)  # fmt: skip


def accelerator(device: int, method: str, name: str | None = None) -> Accelerator:
    """Make an accelerator of a device's number; others than the validated have no architecture."""
    families = (family for family in _FAMILIES if device in family[3])
    word, shown, integrated, _ = next(families, (None, "Intel graphics", True, frozenset()))
    return Accelerator(
        "intel",
        name or f"{shown} 0x{device:04x}",
        architecture=word,
        method=method,
        integrated=integrated,
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
