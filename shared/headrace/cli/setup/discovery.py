"""The origins that the tools use now, asked of every activation."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace

from headrace.cli.context import Context
from headrace.cli.setup.guarded import guarded
from headrace.errors import HeadraceError, UsageError
from headrace.interface.hookspecs import DiscoveredOrigin
from headrace.models import Credential, Origin
from headrace.redact import for_display, split_credential
from headrace.setting_rules import is_address

__all__ = ["discover", "network_of", "typed"]

_log = logging.getLogger("headrace.cli")


def discover(context: Context, command: tuple[str, ...] = ()) -> list[DiscoveredOrigin]:
    """Return each origin once, as the first tool names it. A tool that fails is left out.

    What is somebody's own and is not fronted is left out too, unless the settings call it public.
    """
    settings = context.settings
    public = settings.public_origins
    place = context.place(command)
    read = context.journal.pristine
    found: dict[tuple[str, str], DiscoveredOrigin] = {}
    told: set[str] = set()
    for activation in context.plugins.activations():
        try:
            with guarded(activation):
                origins = list(activation.discover(place, read))
        except HeadraceError as error:
            # What is in the way of all of them, as a journal that cannot be read, is told once.
            level = logging.INFO if str(error) in told else logging.WARNING
            _log.log(level, "%s is left out: %s", activation.tool, error)
            told.add(str(error))
            continue
        for origin in origins:
            each = _called_public(origin) if _is_below(origin.origin.url, public) else origin
            if each.fronted:
                found.setdefault((each.origin.ecosystem, each.origin.url), each)
    for text in sorted(settings.origins):
        each = typed(text, str(settings.source))
        found.setdefault((each.origin.ecosystem, each.origin.url), each)
    return list(found.values())


def typed(text: str, where: str) -> DiscoveredOrigin:
    """Read ``ECOSYSTEM=URL`` or ``ECOSYSTEM/NAME=URL``; UsageError when it is neither."""
    what, _, url = text.partition("=")
    ecosystem, _, name = what.partition("/")
    if not ecosystem or not is_address(url):
        raise UsageError(
            "bad-origin",
            f"{for_display(text)} is not ECOSYSTEM=URL, nor ECOSYSTEM/NAME=URL, with an http or "
            "https address",
            hint="for example python=https://index.corp.example/simple",
        )
    clean, secret = split_credential(url)
    private = secret is not None
    return DiscoveredOrigin(
        Origin(ecosystem, clean.rstrip("/"), private=private, name=name or "default"),
        where=where,
        credential=Credential(*secret) if secret else None,
    )


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
