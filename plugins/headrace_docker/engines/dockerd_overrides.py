"""What of docker goes past the gateway from where the user stands, and the way out."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

from headrace.interface import (
    ConfigurationError,
    Override,
    Place,
    Reader,
    Scope,
    for_display,
    read_json_or_none,
)
from headrace_docker.config_files import daemon_json
from headrace_docker.engines import dockerd_paths
from headrace_docker.engines.dockerd_paths import Dockerd
from headrace_docker.engines.running import Machine

__all__ = ["DockerTool", "of"]

#: Programs that talk to registries themselves and know no mirrors.
_ALONE = ("crane", "oras", "regctl", "apptainer", "singularity")
_CONTAINERD_STORE = "io.containerd.snapshotter.v1"


class DockerTool(Protocol):
    """What is needed of the activation."""

    tool: str
    machine: Machine

    def says(self, dockerd: Dockerd) -> str | None:
        """Return the first mirror of one that runs."""

    def registries(self, dockerd: Dockerd) -> Mapping[str, Any]:
        """Return what one that runs says of registries."""

    def version(self, place: Place, dockerd: Dockerd) -> tuple[int, ...]:
        """Return the version of one."""

    def left_alone(self, place: Place, dockerd: Dockerd, url: str, read: Reader) -> list[Override]:
        """Return why files of the user are left as they are."""


def of(tool: DockerTool, place: Place, url: str, read: Reader) -> list[Override]:
    """Find everything."""
    found: list[Override] = []
    for dockerd in dockerd_paths.dockerds(tool.machine, place, read):
        found += _files(tool, dockerd, url, read)
        found += _stores(tool, place, dockerd)
        found += tool.left_alone(place, dockerd, url, read)
    if place.scope is Scope.USER:
        found += _rootless(tool, place, read)
        found += _systems(tool, place, url, read)
    found += _elsewhere(tool, place, read)
    found += _alone(tool, place)
    return found


def _files(tool: DockerTool, dockerd: Dockerd, url: str, read: Reader) -> Iterator[Override]:
    where = str(dockerd.config)
    if dockerd.flags:
        what = f"cannot be used beside --registry-mirror, which dockerd has from {dockerd.flags[0]}"
        hint = f"move the flag into {where} and restart dockerd, then `headrace on`"
        yield Override(tool.tool, where, what, hint)
        return
    try:
        content = read(dockerd.config)
        mirrors = [each.rstrip("/") for each in daemon_json.mirrors(content, dockerd.config)]
    except ConfigurationError as error:
        yield Override(tool.tool, where, f"cannot be used: {error.message}", error.hint)
        return
    yield from _running(tool, dockerd, url, mirrors)
    others = [each for each in mirrors if each != url]
    if url in mirrors and mirrors[0] != url:
        what = f"has {for_display(mirrors[0])} before the gateway"
        yield Override(tool.tool, where, what, "`headrace on` puts the gateway first")
    elif others:
        shown = ", ".join(for_display(each) for each in others)
        what = f"names {shown} too, which dockerd asks when the gateway does not answer"
        hint = "they are yours and stay; one that asks for it gets your Docker Hub login"
        yield Override(tool.tool, where, what, hint, wins=False)


def _running(
    tool: DockerTool, dockerd: Dockerd, url: str, mirrors: list[str]
) -> Iterator[Override]:
    """What the one that runs says of itself, where that is not what its file says."""
    first = tool.says(dockerd)
    if mirrors[:1] == [url] and first not in (None, url):
        what = (
            f"has not been read by the dockerd that runs, which asks {first or 'no mirror'} first"
        )
        yield Override(tool.tool, str(dockerd.config), what, "`systemctl reload docker`")
    trusted = tool.registries(dockerd).get("InsecureRegistryCIDRs")
    if isinstance(trusted, list) and not _covers(trusted, url):
        # Since 29.10, where the file names some of its own.
        what = "names insecure-registries, and loopback is no longer among them by itself"
        hint = 'add "127.0.0.0/8" to insecure-registries if pulls do not ask the gateway'
        yield Override(tool.tool, str(dockerd.config), what, hint, wins=False)


def _covers(networks: Sequence[object], url: str) -> bool:
    address = ipaddress.ip_address(urlsplit(url).hostname or "127.0.0.1")
    for each in networks:
        try:
            if address in ipaddress.ip_network(str(each), strict=False):
                return True
        except ValueError:
            continue
    return False


def _stores(tool: DockerTool, place: Place, dockerd: Dockerd) -> Iterator[Override]:
    """The classic image store knows mirrors of docker.io alone; so does dockerd before 28."""
    version = tool.version(place, dockerd)
    if version and version < (28,):
        told = ".".join(str(part) for part in version)
        what = f"go past the gateway: dockerd {told} takes mirrors for docker.io alone"
        hint = "use podman or skopeo, or Docker Engine 28 with the containerd image store"
        yield Override(tool.tool, "other registries", what, hint, wins=False)
        return
    info = tool.machine.ask(dockerd.socket, "/info") if dockerd.socket else None
    if info is not None and _CONTAINERD_STORE not in json.dumps(info.get("DriverStatus")):
        what = "are asked by the classic image store itself when it pulls (not when it builds)"
        hint = (
            f'set "features": {{"containerd-snapshotter": true}} in {dockerd.config} and restart '
            "dockerd (images must be pulled anew), or use podman"
        )
        yield Override(tool.tool, "other registries", what, hint, wins=False)


def _rootless(tool: DockerTool, place: Place, read: Reader) -> Iterator[Override]:
    running = dockerd_paths.running_rootless(tool.machine)
    if not running and dockerd_paths.rootless_installed(tool.machine, place, read):
        what = "does not run, and only then can be seen whether it reaches the gateway"
        yield Override(tool.tool, "rootless dockerd", what, "start it, then `headrace on` again")
    for each in running:
        if not each.here:
            what = "has a network of its own, where 127.0.0.1 is not this machine's"
            hint = (
                "start it with DOCKERD_ROOTLESS_ROOTLESSKIT_DETACH_NETNS=true, "
                "then `headrace on` again"
            )
            yield Override(tool.tool, f"rootless dockerd ({each.pid})", what, hint)


def _systems(tool: DockerTool, place: Place, url: str, read: Reader) -> Iterator[Override]:
    """What an ordinary user's ``on`` cannot do."""
    if tool.machine.program(place, "dockerd") is None:
        return
    path = tool.machine.path("/etc/docker/daemon.json")
    try:
        done = url in [each.rstrip("/") for each in daemon_json.mirrors(read(path), path)]
    except ConfigurationError:
        done = False
    if not done:
        what = "is the system's: only root may point its dockerd at the gateway"
        yield Override(tool.tool, str(path), what, "`sudo headrace on`", wins=False)


