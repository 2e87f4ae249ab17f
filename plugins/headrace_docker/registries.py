"""The public registries that engines are pointed at the gateway for: a closed list.

A registry that is not on it is never asked of the gateway: a company's registry, and one in the
local network, are their users' own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from headrace.hookspecs import CATALOGUE, DiscoveredOrigin
from headrace.models import Origin

__all__ = ["ECOSYSTEM", "HUB", "Registry", "discovered", "fronted", "known_registries"]

ECOSYSTEM = "docker"
#: The registry of names that name none.
HUB = "docker.io"
#: Where a registry answers that is not called as its host is.
_HOSTS = {HUB: "registry-1.docker.io"}
_PUBLIC = (
    HUB,
    "ghcr.io",
    "quay.io",
    "nvcr.io",
    "gcr.io",
    "registry.k8s.io",
    "mcr.microsoft.com",
    "public.ecr.aws",
)


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry as image names call it, and where it answers."""

    name: str

    @property
    def url(self) -> str:
        """Base URL of its API, without ``/v2``."""
        return f"https://{_HOSTS.get(self.name, self.name)}"

    @property
    def origin(self) -> Origin:
        """The authority for its names."""
        return Origin(ECOSYSTEM, self.url, name=self.name)


def known_registries() -> tuple[Registry, ...]:
    """Return all of them, the one of short names first."""
    return tuple(Registry(name) for name in _PUBLIC)


def discovered() -> list[DiscoveredOrigin]:
    """Return them as origins: an engine asks whichever of them an image's name begins with."""
    return [DiscoveredOrigin(registry.origin, CATALOGUE) for registry in known_registries()]


def fronted(origins: Iterable[Origin]) -> Sequence[Registry]:
    """Return those that the gateway fronts."""
    urls = {origin.url for origin in origins if origin.ecosystem == ECOSYSTEM}
    return [registry for registry in known_registries() if registry.url in urls]
