"""Where a network's bridge is, as ``network inspect`` of docker and podman tell it. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import partial
from typing import Any

from headrace.interface import ContainerCommand, LedInside, NotLed, read_json_or_none

__all__ = ["led_on"]


def led_on(
    name: str, told: str, command: partial[ContainerCommand], *, there: bool
) -> LedInside | NotLed:
    """Lead containers on a network. `there`: its bridge is there before they are."""
    document = read_json_or_none(told.encode())
    table = document[0] if isinstance(document, list) and document else None
    if not isinstance(table, dict):
        return NotLed(f"the engine knows no network {name}")
    if table.get("internal") or table.get("Internal"):
        return NotLed(f"the network {name} is internal: it leads nowhere on purpose")
    for each in _subnets(table):
        subnet = each.get("subnet") or each.get("Subnet")
        if not subnet or ":" in str(subnet):
            continue
        # Docker does not always tell it; whether that is an address of ours shows the door.
        gateway = each.get("gateway") or each.get("Gateway") or _first(str(subnet))
        return LedInside(command, str(gateway), str(subnet), there=there)
    return NotLed(f"the network {name} has no bridge on this machine")


def _first(subnet: str) -> str:
    return str(next(ipaddress.ip_network(subnet).hosts()))


def _subnets(table: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if (table.get("driver") or table.get("Driver")) != "bridge":
        return []
    found = table.get("subnets") or (table.get("IPAM") or {}).get("Config") or []
    return [each for each in found if isinstance(each, dict)]
