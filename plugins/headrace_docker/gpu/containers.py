"""Why containers have no GPU, from what was read of a machine: toolkit, runtime, CDI, cgroups,
engines without root, WSL, in this order, and one thing to do. Pure.

What is known of each is NVIDIA's documentation of its container toolkit (installation, CDI support,
troubleshooting), and its issues 48 (rights that a reload of systemd takes) and 154 of
libnvidia-container (engines without root).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from headrace.interface import Finding, dataclass

__all__ = ["CdiFile", "ContainerFacts", "DockerTold", "PodmanTold", "findings", "way_of_docker"]

_INSTALL = (
    "install nvidia-container-toolkit from NVIDIA's package repository, then "
    "`sudo nvidia-ctk runtime configure` and restart the engine"
)
_RUNTIME = "`sudo nvidia-ctk runtime configure --runtime=docker`, then restart docker"
_OWN_RUNTIME = (
    "`nvidia-ctk runtime configure --runtime=docker --config=$HOME/.config/docker/daemon.json`, "
    "then `systemctl --user restart docker`"
)
_CDI = "`sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml`"
_CGROUPS = (
    "`sudo nvidia-ctk config --in-place --set nvidia-container-cli.no-cgroups=false`, then "
    "restart docker"
)
_NO_CGROUPS = (
    "`sudo nvidia-ctk config --in-place --set nvidia-container-cli.no-cgroups=true`, or use CDI "
    "(--device nvidia.com/gpu=all)"
)
_CHAR = "`sudo nvidia-ctk system create-dev-char-symlinks --create-all`, at each start"
_BY = {
    "runtime": "gives containers GPUs by the nvidia runtime (--gpus all)",
    "hook": "gives containers GPUs by its own option (--gpus all)",
}
_NEXT = "do what stands above first, then `headrace doctor` again"


@dataclass(frozen=True, slots=True)
class CdiFile:
    """One file of the Container Device Interface that speaks of NVIDIA's devices."""

    path: str
    drivers: tuple[str, ...] = ()
    """Versions of the driver whose libraries it names."""
    instances: bool = False
    """It knows instances of MIG."""


@dataclass(frozen=True, slots=True)
class DockerTold:
    """What docker's engine says of itself."""

    runtimes: tuple[str, ...] = ()
    cdi: bool = False
    """It reads files of CDI."""
    rootless: bool = False
    snap: bool = False
    desktop: bool = False
    """Docker Desktop: its engine is in a machine of its own."""
    systemd_cgroups: bool = False


@dataclass(frozen=True, slots=True)
class PodmanTold:
    """What podman says of itself."""

    rootless: bool = False


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """What was read of a machine that has an NVIDIA GPU."""

    driver: str | None
    """Version of the one that is loaded."""
    reboot: bool = False
    """Its libraries are of another version."""
    docker: bool = False
    docker_told: DockerTold | None = None
    """None: it is not here, or its engine does not answer."""
    podman: bool = False
    podman_told: PodmanTold | None = None
    toolkit: str | None = None
    """Its version, empty where it does not say; None: it is not here."""
    hook: bool = False
    """The program that ``--gpus`` of docker starts is here."""
    cdi: tuple[CdiFile, ...] = ()
    closed_cdi: tuple[str, ...] = ()
    """Such files that this user may not read."""
    no_cgroups: bool = False
    """The toolkit is told to leave the rights of containers to devices alone."""
    char_links: bool = True
    """``/dev/char`` names the GPUs' devices (True also where nobody can tell)."""
    mig: bool = False
    selinux: bool = False
    wsl: bool = False
    wsl_library: bool = True
    """Windows' driver gives its libraries to Linux."""

    def of(self, engine: str) -> ContainerFacts:
        """Return what of it is about one engine."""
        if engine == "docker":
            return replace(self, podman=False, podman_told=None)
        if engine == "podman":
            return replace(self, docker=False, docker_told=None)
        return replace(self, docker=False, docker_told=None, podman=False, podman_told=None)


def findings(facts: ContainerFacts) -> list[Finding]:
    """Go through it; of what is wrong the first one says what to do, the others wait for it."""
    found: list[Finding] = []
    told = False
    for each in _every(facts):
        wrong = each.level == "warning"
        found.append(replace(each, hint=_NEXT) if wrong and told else each)
        told = told or wrong
    return found


def way_of_docker(facts: ContainerFacts) -> str:
    """Say how docker gives a container GPUs: ``runtime``, ``hook``, ``cdi``; empty: in no way."""
    told = facts.docker_told
    if told is None:
        return ""
    if told.desktop and facts.wsl:
        return "hook"
    if "nvidia" in told.runtimes:
        return "runtime"
    if facts.hook:
        return "hook"
    return "cdi" if facts.cdi and told.cdi else ""


