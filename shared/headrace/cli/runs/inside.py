"""What a command starts in containers is led: a door on their bridge, and what leads to it.

The plugin of an engine says what becomes of the command (`interface.containers`). Nothing of it is
on a command line, where every user of this machine could read it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from headrace.cli.context import Context
from headrace.cli.runs import leading, logins
from headrace.interface.containers import ContainerCommand, InsideLead, LedInside
from headrace.interface.hookspecs import DiscoveredOrigin
from headrace.system import atomic
from headrace.system import folders as made_private
from headrace.system.service.door import Door
from headrace.upstream.proxies import exceptions_for

if TYPE_CHECKING:
    from headrace.cli.runs.started import GatewayOfRun

__all__ = ["begin"]


def begin(
    way: LedInside,
    gateway: GatewayOfRun,
    origins: Sequence[DiscoveredOrigin],
    context: Context,
    clearing_up: ExitStack,
) -> ContainerCommand:
    """Open the door, and return what is to be run; LocalError where that cannot be."""
    alone = logins.known(context)
    lead = leading.begin(gateway, origins, context.env, logins=alone, elsewhere=bool(way.host))
    clearing_up.callback(lead.file.unlink, missing_ok=True)
    inside = InsideLead(
        _proxy(way, lead, clearing_up),
        exceptions_for(context.env, lead.hosts),
        gateway.scratch / "authority.pem",
        gateway.scratch / "authorities.pem",
        _variables(context),
        gateway.scratch,
    )
    # Who runs in a container may be anybody; a certificate is no secret.
    _write({inside.certificate: lead.certificate.encode()}, 0o644)
    named = [context.env[name] for name in leading.USUAL if context.env.get(name)]
    bundle = leading.bundle(("", *named)) + lead.certificate
    _write({inside.authorities: bundle.encode()}, 0o644)
    command = way.command(inside)
    _write({p: data for p, data in command.files.items() if p not in command.programs}, 0o600)
    _write({p: data for p, data in command.files.items() if p in command.programs}, 0o700)
    return command


def _proxy(way: LedInside, lead: leading.Lead, clearing_up: ExitStack) -> str:
    """Return the proxy's URL as containers know it."""
    if not way.host:
        return lead.proxy
    parts = urlsplit(lead.proxy)
    assert parts.hostname is not None
    assert parts.port is not None
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}".encode()
    shown = f"Basic {base64.b64encode(pair).decode()}"
    gateway = parts.hostname, parts.port
    door = Door(way.host, way.network, gateway, shown, by=way.interface, there=way.there)
    clearing_up.callback(door.close)
    host, port = door.address
    host = f"[{host}]" if ":" in host else host
    return parts._replace(netloc=f"{parts.username}:{parts.password}@{host}:{port}").geturl()


def _variables(context: Context) -> tuple[str, ...]:
    more = [name for tool in context.plugins.led_tools() for name in tool.authorities]
    return tuple(dict.fromkeys([*leading.USUAL, *more]))


def _write(files: Mapping[Path, bytes], mode: int) -> None:
    for path, data in files.items():
        made_private.make(path.parent)
        atomic.replace(path, data, mode=mode)
