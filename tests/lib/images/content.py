"""Images of any size: OCI and Docker manifests, indexes, made in memory and always the same."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import struct
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["DOCKER", "INDEX", "OCI", "Blob", "Image", "digest_of", "image", "index"]

OCI = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
_PART = 64 << 20
_PARTS = {
    OCI: (
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.oci.image.layer.v1.tar+gzip",
    ),
    DOCKER: (
        "application/vnd.docker.container.image.v1+json",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
    ),
}


def digest_of(data: bytes) -> str:
    """Name content as the distribution-spec does."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Blob:
    """Some bytes with a type."""

    media_type: str
    data: bytes = field(repr=False)
    digest: str = field(init=False, default="")
    """Its name."""

    def __post_init__(self) -> None:
        """Hash once; registries ask often."""
        object.__setattr__(self, "digest", digest_of(self.data))

    def descriptor(self, **more: object) -> dict[str, object]:
        """What others say of it."""
        told = {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}
        return {**told, **more}


@dataclass(frozen=True, slots=True)
class Image:
    """A manifest or an index, with all that it needs."""

    manifest: Blob
    blobs: tuple[Blob, ...] = ()
    parts: tuple[Image, ...] = ()
    """Of an index: its images."""

    @property
    def digest(self) -> str:
        """What a pull shows."""
        return self.manifest.digest

    @property
    def layer(self) -> Blob:
        """The largest blob."""
        return max(self.blobs, key=lambda blob: len(blob.data))

    def everything(self) -> Mapping[str, Blob]:
        """All objects, by digest."""
        found = {each.digest: each for each in (self.manifest, *self.blobs)}
        for part in self.parts:
            found.update(part.everything())
        return found


def image(
    name: str = "hello",
    *,
    size: int = 1000,
    kind: str = OCI,
    architecture: str = "amd64",
    layer_size: int = 0,
) -> Image:
    """Make an image with one layer that holds `size` bytes, incompressible.

    With `layer_size` the layer itself has exactly that many bytes: a few hundred, or some ten
    thousand, more than `size`.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo("data.bin")
        entry.size = size
        # Names a test's bytes, guards nothing.
        numbers = random.Random(f"{name} {architecture}")
        # Of two gigabits at a time Python's generator makes no more.
        parts = (numbers.randbytes(min(_PART, size - at)) for at in range(0, size, _PART))
        tar.addfile(entry, io.BytesIO(b"".join(parts)))
    config_type, layer_type = _PARTS[kind]
    layer = Blob(layer_type, _packed(packed.getvalue(), layer_size))
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Cmd": ["/hello"], "Labels": {"name": name}},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(packed.getvalue())]},
        "history": [{"created_by": "a test"}],
    }
    about = Blob(config_type, json.dumps(config).encode())
    table: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": kind,
        "config": about.descriptor(),
        "layers": [layer.descriptor()],
    }
    return Image(Blob(kind, json.dumps(table).encode()), (about, layer))


def _packed(data: bytes, length: int) -> bytes:
    """Pack as gzip does; where a length is given, with an extra field (RFC 1952 section 2.3.1.1)
    that makes it so long.
    """
    made = gzip.compress(data, 0, mtime=0)
    room = length - len(made) - 6
    if not length:
        return made
    assert 0 <= room < 1 << 16, room
    extra = struct.pack("<H2sH", room + 4, b"HR", room) + bytes(room)
    return made[:3] + bytes([made[3] | 4]) + made[4:10] + extra + made[10:]


def index(name: str = "many", *, size: int = 1000) -> Image:
    """Make an image for several architectures."""
    parts = tuple(image(name, size=size, architecture=each) for each in ("amd64", "arm64"))
    listed = [
        part.manifest.descriptor(platform={"architecture": each, "os": "linux"})
        for part, each in zip(parts, ("amd64", "arm64"), strict=True)
    ]
    table = {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}
    return Image(Blob(INDEX, json.dumps(table).encode()), parts=parts)
