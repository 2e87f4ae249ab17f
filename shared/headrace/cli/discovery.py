"""The origins that the tools use now, asked of every activation."""

from __future__ import annotations

import logging

from headrace.cli.context import Context
from headrace.errors import HeadraceError
from headrace.hookspecs import DiscoveredOrigin

__all__ = ["discover"]

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
