"""What manifests and indexes say of other objects (OCI image-spec, Docker schema 2). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headrace.interface import dataclass, read_json

__all__ = ["ACCEPT", "Descriptor", "descriptors"]

#: All forms of manifests, for clients that name none; the last one is that of artifacts before OCI
#: 1.1, which some signatures and lists of parts still have.
ACCEPT = (
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.oci.artifact.manifest.v1+json"
)
#: Objects that one manifest may name; real ones have at most some hundred.
_MOST = 4096


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What one object says of another (image-spec, "Content Descriptors")."""

    digest: str
    size: int | None
    media_type: str
    is_manifest: bool


def descriptors(body: bytes) -> Iterator[Descriptor]:
    """List what a manifest or an index names; ValueError when it is none."""
    table = read_json(body, "a manifest")
    if not isinstance(table, dict) or table.get("schemaVersion") != 2:
        raise ValueError("no manifest of schema 2")
    found = [(table.get("config"), False)]
    for key, is_manifest in (("layers", False), ("manifests", True)):
        entries = table.get(key)
        found += (
            [(each, is_manifest) for each in entries[:_MOST]] if isinstance(entries, list) else []
        )
    for entry, is_manifest in found:
        descriptor = _read(entry, is_manifest=is_manifest)
        if descriptor is not None:
            yield descriptor


def _read(entry: Any, *, is_manifest: bool) -> Descriptor | None:
    if not isinstance(entry, dict):
        return None
    digest, size, kind = entry.get("digest"), entry.get("size"), entry.get("mediaType")
    if not isinstance(digest, str) or not isinstance(kind, str):
        return None
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        return None
    return Descriptor(digest, size, kind, is_manifest)
