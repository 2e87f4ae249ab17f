"""Which networks docker and podman have for containers, and where on each this machine is.

The engines are asked, through the user's own programs: an address that is guessed could be
anybody's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from headrace.interface import ContainerNetwork, Place, read_json_or_none
from headrace_docker.builds import buildkit
from headrace_docker.builds.words import CommandLine
from headrace_docker.engines.running import Machine

__all__ = ["networks"]

#: Seconds for an answer of an engine's.
_LIMIT = 20.0
#: By which name containers find this machine, where nobody has to give it to them, and all names.
_KNOWN_AS = {"docker": "", "podman": "host.containers.internal"}
_NAMES = ("host.docker.internal", "host.containers.internal")
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
        asked = machine.said(engine, "network", "inspect", name, limit=_LIMIT)
        document = read_json_or_none(asked.encode())
        table = document[0] if isinstance(document, list) and document else None
        if isinstance(table, dict):
            found = _read(engine, name, table)
            if found is not None:
                yield found


def _read(engine: str, name: str, table: Mapping[str, Any]) -> ContainerNetwork | None:
    """Return what ``network inspect`` says of a network; None: it is none of its own."""
    driver = table.get("driver") or table.get("Driver")
    if driver in ("host", "null", "none"):
        return None
    if driver != "bridge":
        return ContainerNetwork(engine, name, why_not=f"it has no bridge here, but {driver}")
    if table.get("internal") or table.get("Internal"):
        return ContainerNetwork(engine, name, why_not="it is internal: it leads nowhere on purpose")
    found = table.get("subnets") or (table.get("IPAM") or {}).get("Config") or []
    for each in found if isinstance(found, list) else []:
        subnet = each.get("subnet") or each.get("Subnet")
        host = each.get("gateway") or each.get("Gateway")
        interface = _interface(table)
        if not subnet or ":" in str(subnet) or not interface:
            continue
        # Docker does not always tell it: it is the first one then.
        host = host or next(ipaddress.ip_network(str(subnet)).hosts())
        return ContainerNetwork(
            engine, name, str(host), str(subnet), interface, _KNOWN_AS[engine], _NAMES
        )
    return ContainerNetwork(engine, name, why_not="it has no address of version 4")


def _interface(table: Mapping[str, Any]) -> str:
    """Return the bridge's name, as docker makes one where its user has not."""
    options = table.get("Options") or {}
    told = table.get("network_interface") or options.get("com.docker.network.bridge.name")
    number = str(table.get("Id") or "")
    return str(told or (f"br-{number[:12]}" if number else ""))