def _every(facts: ContainerFacts) -> Iterator[Finding]:
    if facts.reboot:
        text = "the driver's libraries are not those of the module that is loaded"
        yield _wrong("containers", text, "restart this machine: the driver was renewed")
    desktop = facts.docker_told is not None and facts.docker_told.desktop
    if facts.toolkit is None and not desktop:
        text = "no container sees the GPU: nvidia-container-toolkit is not installed"
        yield _wrong("containers", text, _INSTALL)
        return
    if facts.toolkit is not None:
        version = f" {facts.toolkit}" if facts.toolkit else ""
        yield Finding("containers", "ok", f"nvidia-container-toolkit{version}")
    if facts.docker:
        yield _docker(facts)
    if facts.podman:
        yield _podman(facts)
    yield from _cdi(facts)
    yield from _cgroups(facts)
    yield from _without_root(facts)
    if facts.wsl and not facts.wsl_library:
        text = "Windows gives its driver's libraries to no Linux: /usr/lib/wsl/lib has none"
        hint = "install NVIDIA's driver in Windows (never in WSL), then `wsl --shutdown` there"
        yield _wrong("wsl", text, hint)


def _wrong(check: str, text: str, hint: str) -> Finding:
    return Finding(check, "warning", text, hint)


def _docker(facts: ContainerFacts) -> Finding:
    told, way = facts.docker_told, way_of_docker(facts)
    if told is None:
        text = "its engine did not answer, so how it gives containers GPUs is not known"
        return Finding("docker", "note", text, "`docker info` says why")
    if told.desktop and not facts.wsl:
        text = "Docker Desktop on Linux has its engine in a machine of its own, which has no GPU"
        return _wrong("docker", text, "use this machine's engine: `docker context use default`")
    if way == "cdi":
        return Finding("docker", "ok", f"gives containers GPUs by CDI ({facts.cdi[0].path})")
    if way:
        return Finding("docker", "ok", _BY[way])
    if told.snap:
        text = "gives no container a GPU: as a snap it does not see the toolkit"
        hint = "install docker's own packages in its place (`sudo snap remove docker` first)"
        return _wrong("docker", text, hint)
    text = "gives no container a GPU: its engine has neither the nvidia runtime nor CDI"
    return _wrong("docker", text, _OWN_RUNTIME if told.rootless else _RUNTIME)


def _podman(facts: ContainerFacts) -> Finding:
    if facts.cdi:
        return Finding("podman", "ok", f"gives containers GPUs by CDI ({facts.cdi[0].path})")
    if facts.closed_cdi:
        text = f"gives no container a GPU: this user may not read {facts.closed_cdi[0]}"
        return _wrong("podman", text, f"`sudo chmod 644 {facts.closed_cdi[0]}`")
    return _wrong("podman", "gives no container a GPU: there is no CDI file", _CDI)


def _cdi(facts: ContainerFacts) -> Iterator[Finding]:
    """Files count where somebody reads them."""
    read = facts.podman or way_of_docker(facts) == "cdi"
    for file in facts.cdi if read else ():
        if facts.driver and file.drivers and facts.driver not in file.drivers:
            text = f"{file.path} is for driver {file.drivers[0]}, and {facts.driver} is loaded"
            yield _wrong("cdi", text, f"`sudo nvidia-ctk cdi generate --output={file.path}`")
        elif facts.mig and not file.instances:
            text = f"{file.path} was made before the GPU was split (MIG): it knows no instance"
            yield _wrong("cdi", text, f"`sudo nvidia-ctk cdi generate --output={file.path}`")


def _cgroups(facts: ContainerFacts) -> Iterator[Finding]:
    told, way = facts.docker_told, way_of_docker(facts)
    if told is None or told.desktop or way not in ("runtime", "hook"):
        return
    if facts.no_cgroups and not told.rootless:
        text = (
            "the toolkit is told to give no rights to devices (no-cgroups), which docker as root "
            "needs"
        )
        yield _wrong("cgroups", text, _CGROUPS)
    elif told.systemd_cgroups and not facts.char_links:
        text = (
            "a reload of systemd takes the GPU from containers that run: /dev/char does not name "
            "its devices"
        )
        yield Finding("cgroups", "note", text, _CHAR)


def _without_root(facts: ContainerFacts) -> Iterator[Finding]:
    told, way = facts.docker_told, way_of_docker(facts)
    if told is not None and told.rootless and way in ("runtime", "hook") and not facts.no_cgroups:
        text = "docker without root may give no rights to devices, and the toolkit tries to"
        yield _wrong("rootless", text, _NO_CGROUPS)
    if facts.selinux and facts.podman_told is not None and facts.cdi:
        text = "SELinux keeps podman's containers from the GPU's devices"
        hint = "`sudo setsebool -P container_use_devices 1`, or --security-opt label=disable"
        yield Finding("podman", "note", text, hint)
