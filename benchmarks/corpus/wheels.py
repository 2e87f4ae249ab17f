"""Wheels of any size, laid out as the official index lays them out."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Wheel", "make_wheel", "noise"]

_BLOCK = 1 << 20
#: ZIP's earliest date, so that the same content gives the same file whenever it is made.
_DATE = (1980, 1, 1, 0, 0, 0)
_WHEEL = b"""\
Wheel-Version: 1.0
Generator: lab
Root-Is-Purelib: true
Tag: py3-none-any
"""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel that is there to be downloaded."""

    project: str
    version: str
    filename: str
    path: str
    """From the host's root, with a leading slash: ``/packages/aa/bb/<60 hex>/<name>``, the hex
    being the BLAKE2b-256 of the content.
    """
    size: int
    sha256: str
    metadata_sha256: str


def make_wheel(
    tree: Path, project: str, version: str, payload: int, requires: Sequence[str] = ()
) -> Wheel:
    """Write a wheel with `payload` random-looking bytes, and its ``.metadata``, below `tree`."""
    module = project.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    filename = f"{module}-{version}-py3-none-any.whl"
    metadata = _metadata(project, version, requires)
    draft = tree / filename
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED) as archive:
        record = [
            _add(archive, f"{module}/__init__.py", iter([b""])),
            _add(archive, f"{module}/payload.bin", noise(f"{project} {version}", payload)),
            _add(archive, f"{info}/METADATA", iter([metadata])),
            _add(archive, f"{info}/WHEEL", iter([_WHEEL])),
            f"{info}/RECORD,,",
        ]
        _add(archive, f"{info}/RECORD", iter(["\n".join(record).encode() + b"\n"]))
    blake, sha = hashlib.blake2b(digest_size=32), hashlib.sha256()
    with draft.open("rb") as file:
        while block := file.read(_BLOCK):
            blake.update(block)
            sha.update(block)
    name = blake.hexdigest()
    path = f"/packages/{name[:2]}/{name[2:4]}/{name[4:]}/{filename}"
    final = tree / path[1:]
    final.parent.mkdir(parents=True)
    draft.rename(final)
    final.with_name(filename + ".metadata").write_bytes(metadata)
    return Wheel(
        project,
        version,
        filename,
        path,
        final.stat().st_size,
        sha.hexdigest(),
        hashlib.sha256(metadata).hexdigest(),
    )


def _metadata(project: str, version: str, requires: Sequence[str]) -> bytes:
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {project}",
        f"Version: {version}",
        "Summary: A package of the lab",
        "Requires-Python: >=3.8",
        *(f"Requires-Dist: {requirement}" for requirement in requires),
        "",
        # Real ones carry their README: some kilobytes.
        *(f"Paragraph {number} of a long description of {project}." for number in range(60)),
    ]
    return ("\n".join(lines) + "\n").encode()


def noise(seed: str, size: int) -> Iterator[bytes]:
    """Give bytes that look random and are the same each time."""
    for number in range(-(-size // _BLOCK)):
        length = min(_BLOCK, size - number * _BLOCK)
        yield hashlib.shake_128(f"{seed} {number}".encode()).digest(length)


def _add(archive: zipfile.ZipFile, name: str, blocks: Iterator[bytes]) -> str:
    digest, size = hashlib.sha256(), 0
    with archive.open(zipfile.ZipInfo(name, _DATE), "w", force_zip64=True) as member:
        for block in blocks:
            member.write(block)
            digest.update(block)
            size += len(block)
    text = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
    return f"{name},sha256={text},{size}"
