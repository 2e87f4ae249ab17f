"""The origins that the tools use now, asked of every activation."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from headrace.cli.context import Context
from headrace.errors import HeadraceError
from headrace.hookspecs import DiscoveredOrigin

__all__ = ["discover", "network_of"]

_log = logging.getLogger("headrace.cli")


def discover(context: Context, command: tuple[str, ...] = ()) -> list[DiscoveredOrigin]:
    """Return each origin once, as the first tool names it. A tool that fails is left out."""
    place = context.place(command)
    read = context.journal.pristine
    found: dict[tuple[str, str], DiscoveredOrigin] = {}
    for activation in context.plugins.activations():
        try:
            origins = activation.discover(place, read)
        except HeadraceError as error:
            _log.warning("%s is left out: %s", activation.tool, error)
            continue
        for origin in origins:
            found.setdefault((origin.origin.ecosystem, origin.origin.url), origin)
    return list(found.values())


def network_of(context: Context, found: Sequence[DiscoveredOrigin]) -> dict[str, str]:
    """Return the CA and proxy variables for the gateway: the environment's, else the tools' own."""
    told: dict[str, str] = {}
    for each in reversed(found):
        told |= each.surroundings
    return told | dict(context.env)
