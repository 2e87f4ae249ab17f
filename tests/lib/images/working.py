"""An image in the shape of pytorch's that really runs: this machine's Python, a shell, and a torch
of a few lines that multiplies without a GPU.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from lib.images import python_root
from lib.images.content import OCI, Blob, Image, digest_of

__all__ = ["TORCH", "working"]

_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
#: What it answers is what a wheel of CUDA answers where there is no driver.
TORCH = """\
from types import SimpleNamespace as _Some
__version__ = "2.9.1+cu126"
version = _Some(cuda="12.6", hip=None)
class _Tensor(list):
    def __matmul__(self, other):
        columns = list(zip(*other))
        return _Tensor(
            [sum(a * b for a, b in zip(row, column)) for column in columns] for row in self
        )
def tensor(rows, device="cpu"):
    return _Tensor(rows)
def equal(one, other):
    return list(map(list, one)) == list(map(list, other))
def _none():
    raise RuntimeError("Found no NVIDIA driver on your system.")
cuda = _Some(is_available=lambda: False, init=_none, nccl=_Some(version=lambda: (2, 27, 5)))
backends = _Some(cudnn=_Some(version=lambda: 91002))
"""


def working(
    folder: Path,
    *,
    size: int,
    torch: str = TORCH,
    python: bool = True,
    variables: Sequence[str] = (),
    made_by: str = "COPY data.bin /opt",
) -> Image:
    """Make it: its root, its torch, and a layer of so many incompressible bytes. Without `python`
    there is a shell alone. `variables` are in its configuration, and by `made_by` it was made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    root = python_root.packed(folder)
    with tarfile.open(root) as tar:
        names = tar.getnames()
    packages = next(name for name in names if name.endswith("/site-packages"))
    plain = root.read_bytes() if python else _without_python(root)
    given = {f"{packages}/torch/__init__.py": torch.encode()} if python else {}
    parts = [plain, _tar(given), _tar({"opt/data.bin": random.Random("x").randbytes(size)})]
    layers = [Blob(_LAYER, gzip.compress(part, 1, mtime=0)) for part in parts]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "PYTORCH_VERSION=2.9.1", *variables],
            # What the well-known images have: something that is not to be started.
            "Entrypoint": ["/opt/nvidia/nvidia_entrypoint.sh"],
        },
        "history": [{"created_by": text} for text in ("ADD root", "COPY torch", made_by)],
        "rootfs": {"type": "layers", "diff_ids": [digest_of(part) for part in parts]},
    }
    about = Blob("application/vnd.oci.image.config.v1+json", json.dumps(config).encode())
    table = {
        "schemaVersion": 2,
        "mediaType": OCI,
        "config": about.descriptor(),
        "layers": [each.descriptor() for each in layers],
    }
    return Image(Blob(OCI, json.dumps(table).encode()), (about, *layers))


def _tar(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def _without_python(root: Path) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(root) as tar, tarfile.open(fileobj=packed, mode="w") as made:
        for entry in tar:
            if "python" not in entry.name:
                made.addfile(entry, tar.extractfile(entry) if entry.isreg() else None)
    return packed.getvalue()
