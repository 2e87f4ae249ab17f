"""Devices on the bus that can compute or show pictures, as the kernel lists them."""

from __future__ import annotations

import re

from headrace.system.accelerators.host_view import HostView
from headrace.values import dataclass

__all__ = ["HUAWEI", "INTEL", "NVIDIA", "Device", "devices"]

NVIDIA = 0x10DE
INTEL = 0x8086
HUAWEI = 0x19E5
_FOLDER = "/sys/bus/pci/devices"
_NUMBER = re.compile(r"(?:0x)?[0-9a-fA-F]{1,6}")
#: Display controllers, and processing accelerators.
_CLASSES = (0x03, 0x12)


@dataclass(frozen=True, slots=True)
class Device:
    """One function of a card."""

    slot: str
    vendor: int
    device: int
    display: bool
    """False: a processing accelerator."""
    driver: str | None = None
    """The kernel's driver that has it (``nouveau``, ``vfio-pci``); None: nothing has."""


def devices(host_view: HostView) -> tuple[Device, ...]:
    """List display controllers and processing accelerators; nothing where there is no /sys."""
    found = []
    for slot in host_view.names(_FOLDER):
        place = f"{_FOLDER}/{slot}"
        kind = _number(host_view.text(f"{place}/class"))
        if kind is None or kind >> 16 not in _CLASSES:
            continue
        vendor = _number(host_view.text(f"{place}/vendor"))
        device = _number(host_view.text(f"{place}/device"))
        if vendor is not None and device is not None:
            driver = _driver(host_view, f"{place}/driver")
            found.append(Device(slot, vendor, device, kind >> 16 == _CLASSES[0], driver))
    return tuple(found)


def _number(text: str | None) -> int | None:
    return int(text, 16) if text is not None and _NUMBER.fullmatch(text) else None


def _driver(host_view: HostView, link: str) -> str | None:
    try:
        return host_view.path(link).readlink().name
    except OSError:
        return None
