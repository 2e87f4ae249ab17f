"""Images whose layers say where each file lies in them (zstd:chunked), made by a real skopeo."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from collections.abc import Iterable

from lib.engines.drivers import Engine
from lib.images.content import OCI, Blob, Image, digest_of

__all__ = ["chunked", "many_files"]


def many_files(count: int, size: int, *, changed: Iterable[int] = ()) -> Image:
    """Make an image with one layer of so many files, of so many incompressible bytes each; those
    that changed have other ones than without.
    """
    packed = io.BytesIO()
    other = set(changed)
    with tarfile.open(fileobj=packed, mode="w") as tar:
        # Without it podman 5.8 now and then writes a file before there is a folder for it.
        folder = tarfile.TarInfo("data")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(folder)
        for number in range(count):
            entry = tarfile.TarInfo(f"data/{number:04}.bin")
            entry.size = size
            # Names a test's bytes, guards nothing.
            numbers = random.Random(f"{number} {number in other}")
            tar.addfile(entry, io.BytesIO(numbers.randbytes(size)))
    layer = Blob(
        "application/vnd.oci.image.layer.v1.tar+gzip", gzip.compress(packed.getvalue(), 0, mtime=0)
    )
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/hello"]},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(packed.getvalue())]},
    }
    about = Blob("application/vnd.oci.image.config.v1+json", json.dumps(config).encode())
    table = {
        "schemaVersion": 2,
        "mediaType": OCI,
        "config": about.descriptor(),
        "layers": [layer.descriptor()],
    }
    return Image(Blob(OCI, json.dumps(table).encode()), (about, layer))


def chunked(engine: Engine, name: str, what: Image) -> Image:
    """Have the skopeo of an engine's age write an image's layers as zstd:chunked."""
    given, made = (engine.root / f"{name}-{end}" for end in ("plain", "chunked"))
    given.mkdir()
    for digest, blob in what.everything().items():
        (given / digest.removeprefix("sha256:")).write_bytes(blob.data)
    (given / "manifest.json").write_bytes(what.manifest.data)
    (given / "version").write_text("Directory Transport Version: 1.1\n")
    done = engine.run(
        *("skopeo", "copy", "-q", "--insecure-policy", "--dest-compress"),
        *("--dest-compress-format", "zstd:chunked", f"dir:{given}", f"dir:{made}"),
    )
    assert done.returncode == 0, done.stderr
    manifest = json.loads((made / "manifest.json").read_bytes())
    blobs = tuple(
        Blob(each["mediaType"], (made / each["digest"].removeprefix("sha256:")).read_bytes())
        for each in (manifest["config"], *manifest["layers"])
    )
    return Image(Blob(OCI, (made / "manifest.json").read_bytes()), blobs)
