"""The origins that the tools use now, asked of every activation."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace

from headrace.cli.context import Context
from headrace.errors import HeadraceError
from headrace.hookspecs import DiscoveredOrigin

__all__ = ["discover", "network_of"]

_log = logging.getLogger("headrace.cli")


def discover(context: Context, command: tuple[str, ...] = ()) -> list[DiscoveredOrigin]:
    """Return each origin once, as the first tool names it. A tool that fails is left out.

    What is somebody's own and is not fronted is left out too, unless the settings call it public.
    """
    public = context.settings.public_origins
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
            each = _called_public(origin) if _is_below(origin.origin.url, public) else origin
            if each.fronted:
                found.setdefault((each.origin.ecosystem, each.origin.url), each)
    return list(found.values())


def _is_below(url: str, public: Collection[str]) -> bool:
    return any(each == url or each.startswith(f"{url}/") for each in public)


def _called_public(found: DiscoveredOrigin) -> DiscoveredOrigin:
    if found.credential is not None:
        return found  # who has a password there may see what others may not
    return replace(found, origin=replace(found.origin, private=False), fronted=True)


def network_of(context: Context, found: Sequence[DiscoveredOrigin]) -> dict[str, str]:
    """Return the CA and proxy variables for the gateway: the environment's, else the tools' own."""
    told: dict[str, str] = {}
    for each in reversed(found):
        told |= each.surroundings
    return told | dict(context.env)
