"""Which networks docker and podman have for containers, and where on each this machine is.

The engines are asked, through the user's own programs: an address that is guessed could be
anybody's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from headrace.interface import ContainerNetwork, Place, read_json_or_none
from headrace_docker.builds import buildkit
from headrace_docker.builds.networks import read
from headrace_docker.builds.words import CommandLine
from headrace_docker.engines.running import Machine

__all__ = ["networks"]

#: Seconds for an answer of an engine's.
_LIMIT = 20.0
#: Networks that an engine has by itself.
_USUAL = ("bridge", "podman")


def networks(machine: Machine, place: Place) -> Iterable[ContainerNetwork]:
    """Give the networks of the engines that are here, each engine's usual one first."""
    if place.platform != "linux":
        return
    for engine in ("docker", "podman"):
        if machine.program(place, engine) is None:
            continue
        why = _elsewhere(machine, engine, place)
        if why is None:
            yield from _of(machine, engine)
        elif why:
            yield ContainerNetwork(engine, "", why_not=why)


def _elsewhere(machine: Machine, engine: str, place: Place) -> str | None:
    """Say why an engine's networks are not this machine's; None: they are, "": it does not run."""
    if engine == "docker":
        if not machine.said("docker", "info", "--format", "{{json .ServerVersion}}", limit=_LIMIT):
            return ""
        line = CommandLine(engine, (engine,), (), ())
        found = buildkit.elsewhere(machine, line, place)
        return found.reason if found is not None else None
    told = read_json_or_none(
        machine.said("podman", "info", "--format", "json", limit=_LIMIT).encode()
    )
    host = told.get("host") if isinstance(told, dict) else None
    if not isinstance(host, dict):
        return ""
    if host.get("serviceIsRemote"):
        return "its containers are on another machine, or in a virtual one"
    if host.get("security", {}).get("rootless"):
        return "a rootless engine's networks are none of this machine's"
    return None


def _of(machine: Machine, engine: str) -> Iterator[ContainerNetwork]:
    names = machine.said(engine, "network", "ls", "--format", "{{.Name}}", limit=_LIMIT).split()
    for name in sorted(names, key=lambda each: (each not in _USUAL, each)):
        found = read(engine, name, machine.said(engine, "network", "inspect", name, limit=_LIMIT))
        if found is None:
            continue
        if found.host and not found.interface:
            found = ContainerNetwork(engine, name, why_not="the engine does not name its bridge")
        yield found
