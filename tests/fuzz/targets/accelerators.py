"""What drivers, kernels and helpers say of accelerators."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from fuzz.model import Run, Target
from headrace.system.accelerators import bounded_process, child_query, overrides, pci, situation
from headrace.system.accelerators.bounded_process import ProcessResult
from headrace.system.accelerators.cache import Cache
from headrace.system.accelerators.host_view import HostView
from headrace.system.accelerators.nvidia import kernel, nvidia_smi
from headrace.system.accelerators.vendors import amd, intel
from headrace.system.accelerators.windows_devices import intel as windows_intel
from headrace.system.accelerators.windows_devices import nvidia_names
from headrace.variants.hosts import Host


def _saying(asked: Callable[[HostView], object]) -> Callable[[], Any]:
    """Ask a helper that says the input, and ends well or badly."""

    @contextlib.contextmanager
    def opened() -> Iterator[Run]:
        with tempfile.TemporaryDirectory(prefix="headrace-fuzz-") as folder:
            base = Path(folder)
            (base / "nvidia-smi").touch(mode=0o755)
            view = HostView({"PATH": folder}, base, "linux", programs=folder)

            def run(data: bytes) -> object:
                output = data.decode("utf-8", "replace")
                word = []
                for told in (ProcessResult(output, 0), ProcessResult(output, 9, trouble="ended")):
                    with mock.patch.object(bounded_process, "run", lambda *_, told=told: told):
                        word.append(asked(view))
                return word

            yield run

    return opened


def _smi(view: HostView) -> object:
    found = nvidia_smi.ask(view)
    return found.outcome, min(len(found.accelerators), 3), found.driver is None


def _child(view: HostView) -> object:
    word: list[object] = []
    for found in (
        child_query.ask_nvml(view),
        child_query.ask_libcuda(view),
        child_query.ask_plugin("x", view, 1.0),
    ):
        word += [found.outcome, min(len(found.accelerators), 2), found.cuda is None]
    return tuple(word)


@contextlib.contextmanager
def _system() -> Iterator[Run]:
    """Every file of the kernel's that is read holds the input."""
    with tempfile.TemporaryDirectory(prefix="headrace-fuzz-") as folder:
        base = Path(folder)
        files = [
            base / name
            for name in (
                *("sys/module/nvidia/version", "proc/driver/nvidia/version"),
                "proc/driver/nvidia/gpus/0000:01:00.0/information",
                *(f"sys/bus/pci/devices/0000:01:00.0/{n}" for n in ("class", "vendor", "device")),
                "sys/class/kfd/kfd/topology/nodes/1/properties",
                "sys/class/kfd/kfd/topology/nodes/1/name",
                "sys/class/kfd/kfd/topology/nodes/1/mem_banks/0/properties",
                *("opt/rocm/.info/version", "sys/module/amdgpu/version", "dev/kfd"),
                *(
                    "proc/1/cgroup",
                    "proc/version",
                    "proc/sys/kernel/osrelease",
                    "run/.containerenv",
                ),
            )
        ]
        for path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
        view = HostView({}, base, "linux", "x86_64", programs="")

        def run(data: bytes) -> object:
            first, _, rest = data.partition(b"\n--\n")
            for path in files:
                path.write_bytes(rest if path.name == "class" and rest else first)
            bus = pci.devices(view)
            seen = kernel.view(view, bus)
            found = amd.look(view, contained=False)
            intel.look(view, bus, contained=False)
            situation.container(view)
            situation.wsl(view)
            return len(bus), seen.version is None, len(found.accelerators)

        yield run


def _variables(data: bytes) -> object:
    lines = data.decode("utf-8", "replace").splitlines()
    env = dict(line.partition("=")[::2] for line in lines)
    host, notes = overrides.described(env, Host())
    overrides.with_capability(env, Host())
    pairs = list(env.items())
    return host is None, len(notes), len(windows_intel(pairs)), len(nvidia_names(pairs))


@contextlib.contextmanager
def _kept() -> Iterator[Run]:
    """What was found once, and kept."""
    with tempfile.TemporaryDirectory(prefix="headrace-fuzz-") as folder:
        cache = Cache(Path(folder), clock=lambda: 100.0)
        path = cache._file({"boot": "x"})
        path.parent.mkdir(parents=True, exist_ok=True)

        def run(data: bytes) -> object:
            path.write_bytes(data)
            found = cache.read({"boot": "x"})
            if found is not None:
                hash(found)
            return found is None

        yield run


TARGETS = [
    Target(
        "nvidia-smi",
        opened=_saying(_smi),
        allowed=(),
        words=(
            b", ",
            b" MiB",
            b"550.54.15",
            b'"',
            b"No devices were found",
            b"not a valid field",
            b"[N/A]",
            b"driver/library version mismatch",
        ),
    ),
    Target(
        "accelerator-child",
        opened=_saying(_child),
        allowed=(),
        words=(
            b'{"driver":',
            b'{"cuda":',
            b'{"gpu":{',
            b'{"done":true}',
            b'"name":',
            b'"capability":[',
            b'"memory":',
            b'{"call":',
            b'"code":',
            b'"text":',
            b'{"raised":',
            b'{"accelerator":{',
            b'"maker":',
        ),
    ),
    Target(
        "kernel-files",
        opened=_system,
        allowed=(),
        words=(
            b"0x030000",
            b"0x10de",
            b"\n--\n",
            b"gfx_target_version 90010",
            b"heap_type 1",
            b"size_in_bytes ",
            b"Model: ",
            b"NVRM version: ",
        ),
    ),
    Target(
        "accelerator-variables",
        _variables,
        (),
        (
            b"CONDA_OVERRIDE_CUDA=12.4",
            b"UV_CUDA_DRIVER_VERSION=",
            b"NV_VARIANT_PROVIDER_FORCE_SM_ARCH=9.0",
            b"UV_AMD_GPU_ARCHITECTURE=gfx1100",
            b"VEN_8086&DEV_56a0=",
        ),
    ),
    Target(
        "accelerators-kept",
        opened=_kept,
        allowed=(),
        words=(
            b'"written": 1',
            b'"until": 1000',
            b'"host": {',
            b'"accelerators": [',
            b'"situation": "ordinary"',
            b'"tried": [',
            b'"extra": [',
            b'"cuda": [12, 4]',
        ),
    ),
]