def _elsewhere(tool: DockerTool, place: Place, read: Reader) -> Iterator[Override]:
    """The client may talk to another machine's engine."""
    hint = "run `headrace on` there; the gateway of this machine cannot be seen from it"
    host = place.environment.get("DOCKER_HOST", "")
    if host and not host.startswith(("unix://", "fd://")):
        what = f"leads docker to the engine at {for_display(host)}"
        yield Override(tool.tool, "DOCKER_HOST", what, hint)
        return
    context = place.environment.get("DOCKER_CONTEXT") or _settings(place, read).get(
        "currentContext"
    )
    if context not in (None, "", "default", "rootless"):
        what = f"leads docker to the engine of its context {context}"
        yield Override(
            tool.tool, "docker context", what, f"{hint}; or `docker context use default`"
        )


def _settings(place: Place, read: Reader) -> Mapping[str, Any]:
    folder = place.environment.get("DOCKER_CONFIG")
    path = (place.home / ".docker" if not folder else place.home / folder) / "config.json"
    try:
        document = read_json_or_none(read(path) or b"{}")
    except ConfigurationError:
        return {}
    return document if isinstance(document, dict) else {}


def _alone(tool: DockerTool, place: Place) -> Iterator[Override]:
    found = [name for name in _ALONE if tool.machine.program(place, name)]
    if found:
        what = "know no mirrors and ask the registries themselves"
        hint = "`skopeo copy` does the same through the gateway"
        yield Override(tool.tool, ", ".join(found), what, hint, wins=False)
