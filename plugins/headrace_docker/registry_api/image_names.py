"""An image's name as people and files write it, and as a registry has it. Pure."""

from __future__ import annotations

import re

from headrace.interface import dataclass
from headrace_docker.registry_api.names import in_full, registry_of
from headrace_docker.registry_api.registries import HUB

__all__ = ["ImageName", "read_name"]

_NAME = re.compile(
    r"(?:(?P<registry>(?=[^/]*[.:])(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?"
    r"|localhost)/)?(?P<name>[a-z0-9][a-z0-9._/-]*?)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
#: Characters of a whole name: 255 for the repository, and a digest.
_LONGEST = 512


@dataclass(frozen=True, slots=True)
class ImageName:
    """A name, with what goes without saying."""

    registry: str
    """``docker.io``, also where none is written, or another name of it."""
    repository: str
    """``library/alpine``, also where ``alpine`` is written."""
    tag: str
    """As it is written; empty: none is."""
    digest: str
    """As it is written; empty: none is."""

    @property
    def place(self) -> str:
        """``docker.io/library/alpine``."""
        return f"{self.registry}/{self.repository}"

    @property
    def reference(self) -> str:
        """What a registry is asked for: the digest, else the tag, else ``latest``."""
        return self.digest or self.tag or "latest"


def read_name(text: str) -> ImageName | None:
    """Read one; None: it is none (a URL, an image's ID)."""
    match = _NAME.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        return None
    registry = registry_of(match["registry"] or HUB)
    repository = in_full(registry, match["name"])
    return ImageName(registry, repository, match["tag"] or "", match["digest"] or "")
