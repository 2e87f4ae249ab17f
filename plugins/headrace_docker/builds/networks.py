"""Where a network's bridge is, as ``podman network inspect`` tells it. Pure."""

from __future__ import annotations

from functools import partial

from headrace.interface import ContainerCommand, LedInside, NotLed, read_json_or_none

__all__ = ["led_on"]


def led_on(name: str, told: str, command: partial[ContainerCommand]) -> LedInside | NotLed:
    """Lead containers on a network. Its bridge comes with the first of them, and goes with the
    last.
    """
    document = read_json_or_none(told.encode())
    table = document[0] if isinstance(document, list) and document else None
    if not isinstance(table, dict):
        return NotLed(f"podman knows no network {name}")
    if table.get("internal"):
        return NotLed(f"the network {name} is internal: it leads nowhere on purpose")
    subnets = table.get("subnets") if table.get("driver") == "bridge" else None
    for each in subnets or ():
        subnet, gateway = each.get("subnet", ""), each.get("gateway", "")
        if gateway and ":" not in subnet:
            return LedInside(command, str(gateway), str(subnet), there=False)
    return NotLed(f"the network {name} has no bridge on this machine")
