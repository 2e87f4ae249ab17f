"""Where a mirror keeps what: the closed list of layouts. Data only picks one by its name. Pure.

A path in a mirror's base URL goes between ``/v2/`` and the name: a project of Harbor, a repository
of Nexus or Artifactory, the folder that a copy of docker.io has in another registry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote, urlsplit

from headrace.interface import Mirror
from headrace_docker.registry_api.names import Object
from headrace_docker.registry_api.registries import HUB

__all__ = ["locate"]

Layout = Callable[[str, str, Object], str]


def _registry(host: str, folder: str, thing: Object) -> str:
    """One registry's names as they are: ``registry-mirrors`` of dockerd, a pull-through cache."""
    return f"{host}/v2/{folder}{quote(thing.tail, safe='/:')}"


def _prefix(host: str, folder: str, thing: Object) -> str:
    """The registry's name before the repository's: ``/v2/docker.io/library/alpine``."""
    return f"{host}/v2/{folder}{thing.registry}/{quote(thing.tail, safe='/:')}"


def _ns(host: str, folder: str, thing: Object) -> str:
    """The registry's name as containerd tells it: Spegel, Dragonfly."""
    return f"{host}/v2/{folder}{quote(thing.tail, safe='/:')}?ns={quote(thing.registry)}"


_LAYOUTS: Mapping[str, Layout] = {"registry": _registry, "prefix": _prefix, "ns": _ns}


def locate(mirror: Mirror, thing: Object) -> str | None:
    """Give an object's URL at a mirror; None: it has no place for it, or does not carry it."""
    layout = _LAYOUTS.get(mirror.layout)
    # Names alone do not tell of which registry they are.
    of_one = mirror.layout == "registry" and not mirror.carries
    if layout is None or not mirror.has(thing.word) or (of_one and thing.registry != HUB):
        return None
    parts = urlsplit(mirror.url)
    folder = parts.path.strip("/")
    return layout(f"{parts.scheme}://{parts.netloc}", f"{folder}/" if folder else "", thing)
