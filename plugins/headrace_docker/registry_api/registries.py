"""The public registries that engines are pointed at the gateway for: a closed list.

A registry that is not on it, nor in the user's settings, is never asked of the gateway: a company's
registry, and one in the local network, are their users' own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from headrace.interface import CATALOGUE, DiscoveredOrigin, Mirror, Origin, dataclass

__all__ = [
    "ECOSYSTEM",
    "HUB",
    "LAYOUTS",
    "Registry",
    "discovered",
    "fronted",
    "known",
    "known_registries",
    "mirrors",
]

ECOSYSTEM = "docker"
#: The registry of names that name none.
HUB = "docker.io"
#: How mirrors hold what registries have (`headrace_docker.registry_api.layouts` performs them).
LAYOUTS = ("registry", "prefix", "ns")


#: A registry as image names begin with it: with a dot or a port, else it is a folder of Hub's.
_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::\d+)?|[a-z0-9-]+:\d+")


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry as image names call it, and where it answers."""

    name: str
    url: str
    """Base URL of its API, without ``/v2``."""
    aliases: tuple[str, ...] = ()
    """Other names of it."""

    @property
    def origin(self) -> Origin:
        """The authority for its names."""
        return Origin(ECOSYSTEM, self.url, name=self.name)


@cache
def known_registries() -> tuple[Registry, ...]:
    """Return all of the catalogue, the one of short names first."""
    from headrace.interface import catalogue  # noqa: PLC0415 - start-up time of commands

    known = catalogue.origins(ECOSYSTEM, LAYOUTS)
    return tuple(Registry(each.names[0], each.url, each.names[1:]) for each in known)


def known(name: str) -> Registry:
    """Return a registry by its name; of one that the user named the host is the name."""
    return next(
        (each for each in known_registries() if each.name == name),
        Registry(name, f"https://{name}"),
    )


def discovered() -> list[DiscoveredOrigin]:
    """Return them as origins: an engine asks whichever of them an image's name begins with."""
    return [DiscoveredOrigin(registry.origin, CATALOGUE) for registry in known_registries()]


def fronted(origins: Iterable[Origin]) -> Sequence[Registry]:
    """Return those that the gateway fronts: of the list, and what the user's settings add."""
    named = {origin.url: origin for origin in origins if origin.ecosystem == ECOSYSTEM}
    listed = [registry for registry in known_registries() if registry.url in named]
    urls = {registry.url for registry in listed}
    return [
        *listed,
        *(
            Registry(origin.name, origin.url)
            for url, origin in named.items()
            if url not in urls and not origin.private and _HOST.fullmatch(origin.name)
        ),
    ]


def mirrors() -> list[Mirror]:
    """Return the catalogue's mirrors."""
    from headrace.interface import catalogue  # noqa: PLC0415 - as above

    return list(catalogue.load(ECOSYSTEM, LAYOUTS).mirrors())
