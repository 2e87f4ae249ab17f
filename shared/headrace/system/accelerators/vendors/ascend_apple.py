"""Accelerators that a file or the kind of machine gives away: Ascend, Apple."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence

from headrace.system.accelerators.host_view import HostView
from headrace.system.accelerators.pci import HUAWEI, Device
from headrace.system.accelerators.results import VendorResult
from headrace.variants.hosts import Accelerator

__all__ = ["apple", "ascend", "macos_version"]

_DAVINCI = re.compile(r"davinci\d+")
_DRIVER = "/usr/local/Ascend/driver/version.info"


def ascend(host_view: HostView, bus: Sequence[Device], *, contained: bool) -> VendorResult:
    """Find Huawei's NPUs by the device nodes of their driver."""
    nodes = [name for name in host_view.names("/dev") if _DAVINCI.fullmatch(name)]
    listed = [d for d in bus if d.vendor == HUAWEI and not d.display]
    if not nodes:
        if not listed or contained:
            return VendorResult()
        note = "an Ascend NPU is on the bus without its driver (/dev/davinci*): install it"
        return VendorResult(tried=(("ascend", "no /dev/davinci*"),), notes=(note,))
    told = re.search(r"^Version=(\S{1,40})", host_view.text(_DRIVER) or "", re.MULTILINE)
    driver = told.group(1) if told else None
    notes: tuple[str, ...] = ()
    if not any(host_view.may_use(f"/dev/{node}") for node in nodes):
        notes = ("this user may not open /dev/davinci*: add it to the group HwHiAiUser",)
    found = tuple(Accelerator("huawei", "Ascend NPU", driver=driver, method="dev") for _ in nodes)
    return VendorResult(found, method="dev", notes=notes)


def apple(host_view: HostView) -> VendorResult:
    """Apple's own processors all have a GPU."""
    if host_view.platform != "darwin" or host_view.machine != "aarch64":
        return VendorResult()
    return VendorResult(
        (Accelerator("apple", "Apple silicon", method="platform", integrated=True),),
        method="platform",
    )


def macos_version() -> tuple[int, int] | None:
    """Return the version of the macOS that this process runs on."""
    numbers = re.match(r"(\d+)\.(\d+)", platform.mac_ver()[0])
    return (int(numbers.group(1)), int(numbers.group(2))) if numbers else None
