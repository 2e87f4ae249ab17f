"""What a machine says of containers and NVIDIA's GPUs: the toolkit, engines, CDI, cgroups, WSL.

An engine gives a container GPUs in one of two ways: by a runtime of its own (``--gpus`` of dockerd)
or by the files of the Container Device Interface (CDI), which podman and newer dockerd read. What
it comes to is said by `containers`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from headrace.interface import (
    ConfigurationError,
    Finding,
    Host,
    Place,
    read_json_or_none,
    read_toml,
)
from headrace.interface.editing import presence
from headrace_docker.gpu.containers import (
    CdiFile,
    ContainerFacts,
    DockerTold,
    PodmanTold,
    findings,
    way_of_docker,
)

__all__ = ["check", "read_facts", "way"]

#: Seconds that a program may take; an engine that starts up is slow.
_PATIENCE = 5.0
#: Characters of a file that are read.
_LONGEST = 1 << 20
_SPECIFICATIONS = ("/etc/cdi", "/var/run/cdi")
_VERSION = re.compile(r"(?<![0-9])[0-9]{1,6}\.[0-9]{1,6}(?:\.[0-9]{1,6})?")
#: Libraries of the driver carry its version.
_LIBRARY = re.compile(r"/lib(?:cuda|nvidia-ml)\.so\.([0-9]{3,4}\.[0-9]{1,4}(?:\.[0-9]{1,4})?)")
_INSTANCE = re.compile(r"name:\s{0,4}\S{0,4}(?:[0-9]{1,3}:[0-9]{1,3}|MIG-)")
_CONFIGURATION = "/etc/nvidia-container-runtime/config.toml"
_WSL_LIBRARY = "/usr/lib/wsl/lib/libcuda.so.1"
#: As detection says it (NVML's RmVersionMismatch).
_RENEWED = "updated"
#: Major number of NVIDIA's devices.
_CHAR = "195:*"


def check(
    place: Place, host: Host, *, root: Path = Path("/"), engine: str = ""
) -> Iterator[Finding]:
    """Look at it all where there are an NVIDIA GPU and an engine; else nothing is said.

    `root` is where the machine's files begin; with `engine` only that one's containers count.
    """
    facts = read_facts(place, host, root=root)
    if facts is not None:
        yield from findings(facts.of(engine) if engine else facts)


def way(place: Place, host: Host, engine: str) -> str:
    """Say how an engine is asked for NVIDIA's GPUs: ``runtime``, ``hook``, ``cdi``."""
    if engine != "docker":
        return "cdi" if engine == "podman" else "hook"
    facts = read_facts(place, host)
    return (way_of_docker(facts) if facts is not None else "") or "hook"


def read_facts(place: Place, host: Host, *, root: Path = Path("/")) -> ContainerFacts | None:
    """Read what there is; None: there is no such GPU, or no engine."""
    path = place.environment.get("PATH")
    docker, podman = shutil.which("docker", path=path), shutil.which("podman", path=path)
    nvidia = [gpu for gpu in host.accelerators if gpu.maker == "nvidia"]
    if not nvidia or not (docker or podman) or place.platform != "linux":
        return None
    toolkit = shutil.which("nvidia-ctk", path=path) or shutil.which(
        "nvidia-container-cli", path=path
    )
    version = _VERSION.search(_said([toolkit, "--version"], place)) if toolkit else None
    files, closed = _cdi(root)
    char = root / "dev" / "char"
    return ContainerFacts(
        host.driver,
        reboot=any(_RENEWED in note for note in host.notes),
        docker=docker is not None,
        docker_told=_docker(docker, place) if docker else None,
        podman=podman is not None,
        podman_told=_podman(podman, place) if podman else None,
        toolkit=None if toolkit is None else version[0] if version else "",
        hook=shutil.which("nvidia-container-runtime-hook", path=path) is not None,
        cdi=tuple(files),
        closed_cdi=tuple(closed),
        no_cgroups=_no_cgroups(place, root),
        char_links=any(char.glob(_CHAR)) or not presence.is_folder(char),
        mig=any(gpu.mig for gpu in nvidia),
        selinux=_text(root / "sys/fs/selinux/enforce").strip() == "1",
        wsl=host.wsl,
        wsl_library=presence.is_there(root / _WSL_LIBRARY.lstrip("/")),
    )


def _docker(docker: str, place: Place) -> DockerTold | None:
    told = read_json_or_none(_said([docker, "info", "--format", "{{json .}}"], place))
    # Without an engine the client tells of itself alone, and of the error.
    if not isinstance(told, dict) or not told.get("ServerVersion"):
        return None
    runtimes, security = told.get("Runtimes"), told.get("SecurityOptions")
    return DockerTold(
        tuple(runtimes) if isinstance(runtimes, dict) else (),
        cdi=bool(told.get("CDISpecDirs")),
        rootless="name=rootless" in (security if isinstance(security, list) else ()),
        snap=str(told.get("DockerRootDir", "")).startswith("/var/snap/"),
        desktop=told.get("OperatingSystem") == "Docker Desktop",
        systemd_cgroups=told.get("CgroupDriver") == "systemd",
    )


def _podman(podman: str, place: Place) -> PodmanTold | None:
    told = read_json_or_none(_said([podman, "info", "--format", "json"], place))
    host: Any = told.get("host") if isinstance(told, dict) else None
    security = host.get("security") if isinstance(host, dict) else None
    return PodmanTold(bool(security.get("rootless"))) if isinstance(security, dict) else None


def _no_cgroups(place: Place, root: Path) -> bool:
    """Whether the toolkit is told so, in the user's own file or else in the system's."""
    home = place.environment.get("XDG_CONFIG_HOME") or place.home / ".config"
    own = Path(home) / "nvidia-container-runtime" / "config.toml"
    path = own if presence.is_there(own) else root / _CONFIGURATION.lstrip("/")
    try:
        section = read_toml(_text(path).encode(), path).get("nvidia-container-cli")
    except ConfigurationError:
        return False
    return isinstance(section, dict) and section.get("no-cgroups") is True


def _cdi(root: Path) -> tuple[list[CdiFile], list[str]]:
    """Return the CDI files that speak of NVIDIA's devices, and those that may not be read."""
    found, closed = [], []
    for folder in _SPECIFICATIONS:
        for file in sorted((root / folder.lstrip("/")).glob("*")):
            if file.suffix not in (".yaml", ".yml", ".json"):
                continue
            try:
                text = file.read_text("utf-8", "replace")[:_LONGEST]
            except PermissionError:
                closed += [str(file)] if "nvidia" in file.name else []
                continue
            except OSError:
                continue
            if "nvidia.com/gpu" in text:
                drivers = tuple(dict.fromkeys(_LIBRARY.findall(text)))
                found.append(CdiFile(str(file), drivers, bool(_INSTANCE.search(text))))
    return found, closed


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")[:_LONGEST]
    except OSError:
        return ""


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
