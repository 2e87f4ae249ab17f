"""Packages in conda's own format, of any size."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from benchmarks.corpus.wheels import noise

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["BUILT", "CondaPackage", "make_package"]

_BLOCK = 1 << 20
#: Every package's time stamp, in milliseconds.
BUILT = 1_767_323_045_000
_LEVEL = 1


@dataclass(frozen=True, slots=True)
class CondaPackage:
    """A package that is there to be downloaded."""

    name: str
    version: str
    build: str
    subdir: str
    depends: tuple[str, ...]
    size: int
    sha256: str
    md5: str

    @property
    def filename(self) -> str:
        """Give its file's name."""
        return f"{self.name}-{self.version}-{self.build}.conda"

    @property
    def record(self) -> dict[str, Any]:
        """Give what an index says of it."""
        return {
            **_index(self.name, self.version, self.build, self.subdir, self.depends),
            "md5": self.md5,
            "sha256": self.sha256,
            "size": self.size,
        }


class _Noise(io.RawIOBase):
    """The payload as a file, hashed while it is read."""

    def __init__(self, seed: str, size: int) -> None:
        self.digest = hashlib.sha256()
        self._blocks = noise(seed, size)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = next(self._blocks, b"")
            self.digest.update(self._rest)
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def make_package(
    folder: Path, name: str, payload: int, subdir: str, depends: Sequence[str] = ()
) -> CondaPackage:
    """Write a package with `payload` random-looking bytes into a folder."""
    version, build = "9.0.1", "h0b57ac7_0"
    stem = f"{name}-{version}-{build}"
    share = f"share/{name}"
    note = f"{stem}\n".encode()
    blocks = _Noise(stem, payload)
    file = folder / f"{stem}.conda"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("metadata.json"), b'{"conda_pkg_format_version": 2}')
        with _tar(archive, f"pkg-{stem}") as tar:
            _add(tar, f"{share}/note.txt", len(note), io.BytesIO(note))
            _add(tar, f"{share}/payload.bin", payload, io.BufferedReader(blocks, _BLOCK))
        contents = {
            f"{share}/note.txt": (hashlib.sha256(note).hexdigest(), len(note)),
            f"{share}/payload.bin": (blocks.digest.hexdigest(), payload),
        }
        with _tar(archive, f"info-{stem}") as tar:
            index = _index(name, version, build, subdir, depends)
            for path, data in _info(index, contents).items():
                _add(tar, f"info/{path}", len(data), io.BytesIO(data))
    sha, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with file.open("rb") as made:
        while block := made.read(_BLOCK):
            sha.update(block)
            md5.update(block)
    size = file.stat().st_size
    depending = tuple(depends)
    return CondaPackage(
        name, version, build, subdir, depending, size, sha.hexdigest(), md5.hexdigest()
    )


def _index(
    name: str, version: str, build: str, subdir: str, depends: Sequence[str]
) -> dict[str, Any]:
    index: dict[str, Any] = {
        "build": build,
        "build_number": int(build.rpartition("_")[2]),
        "depends": list(depends),
        "license": "BSD-3-Clause",
        "license_family": "BSD",
        "name": name,
        "subdir": subdir,
        "timestamp": BUILT,
        "version": version,
    }
    if subdir == "noarch":
        index["noarch"] = "generic"
    return index


def _info(index: dict[str, Any], contents: dict[str, tuple[str, int]]) -> dict[str, bytes]:
    paths = [
        {"_path": path, "path_type": "hardlink", "sha256": sha256, "size_in_bytes": size}
        for path, (sha256, size) in contents.items()
    ]
    return {
        "about.json": json.dumps({"summary": "A package of the lab"}).encode(),
        "files": "".join(f"{path}\n" for path in contents).encode(),
        "index.json": json.dumps(index).encode(),
        "paths.json": json.dumps({"paths": paths, "paths_version": 1}).encode(),
    }


class _tar:  # noqa: N801 - a context manager
    """A compressed tar as a member of an archive."""

    def __init__(self, archive: zipfile.ZipFile, stem: str) -> None:
        self._member = archive.open(zipfile.ZipInfo(f"{stem}.tar.zst"), "w")
        self._packed = zstd.ZstdFile(cast("BinaryIO", self._member), "w", level=_LEVEL)
        self._tar = tarfile.open(fileobj=cast("BinaryIO", self._packed), mode="w|")  # noqa: SIM115

    def __enter__(self) -> tarfile.TarFile:
        return self._tar

    def __exit__(self, *_: object) -> None:
        self._tar.close()
        self._packed.close()
        self._member.close()


def _add(tar: tarfile.TarFile, path: str, size: int, content: io.BufferedIOBase) -> None:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mtime, entry.mode = size, BUILT // 1000, 0o644
    tar.addfile(entry, cast("BinaryIO", content))
