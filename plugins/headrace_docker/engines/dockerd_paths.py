"""Where a dockerd has its files, and how it was started."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from headrace.interface import (
    ConfigurationError,
    Place,
    Reader,
    Reload,
    ReloadCheck,
    Scope,
    dataclass,
)
from headrace.interface.editing import presence
from headrace_docker.config_files import daemon_json
from headrace_docker.engines.base import config_home
from headrace_docker.engines.running import Daemon, Machine

__all__ = ["Dockerd", "dockerds", "rootless_installed", "running_rootless"]

#: Files that say how the system starts dockerd.
_STARTS = (
    "/etc/default/docker",
    "/etc/sysconfig/docker",
    "/etc/systemd/system/docker.service",
    "/lib/systemd/system/docker.service",
    "/usr/lib/systemd/system/docker.service",
)
_FLAG = re.compile(r"^(?!\s*[#;]).*--registry-mirror\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Dockerd:
    """One dockerd: its files, and where it can be told and asked."""

    config: Path
    certs: Path
    """Folder of the registries' folders."""
    pid_file: str
    socket: str | None
    """None: it listens on no Unix socket that we know."""
    flags: Sequence[str] = ()
    """Mirrors that it was given as flags: with the key in its file too it would not start."""
    running: bool = False

    def reload(self, url: str) -> Reload:
        """Return how it is told, and what `docker info` shows then."""
        check = self.socket and ReloadCheck(
            self.socket, "/info", ("RegistryConfig", "Mirrors"), url
        )
        return Reload("dockerd", self.pid_file, check=check or None)


def dockerds(machine: Machine, place: Place, read: Reader) -> list[Dockerd]:
    """Return those whose files belong to the scope and that reach our loopback.

    In the system's scope the one that is not running is among them, if it is installed.
    """
    if place.scope is Scope.USER:
        found = [each for each in running_rootless(machine) if each.here]
        return [_of(each, place, machine, read) for each in found]
    running = [
        each
        for each in machine.daemons("dockerd")
        if not each.rootless and each.here and each.same_files
    ]
    known = {each.config: each for each in (_of(one, place, machine, read) for one in running)}
    if not known and machine.program(place, "dockerd"):
        return [_of(None, place, machine, read)]
    return list(known.values())


def running_rootless(machine: Machine) -> list[Daemon]:
    """Return the user's own, whether or not they reach our loopback."""
    return [each for each in machine.daemons("dockerd") if each.rootless and each.mine]


def rootless_installed(machine: Machine, place: Place, read: Reader) -> bool:
    """Whether the user has a dockerd of his own, running or not."""
    home = config_home(place)
    files = (home / "docker" / "daemon.json", home / "systemd" / "user" / "docker.service")
    return bool(running_rootless(machine)) or (
        machine.program(place, "dockerd-rootless.sh") is not None
        and any(read(path) is not None for path in files)
    )


def _of(daemon: Daemon | None, place: Place, machine: Machine, read: Reader) -> Dockerd:
    home = config_home(place) / "docker"
    user = place.scope is Scope.USER
    folder = home if user else machine.path("/etc/docker")
    run = place.environment.get("XDG_RUNTIME_DIR", "") if user else "/var/run"

    def flags(*names: str) -> list[str]:
        return daemon.flags(*names) if daemon else []

    named = flags("--config-file")
    config = Path(named[-1]) if named else folder / "daemon.json"
    settings = _settings(config, read)
    pid_file = [*_text(settings.get("pidfile")), *flags("--pidfile", "-p")]
    hosts = flags("--host", "-H") or _text(settings.get("hosts"))
    sockets = [each.removeprefix("unix://") for each in hosts if each.startswith("unix://")]
    if not hosts or any(each.startswith("fd://") for each in hosts):
        sockets.append(f"{run}/docker.sock")
    mirrors = flags("--registry-mirror")
    if daemon is None:
        mirrors = list(_started_with(machine, read))
    return Dockerd(
        config,
        folder / "certs.d",
        pid_file[-1] if pid_file else f"{run}/docker.pid",
        sockets[0] if sockets else None,
        tuple(mirrors),
        daemon is not None,
    )


def _settings(config: Path, read: Reader) -> dict[str, Any]:
    try:
        return daemon_json.load(read(config), config)
    except ConfigurationError:
        return {}  # said when the file is to be edited


def _text(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str) and each]


def _started_with(machine: Machine, read: Reader) -> Iterator[str]:
    folder = machine.path("/etc/systemd/system/docker.service.d")
    more = sorted(folder.glob("*.conf")) if presence.is_folder(folder) else []
    for path in (*(machine.path(name) for name in _STARTS), *more):
        try:
            content = read(path) or b""
        except ConfigurationError:
            continue
        if _FLAG.search(content.decode("utf-8", "replace")):
            yield str(path)
