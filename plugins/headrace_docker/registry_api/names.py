"""Names of the pull API (OCI distribution-spec 1.1, sections 3.1 and 3.2), as paths and as values.

A client says the registry by ``ns=`` (containerd, BuildKit), by a leading part of the name (podman,
skopeo), or not at all (classic dockerd, which asks mirrors for docker.io alone).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import parse_qs

from headrace.interface import dataclass
from headrace_docker.registry_api.registries import HUB

__all__ = ["ApiRoot", "Object", "in_full", "parse", "registry_of"]

#: distribution-spec, "Pulling manifests"; length as the reference implementation has it.
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")
_PATH = re.compile(r"/v2/(.+)/(manifests|blobs|referrers|tags)/([^/]+)")
_LONGEST = 255
#: Other names of docker.io.
_HUB_NAMES = frozenset({HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})


@dataclass(frozen=True, slots=True)
class ApiRoot:
    """``/v2/``: whether this is a registry at all."""


@dataclass(frozen=True, slots=True)
class Object:
    """Something in a repository."""

    registry: str
    """As image names call it: ``docker.io``."""
    repository: str
    """``library/alpine``."""
    kind: str
    """``manifests``, ``blobs``, ``referrers`` or ``tags``."""
    reference: str
    """A tag, a digest, or ``list``."""

    @property
    def digest(self) -> str | None:
        """The reference where it is one."""
        return self.reference if _DIGEST.fullmatch(self.reference) else None

    @property
    def word(self) -> str:
        """What a mirror's `carries` speaks of: ``docker.io/library/alpine``."""
        return f"{self.registry}/{self.repository}"

    @property
    def path(self) -> str:
        """The gateway's path, the same for all clients."""
        return f"/v2/{self.word}/{self.kind}/{self.reference}"

    @property
    def tail(self) -> str:
        """What follows ``/v2/`` at a registry."""
        return f"{self.repository}/{self.kind}/{self.reference}"


def registry_of(text: str) -> str:
    """Return a registry's own name: docker.io has several."""
    return HUB if text in _HUB_NAMES else text


def in_full(registry: str, repository: str) -> str:
    """Return a repository as its registry has it: docker.io's own lie in ``library``."""
    return f"library/{repository}" if registry == HUB and "/" not in repository else repository


def parse(path: str, query: str, registries: Collection[str]) -> ApiRoot | Object | None:
    """Read a decoded path; None: nothing of a registry that is on the closed list."""
    if path in ("/v2/", "/v2"):
        return ApiRoot()
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    name, kind, reference = match[1], match[2], match[3]
    asked = parse_qs(query).get("ns", [""])[0]
    first, _, rest = name.partition("/")
    if asked:
        registry, repository = registry_of(asked), name
        if registry_of(first) == registry and rest and "." in first:
            repository = rest
    elif rest and ("." in first or ":" in first):
        registry, repository = registry_of(first), rest
    else:
        registry, repository = HUB, name
    repository = in_full(registry, repository)
    right = registry in registries and len(repository) <= _LONGEST and _NAME.fullmatch(repository)
    if not right or not _fits(kind, reference):
        return None
    return Object(registry, repository, kind, reference)


def _fits(kind: str, reference: str) -> bool:
    if kind == "tags":
        return reference == "list"
    if kind == "manifests":
        return bool(_DIGEST.fullmatch(reference) or _TAG.fullmatch(reference))
    return bool(_DIGEST.fullmatch(reference))
