"""How dockerd is pointed at the gateway.

- ``registry-mirrors`` of daemon.json: one loopback URL, first. It counts for docker.io alone, in
  every dockerd, and is taken on SIGHUP. The user's own mirrors stay behind it.
- ``certs.d/REGISTRY/hosts.toml`` for the other public registries: read by dockerd 28 and newer,
  for builds, and for pulls with the containerd image store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from headrace.interface import (
    DEFAULT_PORT,
    ConfigurationError,
    FileEdit,
    Override,
    Place,
    Reader,
    Scope,
    whole_number,
)
from headrace_docker.config_files import daemon_json, hosts_toml
from headrace_docker.engines import dockerd_paths
from headrace_docker.engines.base import EngineActivation
from headrace_docker.engines.dockerd_paths import Dockerd
from headrace_docker.registry_api.registries import HUB, known

__all__ = ["DockerActivation"]

#: The first dockerd that reads hosts.toml.
WITH_HOSTS = (28,)
#: Where the gateway is by default: how our mirror is known where no record is left.
_OURS = f"http://127.0.0.1:{DEFAULT_PORT}"


class DockerActivation(EngineActivation):
    """Implements `headrace.interface.Activation` for dockerd, the system's and a user's own."""

    tool = "docker"

    def present(self, place: Place, read: Reader) -> bool:
        """Whether a dockerd is here."""
        return (
            self.machine.program(place, "dockerd") is not None
            or bool(dockerd_paths.dockerds(self.machine, place, read))
            or (
                place.scope is Scope.USER
                and dockerd_paths.rootless_installed(self.machine, place, read)
            )
        )

    def activated(self, place: Place, read: Reader) -> bool:
        """Whether one of them has its files at this scope."""
        return place.platform == "linux" and bool(dockerd_paths.dockerds(self.machine, place, read))

    def edits(
        self, place: Place, url: str, names: Sequence[str], read: Reader
    ) -> Sequence[FileEdit]:
        """Describe daemon.json of each, and its hosts.toml files."""
        edits: list[FileEdit] = []
        for dockerd in dockerd_paths.dockerds(self.machine, place, read):
            if HUB in names:
                edits.append(_mirror(dockerd, url, read))
            taken = {edit.path for edit in edits}
            edits += [
                each
                for each in self._hosts(place, dockerd, url, names, read)
                if isinstance(each, FileEdit) and each.path not in taken
            ]
        return edits

    def _hosts(
        self, place: Place, dockerd: Dockerd, url: str, names: Sequence[str], read: Reader
    ) -> list[FileEdit | Override]:
        """Not for docker.io, which registry-mirrors has: a file would make it skip the user's."""
        if self.version(place, dockerd) < WITH_HOSTS:
            return []
        return [
            hosts_toml.describe(self.tool, dockerd.certs, known(name), url, read)
            for name in names
            if name != HUB
        ]

    def version(self, place: Place, dockerd: Dockerd) -> tuple[int, ...]:
        """Return the version of the one that runs, else of the program; () when unknown."""
        info = self.machine.ask(dockerd.socket, "/info") if dockerd.socket else None
        told = whole_number(str((info or {}).get("ServerVersion", "")).partition(".")[0])
        if told is not None:
            return (told,)
        program = self.machine.program(place, "dockerd")
        return self.machine.version(program) if program else ()

    def routed(self, place: Place, url: str, read: Reader) -> bool:
        """Whether every dockerd of the scope, else the system's, asks the gateway first."""
        found = dockerd_paths.dockerds(self.machine, place, read)
        if not found:
            return _first(read, self.machine.path("/etc/docker/daemon.json")) == url
        return all(
            _first(read, each.config) == url and self.says(each) in (None, url) for each in found
        )

    def says(self, dockerd: Dockerd) -> str | None:
        """Return the first mirror of one that runs; empty: none; None: it does not say."""
        mirrors = self.registries(dockerd).get("Mirrors")
        if not isinstance(mirrors, list):
            return None
        return str(mirrors[0]).rstrip("/") if mirrors else ""

    def registries(self, dockerd: Dockerd) -> Mapping[str, Any]:
        """Return what a running dockerd says of registries; empty where it says nothing."""
        info = self.machine.ask(dockerd.socket, "/info") if dockerd.socket else None
        said = (info or {}).get("RegistryConfig")
        return said if isinstance(said, Mapping) else {}

    def told(self, place: Place, url: str, read: Reader) -> Sequence[Override]:
        """Say what goes past the gateway."""
        from headrace_docker.engines import dockerd_overrides  # noqa: PLC0415 - only status asks

        return dockerd_overrides.of(self, place, url, read)

    def left_alone(self, place: Place, dockerd: Dockerd, url: str, read: Reader) -> list[Override]:
        """Return the reasons why files of the user are left as they are."""
        from headrace_docker.registry_api.registries import known_registries  # noqa: PLC0415 - as above

        names = [registry.name for registry in known_registries()]
        described = self._hosts(place, dockerd, url, names, read)
        return [each for each in described if isinstance(each, Override)]

    def leaving(self, path: Path, restored: bytes | None) -> bytes | None:
        """Say "no mirrors" for a moment: see `headrace.interface.Lingers`."""
        if path.name == hosts_toml.NAME:
            return None
        try:
            return daemon_json.emptied(restored, path)
        except ConfigurationError:
            return None

    def withdraw(self, path: Path, before: bytes | None, after: bytes, now: bytes) -> bytes | None:
        """Take our mirror out of a file that something rewrote."""
        try:
            if path.name == hosts_toml.NAME:
                return hosts_toml.take_out(now)
            ours = _OURS if after == now else daemon_json.mirrors(after, path)[0]
            if ours not in daemon_json.mirrors(now, path):
                return now
            clean = daemon_json.remove(now, ours, before, path)
        except (ConfigurationError, ValueError, IndexError):
            return None
        # A file that had nothing but our key was ours.
        return b"" if before is None and not daemon_json.load(clean, path) else clean


def refuse_flag(dockerd: Dockerd) -> None:
    """ConfigurationError where the key in the file would stop dockerd from starting."""
    if dockerd.flags:
        raise ConfigurationError(
            "mirror-is-a-flag",
            "dockerd is started with --registry-mirror, and the same key in "
            f"{dockerd.config} would stop it from starting (seen in {dockerd.flags[0]})",
            hint=f'move the flag into {dockerd.config} as "registry-mirrors" and restart '
            "dockerd, then `headrace on` again; nothing of docker's was changed",
        )


def _mirror(dockerd: Dockerd, url: str, read: Reader) -> FileEdit:
    refuse_flag(dockerd)
    before = read(dockerd.config)
    return FileEdit(
        dockerd.config,
        before,
        daemon_json.add(before, url, dockerd.config),
        "docker.io is asked through the gateway, and itself when the gateway is not there",
        reload=dockerd.reload(url),
    )


def _first(read: Reader, path: Path) -> str | None:
    try:
        found = daemon_json.mirrors(read(path), path)
        first = found[0].rstrip("/") if found else ""
        return first if urlsplit(first).hostname else None
    except (ConfigurationError, ValueError):  # no file of dockerd's, or no address
        return None
