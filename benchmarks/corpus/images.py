"""One image as a web server can hold it for engines: manifest and blobs as files.

The tag ends with the manifest's digest, so that the server can tell it without reading the file.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import tarfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.corpus.kept import kept

__all__ = ["ImageTree", "single_layer"]

_RULES = 1
_REPOSITORY = "library/bench"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_OCI = "application/vnd.oci.image"
#: Bytes that random numbers are made for at a time.
_PART = 16 << 20


@dataclass(frozen=True, slots=True)
class ImageTree:
    """An image with one layer, below ``/v2/``."""

    root: Path
    wrong: Path
    digest: str
    """The manifest's, as engines show it."""
    layer: str
    size: int
    """Bytes of the layer."""

    @property
    def name(self) -> str:
        """Its name and tag."""
        return f"{_REPOSITORY}:v1-{self.digest.partition(':')[2]}"

    @property
    def path(self) -> str:
        """The layer's path at a host."""
        return f"/v2/{_REPOSITORY}/blobs/{self.layer}"


def single_layer(size: int) -> ImageTree:
    """An image whose one layer holds `size` bytes that nothing compresses."""
    folder = kept(f"image-{size}-v{_RULES}", partial(_fill, size))
    return ImageTree(
        folder / "right", folder / "wrong", **json.loads((folder / "image.json").read_text())
    )


def _fill(size: int, draft: Path) -> None:
    root = draft / "right" / "v2" / _REPOSITORY
    (root / "manifests").mkdir(parents=True)
    (root / "blobs").mkdir()
    (draft / "wrong").mkdir()
    packed = root / "blobs" / "layer"
    with packed.open("wb") as file, _Digest(file) as plain:
        _write_layer(plain, size)
    with packed.open("rb") as whole:
        layer = f"sha256:{hashlib.file_digest(whole, 'sha256').hexdigest()}"
    length = packed.stat().st_size
    packed.rename(root / "blobs" / layer)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [plain.digest]},
    }
    about = json.dumps(config).encode()
    config_digest = _digest(about)
    (root / "blobs" / config_digest).write_bytes(about)
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": {
            "mediaType": f"{_OCI}.config.v1+json",
            "digest": config_digest,
            "size": len(about),
        },
        "layers": [
            {"mediaType": f"{_OCI}.layer.v1.tar+gzip", "digest": layer, "size": length},
        ],
    }
    text = json.dumps(manifest).encode()
    digest = _digest(text)
    for name in (digest, f"v1-{digest.partition(':')[2]}"):
        (root / "manifests" / name).write_bytes(text)
    told = {"digest": digest, "layer": layer, "size": length}
    (draft / "image.json").write_text(json.dumps(told))


class _Digest(io.RawIOBase):
    """Packs what is written with gzip, without compressing it, and knows the digest of it."""

    def __init__(self, file: io.BufferedIOBase) -> None:
        self._gzip = gzip.GzipFile("", "wb", 0, file, mtime=0)
        self._sum = hashlib.sha256()

    @property
    def digest(self) -> str:
        return f"sha256:{self._sum.hexdigest()}"

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._sum.update(data)
        return self._gzip.write(data)

    def close(self) -> None:
        if not self.closed:
            self._gzip.close()
        super().close()


def _write_layer(file: io.RawIOBase, size: int) -> None:
    numbers = random.Random(size)
    # "w|" asks nothing of the file but to take bytes.
    with tarfile.open(fileobj=file, mode="w|") as tar:
        for number, start in enumerate(range(0, size, _PART)):
            entry = tarfile.TarInfo(f"part-{number}.bin")
            entry.size = min(_PART, size - start)
            tar.addfile(entry, io.BytesIO(numbers.randbytes(entry.size)))


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
