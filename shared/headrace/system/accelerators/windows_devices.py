"""Display devices of Windows, from its registry: there is no /sys to read."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator

from headrace.system.accelerators.pci import INTEL, NVIDIA
from headrace.system.accelerators.records import text_of
from headrace.system.accelerators.vendors.intel import accelerator
from headrace.variants.hosts import Accelerator

__all__ = ["display_devices", "intel", "nvidia_names"]

#: The class of display adapters.
_CLASS = r"SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"
_DEVICE = re.compile(r"VEN_([0-9A-F]{4})&DEV_([0-9A-F]{4})", re.IGNORECASE)


def display_devices() -> list[tuple[str, str]]:
    """Return (hardware id, name) of each adapter; nothing elsewhere than on Windows."""
    return list(_read())


def _read() -> Iterator[tuple[str, str]]:
    if sys.platform != "win32":
        return
    import winreg  # noqa: PLC0415 - Windows only

    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _CLASS) as adapters:
            for index in range(winreg.QueryInfoKey(adapters)[0]):
                try:
                    with winreg.OpenKey(adapters, winreg.EnumKey(adapters, index)) as adapter:
                        device = winreg.QueryValueEx(adapter, "MatchingDeviceId")[0]
                        yield str(device), str(winreg.QueryValueEx(adapter, "DriverDesc")[0])
                except OSError:
                    continue
    except OSError:
        return


def intel(found: Iterable[tuple[str, str]]) -> tuple[Accelerator, ...]:
    """Return Intel's among the adapters."""
    devices = ((_DEVICE.search(device), text_of(name)) for device, name in found)
    return tuple(
        accelerator(int(numbers.group(2), 16), "registry", name)
        for numbers, name in devices
        if numbers and int(numbers.group(1), 16) == INTEL
    )


def nvidia_names(found: Iterable[tuple[str, str]]) -> list[str]:
    """Return the names of NVIDIA's adapters."""
    devices = ((_DEVICE.search(device), text_of(name)) for device, name in found)
    return [
        name or "NVIDIA GPU"
        for numbers, name in devices
        if numbers and int(numbers.group(1), 16) == NVIDIA
    ]
