"""Where a network's bridge is, as ``network inspect`` of docker and podman tell it. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import partial
from typing import Any

from headrace.interface import (
    ContainerCommand,
    ContainerNetwork,
    LedInside,
    NotLed,
    read_json_or_none,
)

__all__ = ["led_on", "led_without_root", "read"]

#: By which name containers find this machine, where nobody has to give it to them, and all names.
_KNOWN_AS = {"podman": "host.containers.internal"}
_NAMES = ("host.docker.internal", "host.containers.internal")
#: What an engine calls no network of its own.
_NONE = ("host", "null", "none")
#: Networks of podman's that are by a program of the user's, with which words behind a colon.
_SLIRP, _PASTA = "slirp4netns", "pasta"
_OUTBOUND = "outbound_addr"


def led_on(
    name: str, told: str, command: partial[ContainerCommand], *, there: bool
) -> LedInside | NotLed:
    """Lead containers on a network. `there`: its bridge is there before they are."""
    found = read("", name, told)
    if found is None:
        return NotLed(f"the engine knows no network {name} with a bridge on this machine")
    if found.why_not:
        return NotLed(f"on the network {name} nothing is led: {found.why_not}")
    return LedInside(command, found.host, found.subnet, found.interface, there=there)


def led_without_root(
    network: str, told: str, program: str, own_address: str, command: partial[ContainerCommand]
) -> LedInside | NotLed:
    """Lead containers of a rootless podman. Its networks end in a program of the user's, which
    connects for them: so they come from this machine's own address, which nobody else can have.

    `network` is what the command says, "": nothing; `told` what podman tells of a network of that
    name; `program` what podman has such networks by, "": one that has only slirp4netns (before 5).
    """
    kind = network.partition(":")[0]
    if kind == _PASTA or (kind != _SLIRP and program == _PASTA):
        return NotLed(
            "pasta gives a rootless engine's containers this machine's own address, so that they "
            "cannot reach it there: with --network=host they are led"
        )
    found = read("", kind, told)
    if found is not None and found.why_not:
        return NotLed(f"on the network {kind} nothing is led: {found.why_not}")
    if not own_address:
        return NotLed("this machine has no address but its loopback, which containers cannot reach")
    if _OUTBOUND in network:
        return NotLed(f"with {_OUTBOUND} its containers come from another address than they reach")
    return LedInside(command, own_address, f"{own_address}/32")


def read(engine: str, name: str, told: str) -> ContainerNetwork | None:
    """Return what an engine tells of a network; None: it tells nothing, or has none of its own."""
    document = read_json_or_none(told.encode())
    table = document[0] if isinstance(document, list) and document else None
    if not isinstance(table, dict):
        return None
    driver = table.get("driver") or table.get("Driver")
    if driver in _NONE:
        return None
    if driver != "bridge":
        return ContainerNetwork(engine, name, why_not=f"it has no bridge here, but {driver}")
    if table.get("internal") or table.get("Internal"):
        return ContainerNetwork(engine, name, why_not="it is internal: it leads nowhere on purpose")
    found = table.get("subnets") or (table.get("IPAM") or {}).get("Config") or []
    for each in found if isinstance(found, list) else []:
        subnet = each.get("subnet") or each.get("Subnet")
        if not subnet or ":" in str(subnet):
            continue
        # Docker does not always tell it; whether that is an address of ours shows the door.
        host = str(each.get("gateway") or each.get("Gateway") or _first(str(subnet)))
        known = _KNOWN_AS.get(engine, "")
        return ContainerNetwork(engine, name, host, str(subnet), _interface(table), known, _NAMES)
    return ContainerNetwork(engine, name, why_not="it has no address of version 4")


def _first(subnet: str) -> str:
    return str(next(ipaddress.ip_network(subnet).hosts()))


def _interface(table: Mapping[str, Any]) -> str:
    """Return the bridge's name, as docker makes one where its user has not; "": it is not told."""
    options = table.get("Options") or {}
    told = table.get("network_interface") or options.get("com.docker.network.bridge.name")
    number = str(table.get("Id") or "")
    return str(told or (f"br-{number[:12]}" if number else ""))
