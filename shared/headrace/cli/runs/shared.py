"""The one gateway that a user's runs share: found, or started. It ends with the last of them."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from headrace import __version__
from headrace.cli.context import Context
from headrace.cli.runs.started import (
    START_LIMIT,
    Files,
    GatewayOfRun,
    scratch_folder,
    serve,
    usable,
)
from headrace.config import NETWORK_VARIABLES, EnvVars
from headrace.errors import LocalError
from headrace.interface.hookspecs import DiscoveredOrigin, GatewayAddress
from headrace.system.service import health, listeners, process
from headrace.system.service.runs import places
from headrace.system.service.runs.runners import Runners

__all__ = ["shared"]

#: Seconds that its end may take when nobody is left.
_END = 5.0
#: Beside the network's: what leads the gateway to the user's logins, and how it speaks.
_VARIABLES = (
    *NETWORK_VARIABLES,
    EnvVars.DOCKER_CONFIG,
    EnvVars.REGISTRY_AUTH_FILE,
    EnvVars.XDG_RUNTIME_DIR,
    EnvVars.XDG_CONFIG_HOME,
    EnvVars.HEADRACE_LOG,
)


def shared(
    context: Context, origins: Sequence[DiscoveredOrigin], clearing_up: ExitStack
) -> GatewayOfRun | None:
    """Return the gateway of all runs that mean the same; None where this one needs its own: it is
    of another version, its settings or logins are others, or somebody else has the port.
    """
    if sys.platform == "win32" or not usable(context.folders):
        return None
    with ExitStack() as joining:
        found = _joined(context, origins, joining)
        if found is not None:
            clearing_up.push(joining.pop_all())
        return found


def _joined(
    context: Context, origins: Sequence[DiscoveredOrigin], joining: ExitStack
) -> GatewayOfRun | None:
    place, runners = places.RunPlace(context.folders, origins), None
    try:
        place.make()
        runners = Runners(place.runners)
        if not runners.join(START_LIMIT):
            return None
    except OSError:
        return None
    joining.callback(_leave, place, runners)
    with place.files.alone("setup"):
        before = None
        if process.is_held(place.lock):
            address, before = _there(place, _meant(context, origins))
        else:
            address = _begun(context, origins, place)
    if address is None:
        return None
    scratch, _ = scratch_folder(joining, place.now)
    return GatewayOfRun(address, place.state.expected(), scratch, before)


def _there(place: places.RunPlace, meant: str) -> tuple[GatewayAddress | None, Any]:
    """Return the address of the gateway that others use, where it is for the same, and what it
    has done by now.
    """
    address = place.state.gateway() if place.serves(meant) else None
    if address is None:
        return None, None
    there, told = health.look_and_ask(address, place.state.expected(), "/status")
    return (address, told) if there.up and not there.redirecting else (None, None)


def _begun(
    context: Context, origins: Sequence[DiscoveredOrigin], place: places.RunPlace
) -> GatewayAddress | None:
    try:
        port = places.port_of(context.folders, place.key, context.settings.port)
        sock = listeners.bind("127.0.0.1", port)
    except LocalError:
        return None
    place.begin(_meant(context, origins))
    files = Files(place.state, place.lock, place.runners, (place.now,), context.env)
    address = serve(context, origins, files, sock)
    place.state.record_gateway(address)
    return address


def _leave(place: places.RunPlace, runners: Runners) -> None:
    """Let the others have it; where there are none, end it."""
    try:
        if runners.leave():
            process.stop(place.lock, _END)
            place.clear()
    finally:
        runners.close()


def _meant(context: Context, origins: Sequence[DiscoveredOrigin]) -> str:
    """Name all that a gateway does its work by: equal only for those who can share one."""
    source = context.settings.source
    told = {
        "version": __version__,
        "program": sys.executable,
        "folders": [str(context.folders.config), str(context.folders.cache)],
        "settings": source.read_text("utf-8") if source and source.is_file() else "",
        "origins": sorted(
            json.dumps([o.origin.ecosystem, o.origin.name, o.origin.url, o.origin.private])
            + repr(o.credential and (o.credential.username, o.credential.secret))
            + json.dumps(sorted(o.surroundings.items()))
            for o in origins
        ),
        "environment": {name: context.env.get(name) for name in _VARIABLES},
    }
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
