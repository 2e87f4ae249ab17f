"""How each tool stands, as the gateway's own user sees it: for the live page.

Tools' programs are asked, which may take seconds; so this is done in threads, when somebody looks,
and not again for a while. What a shell's own variables would change only ``headrace status`` in
that shell can tell.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from headrace.config import home_folder
from headrace.interface.activations import OptIn
from headrace.interface.hookspecs import Activation, GatewayAddress, Place, Scope, Standing
from headrace.interface.manager import Plugins
from headrace.system.edits.file_step import read_file

__all__ = ["STATES", "ask_tools"]

_log = logging.getLogger("headrace.gateway")

STATES = (*(each.name.lower() for each in Standing), "overridden", "broken", "silent")
"""How a tool can stand."""
#: Seconds for all of them; whoever takes longer is told as one that does not answer.
_WITHIN = 10.0


def ask_tools(
    plugins: Plugins,
    also: Collection[str],
    address: GatewayAddress,
    env: Mapping[str, str],
    *,
    machine: bool,
) -> list[dict[str, Any]]:
    """Ask every tool that is led without being asked for, or that the settings name (`also`)."""
    scope = Scope.SYSTEM if machine else Scope.USER
    place = Place(scope, home_folder(), env, sys.platform, Path(os.sep))
    asked = [
        each
        for each in plugins.activations()
        if each.tool in also or not (isinstance(each, OptIn) and each.opt_in)
    ]
    found: dict[int, dict[str, Any]] = {}

    def ask(number: int, activation: Activation) -> None:
        found[number] = _row(activation, place, address)

    asking = [
        threading.Thread(target=ask, args=each, daemon=True, name="live-tools")
        for each in enumerate(asked)
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(_WITHIN)
    silent = {"state": "silent", "wins": []}
    return [
        dict(found[number]) if number in found else {"tool": each.tool, **silent}
        for number, each in enumerate(asked)
    ]


def _row(activation: Activation, place: Place, address: GatewayAddress) -> dict[str, Any]:
    state, wins = "broken", []
    try:
        standing = activation.standing(place, address, read_file)
        state = standing.name.lower()
        if standing is Standing.ROUTED:
            wins = [
                {"where": each.where, "what": each.what, "hint": each.hint}
                for each in activation.overrides(place, address, read_file)
                if each.wins
            ]
            state = "overridden" if wins else state
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's, or a file's
        _log.info("the tool %s cannot be asked: %r", activation.tool, error)
    return {"tool": activation.tool, "state": state, "wins": wins}
