"""Whether containers can use this machine's NVIDIA GPUs: the container toolkit, runtimes, CDI.

An engine gives a container GPUs in one of two ways: by a runtime of its own (``--gpus`` of dockerd)
or by the files of the Container Device Interface (CDI), which podman and newer dockerd read.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from headrace.interface import Finding, Host, Place, read_json_or_none

__all__ = ["check"]

#: Seconds that a program may take; an engine that starts up is slow.
_PATIENCE = 5.0
_SPECIFICATIONS = ("/etc/cdi", "/var/run/cdi")
_VERSION = re.compile(r"(?<![0-9])[0-9]{1,6}\.[0-9]{1,6}(?:\.[0-9]{1,6})?")
_INSTALL = (
    "install nvidia-container-toolkit from NVIDIA's package repository, then "
    "`sudo nvidia-ctk runtime configure` and restart the engine"
)
_RUNTIME = "`sudo nvidia-ctk runtime configure --runtime=docker`, then restart docker"
_CDI = "`sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml`"


def check(place: Place, host: Host, *, root: Path = Path("/")) -> Iterator[Finding]:
    """Look at the toolkit where there are an NVIDIA GPU and an engine; else nothing is said.

    `root` is where the folders of CDI are looked for.
    """
    path = place.environment.get("PATH")
    docker, podman = shutil.which("docker", path=path), shutil.which("podman", path=path)
    nvidia = any(gpu.maker == "nvidia" for gpu in host.accelerators)
    if not nvidia or not (docker or podman) or place.platform != "linux":
        return
    toolkit = shutil.which("nvidia-ctk", path=path) or shutil.which(
        "nvidia-container-cli", path=path
    )
    if toolkit is None:
        text = "no container sees the GPU: nvidia-container-toolkit is not installed"
        yield Finding("containers", "warning", text, _INSTALL)
        return
    found = _VERSION.search(_said([toolkit, "--version"], place))
    version = f" {found[0]}" if found else ""
    yield Finding("containers", "ok", f"nvidia-container-toolkit{version}")
    files = _cdi(root)
    if docker:
        yield _docker(docker, place, files)
    if podman and not files:
        yield Finding("podman", "warning", "gives no container a GPU: there is no CDI file", _CDI)
    elif podman:
        yield Finding("podman", "ok", f"gives containers GPUs by CDI ({files[0]})")


def _docker(docker: str, place: Place, files: Sequence[Path]) -> Finding:
    info = _info(docker, place)
    if info is None:
        text = "its engine did not answer, so how it gives containers GPUs is not known"
        return Finding("docker", "note", text, "`docker info` says why")
    if "nvidia" in (info.get("Runtimes") or {}):
        return Finding("docker", "ok", "gives containers GPUs by the nvidia runtime (--gpus all)")
    if files and info.get("CDISpecDirs"):
        return Finding("docker", "ok", f"gives containers GPUs by CDI ({files[0]})")
    text = "gives no container a GPU: its engine has neither the nvidia runtime nor CDI"
    return Finding("docker", "warning", text, _RUNTIME)


def _info(docker: str, place: Place) -> dict[str, Any] | None:
    told = read_json_or_none(_said([docker, "info", "--format", "{{json .}}"], place))
    # Without an engine the client tells of itself alone, and of the error.
    return told if isinstance(told, dict) and told.get("ServerVersion") else None


def _cdi(root: Path) -> list[Path]:
    """List the CDI files that speak of NVIDIA's devices."""
    found = []
    for folder in _SPECIFICATIONS:
        for file in sorted((root / folder.lstrip("/")).glob("*")):
            if file.suffix not in (".yaml", ".yml", ".json"):
                continue
            try:
                text = file.read_text("utf-8", "replace")
            except OSError:
                continue
            if "nvidia.com/gpu" in text:
                found.append(file)
    return found


def _said(command: Sequence[str], place: Place) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - programs of the user's own PATH
            command,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
            env=dict(place.environment),
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout
