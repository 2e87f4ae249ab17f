"""Images in the shape of well-known families: real configuration, real spelling, small layers."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence

from lib.images.content import INDEX, OCI, Blob, Image, digest_of, image

__all__ = ["cuda_demand", "diff_ids", "multi_platform", "shaped"]


def cuda_demand(cuda: str, branches: Sequence[int] = (), brands: Sequence[str] = ()) -> str:
    """Write NVIDIA_REQUIRE_CUDA as NVIDIA's own images have it: the CUDA, or a branch of an older
    driver on cards of certain brands.
    """
    alternatives = [
        f"brand={brand},driver>={branch},driver<{branch + 1}"
        for brand in brands or ("unknown", "tesla", "nvidia", "quadro")
        for branch in branches
    ]
    return " ".join((f"cuda>={cuda}", *alternatives))


def shaped(
    name: str,
    environment: Mapping[str, str],
    *,
    labels: Mapping[str, str] | None = None,
    architecture: str = "amd64",
    sizes: Sequence[int] = (2_000, 300),
    unpacked: bool = False,
) -> Image:
    """Make an image with such variables; layers of about so many bytes. `unpacked`: the manifest
    says how large its layers are on a disk.
    """
    layers = [image(f"{name} {n} {architecture}", size=size).layer for n, size in enumerate(sizes)]
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {
            "Env": [f"{key}={value}" for key, value in environment.items()],
            "Labels": dict(labels or {}),
        },
        "rootfs": {"type": "layers", "diff_ids": diff_ids(layers)},
    }
    about = Blob("application/vnd.oci.image.config.v1+json", json.dumps(config).encode())
    told = [
        each.descriptor(
            **(
                {"annotations": {"io.containers.estargz.uncompressed-size": str(10 * size)}}
                if unpacked
                else {}
            )
        )
        for each, size in zip(layers, sizes, strict=True)
    ]
    table = {
        "schemaVersion": 2,
        "mediaType": OCI,
        "config": about.descriptor(),
        "layers": told,
    }
    return Image(Blob(OCI, json.dumps(table).encode()), (about, *layers))


def diff_ids(layers: Sequence[Blob]) -> list[str]:
    """Return what a configuration says of its layers, as they are unpacked: dockerd compares."""
    return [digest_of(gzip.decompress(each.data)) for each in layers]


def multi_platform(images: Mapping[str, Image]) -> Image:
    """Make one image of several, by architecture."""
    listed = [
        each.manifest.descriptor(platform={"architecture": architecture, "os": "linux"})
        for architecture, each in images.items()
    ]
    table = {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}
    return Image(Blob(INDEX, json.dumps(table).encode()), parts=tuple(images.values()))
