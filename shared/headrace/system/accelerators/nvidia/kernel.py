"""What the kernel itself says of NVIDIA: its driver, its devices. No library, no program."""

from __future__ import annotations

import re
from collections.abc import Sequence

from headrace.system.accelerators.host_view import HostView
from headrace.system.accelerators.pci import NVIDIA, Device
from headrace.system.accelerators.records import text_of
from headrace.values import dataclass
from headrace.variants.hosts import Accelerator

__all__ = ["VERSION", "View", "driver_version", "view"]

_MODULE = "/sys/module/nvidia/version"
_DRIVER = "/proc/driver/nvidia/version"
_GPUS = "/proc/driver/nvidia/gpus"
#: As NVIDIA writes its drivers' versions: 450.80.02, 550.54.15, 610.43.
VERSION = re.compile(r"(?<![\d.])\d{2,4}\.\d{1,3}(?:\.\d{1,3})?(?![\d.])")
_GPU_NODE = re.compile(r"nvidia\d+")


@dataclass(frozen=True, slots=True)
class View:
    """The kernel's view."""

    version: str | None
    method: str
    """``sysfs`` or ``procfs``: where the version stands; empty without one."""
    models: tuple[str, ...]
    """Of the GPUs that the driver lists."""
    on_the_bus: tuple[Device, ...]
    nodes: tuple[str, ...]
    """Device nodes of NVIDIA's driver; in a container only those that it was given."""
    wsl_gpu: bool
    """The paravirtual device through which WSL reaches the GPU of Windows."""

    @property
    def traces(self) -> bool:
        """True where an NVIDIA GPU could be asked at all."""
        return bool(self.version or self.models or self.on_the_bus or self.nodes or self.wsl_gpu)

    @property
    def has_gpu_node(self) -> bool:
        """True where this process was given a GPU, whether or not it may open it."""
        return self.wsl_gpu or any(_GPU_NODE.fullmatch(node) for node in self.nodes)

    def accelerators(self) -> tuple[Accelerator, ...]:
        """Return the GPUs by name; nobody here knows their capability."""
        if self.models:
            return tuple(
                Accelerator("nvidia", name, driver=self.version, method="procfs")
                for name in self.models
            )
        return tuple(
            Accelerator(
                "nvidia", f"NVIDIA device 0x{found.device:04x}", driver=self.version, method="pci"
            )
            for found in self.on_the_bus
        )


def driver_version(host_view: HostView) -> tuple[str | None, str]:
    """Return the loaded driver's version and where it stands."""
    for method, place in (("sysfs", _MODULE), ("procfs", _DRIVER)):
        text = host_view.text(place) or ""
        if place == _MODULE:
            found = VERSION.fullmatch(text)
        else:  # a sentence, and a second line with the compiler's version
            found = VERSION.search(text.partition("\n")[0])
        if found:
            return found.group(), method
    return None, ""


def node_names(host_view: HostView) -> tuple[str, ...]:
    """Return the names of NVIDIA's device nodes."""
    return tuple(name for name in host_view.names("/dev") if name.startswith("nvidia"))


def view(host_view: HostView, bus: Sequence[Device]) -> View:
    """Read all of it; a fraction of a millisecond."""
    version, method = driver_version(host_view)
    models = []
    for slot in host_view.names(_GPUS):
        text = host_view.text(f"{_GPUS}/{slot}/information") or ""
        named = re.search(r"^Model:(.*)$", text, re.MULTILINE)
        models.append((text_of(named.group(1)) if named else None) or "NVIDIA GPU")
    return View(
        version=version,
        method=method,
        models=tuple(models),
        on_the_bus=tuple(d for d in bus if d.vendor == NVIDIA and d.display),
        nodes=node_names(host_view),
        wsl_gpu=host_view.exists("/dev/dxg"),
    )
