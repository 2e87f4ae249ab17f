"""PyTorch's variant indexes: one for each kind of accelerator, below one address. Pure.

They hold pages in HTML alone; a project that a variant lacks is 403 there, because the store behind
it may not be listed. Some links lead to other hosts, and some files have no digest: those come from
where the index keeps them and from nobody else.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from headrace.interface import CATALOGUE, DiscoveredOrigin, Origin, UnreadableError, foreign
from headrace_pip.index import layouts, paths

if TYPE_CHECKING:
    from packaging.version import Version

    from headrace.interface import Request, VariantRequest

__all__ = ["NAME", "asked", "label_of", "names_builds", "origin_of", "origins", "version_of"]

#: The origin's name; its indexes are called after it.
NAME = "pytorch"
_LABEL = re.compile(r"cpu(?:-cxx11-abi)?|xpu|cu\d{2,4}|rocm\d{1,2}(?:\.\d{1,2}){1,2}")
#: The same in an address; and the pages that hold all builds.
_IN_ADDRESS = re.compile(
    rf"(?<![a-z0-9])(?:{_LABEL.pattern})(?![a-z0-9])|/torch_(?:stable|nightly)\b"
)
#: Characters of a file's name (no file system has longer ones), and dots in it: packaging
#: multiplies the interpreters, ABIs and platforms of a wheel.
_LONGEST_NAME = 255
_MOST_DOTS = 40
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_SYSTEMS = {"Linux": "linux", "Windows": "win32", "Darwin": "darwin"}


# ruff: noqa: PLC0415 - a command that asks for the address alone does not pay for the rest


@cache
def origins() -> tuple[DiscoveredOrigin, ...]:
    """Return the catalogue's address of the indexes."""
    from headrace.interface import catalogue

    known = catalogue.origins("python", layouts.LAYOUTS)
    return tuple(
        DiscoveredOrigin(Origin("python", each.url, name=NAME), where=CATALOGUE) for each in known
    )


def origin_of(base: Origin, label: str) -> Origin | None:
    """Return the index of a variant as an origin of its own; None: not a variant's label."""
    if not _LABEL.fullmatch(label):
        return None
    return replace(base, url=f"{base.url}/{label}", name=f"{paths.VARIANTS}{label}")


def label_of(origin: Origin) -> str:
    """Return the label of a variant index; empty for another origin."""
    prefix = paths.VARIANTS
    return origin.name.removeprefix(prefix) if origin.name.startswith(prefix) else ""


def names_builds(address: str) -> bool:
    """Whether who names this index, or page of links, has chosen a kind of build with it."""
    try:
        with foreign("a URL"):
            return bool(_IN_ADDRESS.search(urlsplit(address).path))
    except UnreadableError:
        return False


def asked(request: Request, project: str) -> VariantRequest | None:
    """Read for whom pip installs; None: another client, or one that no build is made for.

    uv, poetry and pdm lock what they see, so they get the pages as they are.
    """
    from headrace.interface import VariantRequest
    from headrace_pip.index import environment

    where = environment.read(request.headers.get("user-agent", ""))
    if where is None or where.tool != "pip" or where.implementation != "CPython":
        return None
    if where.libc is not None and where.libc[0] != "glibc":
        return None
    system = _SYSTEMS.get(where.system)
    if system is None:
        return None
    cpu = where.cpu.lower()
    major, minor = where.python_pair
    platform = f"{system}_{_MACHINES.get(cpu, cpu)}"
    return VariantRequest(project, python=f"{major}.{minor}", platform=platform)


def version_of(filename: str) -> tuple[str, str] | None:
    """Return the public version and the label that a file's name tells."""
    from packaging.utils import parse_sdist_filename, parse_wheel_filename

    if len(filename) > _LONGEST_NAME or filename.count(".") > _MOST_DOTS:
        return None
    try:
        version: Version
        with foreign("a file's name"):
            if filename.endswith(".whl"):
                version = parse_wheel_filename(filename)[1]
            else:
                version = parse_sdist_filename(filename)[1]
    except UnreadableError:
        return None
    return version.public, version.local or ""
