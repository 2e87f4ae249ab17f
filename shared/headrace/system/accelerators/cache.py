"""What was found, kept in files until something that bears on it changes.

One file for each state of the machine, named by a hash of that state: boot, kernel driver, device
nodes and who may open them, the loader's cache, the variables that are read. A home folder that
many hosts share holds one for each.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from headrace import __version__
from headrace.config import EnvVars
from headrace.foreign import UnreadableError, foreign, read_json
from headrace.system import atomic
from headrace.system.accelerators import situation
from headrace.system.accelerators.host_view import HostView
from headrace.system.accelerators.nvidia import nvidia_smi
from headrace.system.accelerators.nvidia.kernel import driver_version
from headrace.system.accelerators.records import host_of
from headrace.system.accelerators.vendors.amd import NODES
from headrace.system.folders import make as make_folder
from headrace.variants.hosts import Host

__all__ = ["Cache", "state"]

#: Seconds that an answer counts which may soon be another, and one of a machine without boot id.
_SHORT = 600.0
_DAY = 86400.0
_MOST_FILES = 16
_BOOT = "/proc/sys/kernel/random/boot_id"
#: Device nodes of all makers, by the beginning of their names.
_NODES = ("nvidia", "nvhost", "nvmap", "dxg", "kfd", "davinci")
_LIBRARIES = (
    "/etc/ld.so.cache",
    "/etc/nv_tegra_release",
    "/usr/lib/wsl/lib/libnvidia-ml.so.1",
    "/usr/lib/wsl/lib/libcuda.so.1",
    "/run/opengl-driver/lib/libcuda.so.1",
    "/opt/rocm/.info/version",
)


def state(host_view: HostView, detectors: Sequence[str] = ()) -> dict[str, Any]:
    """Return all that the answer depends on and that costs little to know."""
    see = host_view
    windows = see.env.get(EnvVars.WINDIR, "C:/Windows")
    libraries = _LIBRARIES if see.platform != "win32" else (
        f"{windows}/System32/nvml.dll", f"{windows}/System32/nvcuda.dll",
    )  # fmt: skip
    nodes = [f"/dev/{n}" for n in see.names("/dev") if n.startswith(_NODES)]
    nodes += [f"/dev/dri/{n}" for n in see.names("/dev/dri")]
    return {
        "version": __version__,
        "root": str(see.root),
        "platform": [see.platform, see.machine],
        "boot": see.text(_BOOT),
        "driver": driver_version(see),
        "nodes": [(node, _stamp(see, node), see.may_use(node)) for node in nodes],
        "libraries": [_stamp(see, name) for name in libraries],
        "bus": see.names("/sys/bus/pci/devices"),
        "kfd": see.names(NODES),
        "container": situation.container(see),
        "batch": [situation.batch(see), situation.allocated(see)],
        "wsl": situation.wsl(see),
        "image": situation.image(see),
        "smi": nvidia_smi.find(see),
        "loader": see.env.get(EnvVars.LD_LIBRARY_PATH),
        "user": os.geteuid() if hasattr(os, "geteuid") else None,
        "detectors": list(detectors),
        "timeout": see.timeout,
    }


def _stamp(host_view: HostView, name: str) -> tuple[int, int, int] | None:
    try:
        found = host_view.path(name).stat()
    except OSError:
        return None
    device = getattr(found, "st_rdev", 0)
    # A device node's own time changes with every use of it.
    return (device, 0, 0) if device else (0, found.st_size, found.st_mtime_ns)


class Cache:
    """The folder of what was found. Nothing that is wrong with it is an error."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder / "accelerators"
        self._clock = clock

    def _file(self, key: dict[str, Any]) -> Path:
        word = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
        return self._folder / f"{word}.json"

    def read(self, key: dict[str, Any]) -> Host | None:
        """Return the host found in this state of the machine, or None."""
        try:
            with foreign("what was found"):
                entry = read_json(self._file(key).read_bytes())
                written, until = float(entry["written"]), float(entry["until"])
                if written <= self._clock() + 60 and self._clock() < until:
                    return host_of(entry["host"])
        except UnreadableError:
            pass
        return None

    def write(self, key: dict[str, Any], host: Host, *, passing: bool) -> None:
        """Keep it; `passing`: for some minutes, because it may soon be otherwise."""
        now = self._clock()
        lifetime = _SHORT if passing else _DAY if key["boot"] is None else 365 * _DAY
        entry = {"written": now, "until": now + lifetime, "host": asdict(host)}
        with contextlib.suppress(OSError):
            make_folder(self._folder)
            content = json.dumps(entry, indent=1).encode() + b"\n"
            atomic.replace(self._file(key), content, mode=0o600)
            self._prune()

    def _prune(self) -> None:
        files = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for path in files[:-_MOST_FILES]:
            path.unlink(missing_ok=True)
