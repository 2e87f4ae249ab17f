"""What the catalogue knows of the places that channels have: whose, public or not, a mirror or not.

Whoever asks for a package there tells its channel's name. For a public place that is no secret;
for any other it is, and no mirror hears of it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from headrace.interface import Mirror, dataclass, fits, has_secret
from headrace_conda.channels.layouts import LAYOUTS

if TYPE_CHECKING:
    from headrace.interface.catalogue import Catalogue

# ruff: noqa: PLC0415 - the catalogue is read when something is asked of it, and once

__all__ = [
    "ChannelRoot",
    "below",
    "is_mirror",
    "is_public",
    "mirrors",
    "needs_no_token",
    "origin_names",
    "place",
    "same_service",
]

_PORTS = {"http": 80, "https": 443}
_TOKEN = "t"  # noqa: S105 - the folder that a token follows: /t/<token>/<channel>


@dataclass(frozen=True, slots=True)
class ChannelRoot:
    """One URL of the catalogue below which channels lie."""

    place: tuple[str, ...]
    layout: str
    public: tuple[str, ...] = ()
    """Patterns of channels that an origin gives to everybody."""
    own_names: bool = False
    """Its channels are the mirrors' of that name only where they are `public`."""
    service: frozenset[tuple[str, ...]] = frozenset()
    """All places of the catalogue's mirror that this is one of."""

    def means(self, channel: str) -> bool:
        """Whether a channel here is what mirrors have under that name: ``cloud/conda-forge``."""
        return not self.own_names or fits(self.public, channel)


def place(url: str) -> tuple[str, ...] | None:
    """Return host and path of a URL in parts, without scheme and user, so that spellings do not
    matter; None: it is no plain http(s) address.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return None
    if not host or parts.scheme not in _PORTS or parts.query or parts.fragment:
        return None
    path = [unquote(part) for part in parts.path.split("/") if part]
    # One reader's way up, or another folder, in what is one name to another reader.
    if any(part in (".", "..") or "/" in part or "\\" in part for part in path):
        return None
    return (host if port in (None, _PORTS[parts.scheme]) else f"{host}:{port}", *path)


def below(url: str) -> tuple[ChannelRoot, tuple[str, ...]] | None:
    """Find the root that a URL lies below, and what follows; None: none, or a secret is in it."""
    found = place(url)
    if found is None or has_secret(url) or _TOKEN in found[1:-1]:
        return None
    for root in _roots():
        size = len(root.place)
        if found[:size] == root.place:
            return root, found[size:]
    return None


def is_public(url: str) -> bool:
    """Whether what lies there is no secret: a host of a known origin, or a known mirror's root."""
    return below(url) is not None


def is_mirror(url: str) -> bool:
    """Whether the URL lies at a mirror of the catalogue and not at an origin."""
    found = below(url)
    return found is not None and found[0].place not in {
        place(origin.url) for origin in _catalogue().origins
    }


def origin_names() -> list[str]:
    """List the authorities of the catalogue's origins."""
    from headrace_conda.channels.paths import authority

    names = [authority(origin.url) for origin in _catalogue().origins]
    return [name for name in names if name is not None]


def needs_no_token(url: str) -> bool:
    """Whether the URL names a channel that its origin gives to everybody.

    A user or a token in the URL, as a login tool puts it there, is then there for nothing.
    """
    bare = place(url)
    if bare is None:
        return False
    host, *path = bare
    if path[:1] == [_TOKEN]:
        del path[:2]
    for root in _roots():
        if root.place == (host,):
            channel = LAYOUTS[root.layout].words(path)[:2]
            return fits(root.public, "/".join(channel))
    return False


def same_service(url: str, other: str) -> bool:
    """Whether a mirror's base URL is one more name of the place where the other URL lies."""
    found = below(other)
    return found is not None and place(url) in found[0].service


def mirrors() -> list[Mirror]:
    """List the catalogue's mirrors, best guess first."""
    return list(_catalogue().mirrors())


@functools.cache
def _catalogue() -> Catalogue:
    from headrace.interface import catalogue

    return catalogue.load("conda", LAYOUTS)


@functools.cache
def _roots() -> tuple[ChannelRoot, ...]:
    """Return all roots, none below another; an origin's own word goes before a mirror's."""
    shipped = _catalogue()
    roots: dict[tuple[str, ...], ChannelRoot] = {}
    services: dict[tuple[str, ...], frozenset[tuple[str, ...]]] = {}
    for row in shipped.rows:
        if not row.offered:
            continue
        places = [spot for spot in map(place, (row.url, *row.other_urls)) if spot]
        services |= dict.fromkeys(places, frozenset(places))
        roots |= {spot: ChannelRoot(spot, row.layout, service=services[spot]) for spot in places}
    for origin in shipped.origins:
        if spot := place(origin.url):
            mine = services.get(spot, frozenset((spot,)))
            roots[spot] = ChannelRoot(spot, origin.family, origin.public, origin.own_names, mine)
    return tuple(roots.values())
