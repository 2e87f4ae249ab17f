"""Deterministic wheels and source distributions of any size, with a build backend that needs
nothing from outside.

Big payloads are incompressible and stored, so that two files built with different seeds have the
same length: a *twin* is well-formed, has the right name and size, and is the wrong file.
"""

from __future__ import annotations

import base64
import hashlib
import io
import random
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_EPOCH = (2020, 1, 1, 0, 0, 0)
BACKEND = "headrace-test-backend"


@dataclass(frozen=True, slots=True)
class Built:
    """A distribution file."""

    project: str
    version: str
    name: str
    """File name."""
    data: bytes = field(repr=False)
    metadata: bytes | None = field(default=None, repr=False)
    """What PEP 658 serves beside a wheel; None for an sdist."""
    requires_python: str | None = None

    sha256: str = field(init=False, default="")
    """Hex digest of the file."""
    blake2b: str = field(init=False, default="")
    """Hex BLAKE2b-256, which the official layout makes its paths of."""

    def __post_init__(self) -> None:
        """Hash once; servers ask often."""
        object.__setattr__(self, "sha256", hashlib.sha256(self.data).hexdigest())
        digest = hashlib.blake2b(self.data, digest_size=32).hexdigest()
        object.__setattr__(self, "blake2b", digest)

    def files(self) -> dict[str, bytes]:
        """Give what a wheel installs: name in site-packages to content, without RECORD."""
        with zipfile.ZipFile(io.BytesIO(self.data)) as archive:
            return {
                name: archive.read(name)
                for name in archive.namelist()
                if not name.endswith("/RECORD")
            }


def escaped(project: str) -> str:
    """Write a project's name as file names have it (PyPA, binary distribution format)."""
    return project.lower().replace("-", "_").replace(".", "_")


def metadata(
    project: str,
    version: str,
    requires: Sequence[str] = (),
    *,
    extras: Mapping[str, Sequence[str]] | None = None,
    requires_python: str | None = None,
) -> bytes:
    """Write core metadata 2.1."""
    lines = ["Metadata-Version: 2.1", f"Name: {project}", f"Version: {version}"]
    lines += ["Summary: made by a test"]
    if requires_python:
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    for extra, needs in (extras or {}).items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f'Requires-Dist: {need} ; extra == "{extra}"' for need in needs]
    return ("\n".join(lines) + "\n").encode()


def wheel(
    project: str,
    version: str = "1.0",
    requires: Sequence[str] = (),
    *,
    extras: Mapping[str, Sequence[str]] | None = None,
    requires_python: str | None = None,
    size: int = 0,
    modules: int = 1,
    seed: str = "",
    tag: str = "py3-none-any",
    files: Mapping[str, bytes] | None = None,
) -> Built:
    """Build a wheel. `size` is the payload's in bytes, `modules` the number of small modules."""
    package, local = escaped(project), version.replace("-", "_")
    info = f"{package}-{local}.dist-info"
    described = metadata(project, version, requires, extras=extras, requires_python=requires_python)
    content: dict[str, bytes] = {
        f"{package}/__init__.py": f'__version__ = "{version}"\nSEED = "{seed:<8}"\n'.encode()
    }
    for number in range(1, modules):
        content[f"{package}/part_{number:04}.py"] = f"NUMBER = {number:06}\n".encode()
    if size:
        # Names a test's bytes, guards nothing.
        numbers = random.Random(f"{project} {version} {seed}")
        content[f"{package}/payload.bin"] = numbers.randbytes(size)
    content.update(files or {})
    content[f"{info}/METADATA"] = described
    content[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: headrace-tests\nRoot-Is-Purelib: true\nTag: {tag}\n"
    ).encode()
    name = f"{package}-{local}-{tag}.whl"
    return Built(project, version, name, _zipped(content, info), described, requires_python)


def twin(of: Built, *, size: int = 0, seed: str = "evil", **rest: object) -> Built:
    """Build a wheel that has `of`'s name and, given the same figures, its length, but lies."""
    return wheel(of.project, of.version, size=size, seed=seed, **rest)  # type: ignore[arg-type]


def _zipped(content: Mapping[str, bytes], info: str) -> bytes:
    record = io.StringIO()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in content.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.write(f"{name},sha256={digest},{len(data)}\n")
            archive.writestr(_entry(name), data)
        record.write(f"{info}/RECORD,,\n")
        archive.writestr(_entry(f"{info}/RECORD"), record.getvalue())
    return out.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.external_attr = 0o100644 << 16
    return entry


def sdist(
    project: str,
    version: str = "1.0",
    requires: Sequence[str] = (),
    *,
    requires_python: str | None = None,
    size: int = 0,
) -> Built:
    """Build an sdist whose backend is the project BACKEND; put `backend()` on the same index."""
    package = escaped(project)
    root = f"{package}-{version}"
    described = metadata(project, version, requires, requires_python=requires_python)
    pyproject = f'[build-system]\nrequires = ["{BACKEND}"]\nbuild-backend = "{escaped(BACKEND)}"\n'
    content = {
        f"{root}/pyproject.toml": pyproject.encode(),
        f"{root}/PKG-INFO": described,
        f"{root}/{package}/__init__.py": f'__version__ = "{version}"\n'.encode(),
    }
    if size:
        content[f"{root}/payload.bin"] = random.Random(f"{project} {version}").randbytes(size)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as archive:
        for name, data in content.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(data), 1577836800, 0o644
            archive.addfile(entry, io.BytesIO(data))
    # The gzip header holds the time of day (RFC 1952 section 2.3.1); zero it.
    packed = out.getvalue()
    stamped = packed[:4] + bytes(4) + packed[8:]
    return Built(project, version, f"{root}.tar.gz", stamped, None, requires_python)


def backend(version: str = "1.0") -> Built:
    """Build the wheel of the build backend that `sdist` asks for (PEP 517)."""
    return wheel(BACKEND, version, files={f"{escaped(BACKEND)}/__init__.py": _BACKEND.encode()})


_BACKEND = '''"""The smallest PEP 517 backend that pip and uv accept."""
import base64, email, hashlib, os, zipfile


def _facts():
    with open("PKG-INFO", encoding="utf-8") as file:
        text = file.read()
    message = email.message_from_string(text)
    return message["Name"], message["Version"], text


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name, version, text = _facts()
    package = name.lower().replace("-", "_").replace(".", "_")
    info = f"{package}-{version}.dist-info"
    content = {}
    for folder, _, files in os.walk(package):
        for file in files:
            path = os.path.join(folder, file)
            with open(path, "rb") as source:
                content[path.replace(os.sep, "/")] = source.read()
    content[f"{info}/METADATA"] = text.encode()
    content[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    )
    result = f"{package}-{version}-py3-none-any.whl"
    record = ""
    with zipfile.ZipFile(os.path.join(wheel_directory, result), "w") as archive:
        for path, data in content.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record += f"{path},sha256={digest},{len(data)}\\n"
            archive.writestr(path, data)
        archive.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\\n")
    return result


def build_sdist(sdist_directory, config_settings=None):
    raise NotImplementedError
'''
