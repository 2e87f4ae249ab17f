"""Hosts with GPUs, described as folders, with fake libraries of their drivers.

The fakes are compiled from the C files beside this one and loaded by the real bindings.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from headrace.system.accelerators.host_view import HostView
from lib.waiting import HANG

HERE = Path(__file__).parent
SMI = """#!/bin/sh
{body}
"""


def compiler() -> str | None:
    return shutil.which("cc") or shutil.which("gcc")


def build(source: str, target: Path, *flags: str) -> Path:
    """Compile one of the C files here into a shared library of the target's name."""
    program = compiler()
    assert program is not None
    target.parent.mkdir(parents=True, exist_ok=True)
    argv = [program, "-shared", "-fPIC", "-Wall", "-Werror", f"-Wl,-soname,{target.name}", *flags]
    subprocess.run([*argv, "-o", str(target), str(HERE / source)], check=True)
    return target


@dataclass(frozen=True)
class Libraries:
    """Folders for LD_LIBRARY_PATH, each with one library in it."""

    nvml: Path
    old_nvml: Path
    cuda: Path

    @classmethod
    def compiled(cls, folder: Path) -> Libraries:
        made = cls(folder / "nvml", folder / "old", folder / "cuda")
        build("fake_nvml.c", made.nvml / "libnvidia-ml.so.1")
        build("fake_nvml.c", made.old_nvml / "libnvidia-ml.so.1", "-DOLD")
        build("fake_cuda.c", made.cuda / "libcuda.so.1")
        return made


@dataclass
class Box:
    """A host: a folder for its root, and an environment."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)
    timeout: float = HANG

    def see(self, **more: str) -> HostView:
        return HostView(
            {**self.env, **more},
            root=self.root,
            platform="linux",
            machine="x86_64",
            programs=str(self.root / "bin"),
            timeout=self.timeout,
            within=4 * HANG,
        )

    def file(self, name: str, text: str = "") -> Box:
        path = self.root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return self

    def program(self, name: str, body: str) -> Box:
        self.file(f"/bin/{name}", SMI.format(body=body))
        (self.root / "bin" / name).chmod(0o755)
        return self

    def libraries(self, *folders: Path) -> Box:
        self.env["LD_LIBRARY_PATH"] = ":".join(map(str, folders))
        return self

    def pci(self, slot: str, vendor: int, device: int, kind: int = 0x030000) -> Box:
        place = f"/sys/bus/pci/devices/{slot}"
        for name, number in (("vendor", vendor), ("device", device)):
            self.file(f"{place}/{name}", f"0x{number:04x}\n")
        return self.file(f"{place}/class", f"0x{kind:06x}\n")

    def driver(self, version: str = "580.95.05", *models: str) -> Box:
        """NVIDIA's kernel driver, with device nodes for its GPUs."""
        self.file("/sys/module/nvidia/version", f"{version}\n")
        self.file(
            "/proc/driver/nvidia/version",
            f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {version}  Tue Mar  5 2024\n"
            "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n",
        )
        for index, model in enumerate(models):
            self.file(
                f"/proc/driver/nvidia/gpus/0000:0{index}:00.0/information",
                f"Model: \t\t {model}\nIRQ:   \t\t 0\nBus Type: \t PCIe\n",
            )
            self.file(f"/dev/nvidia{index}")
        if models:
            self.file("/dev/nvidiactl")
        return self

    def kfd(self, number: int, name: str = "", **properties: int) -> Box:
        place = f"/sys/class/kfd/kfd/topology/nodes/{number}"
        lines = "".join(f"{key} {value}\n" for key, value in properties.items())
        self.file("/dev/kfd").file(f"{place}/name", f"{name}\n")
        return self.file(f"{place}/properties", lines)
