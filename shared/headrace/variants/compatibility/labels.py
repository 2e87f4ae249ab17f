"""What a build's label says, and which label a build without one would have. Pure."""

from __future__ import annotations

import enum
import functools
import re

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from headrace.variants.builds import Candidate, CudaTables, Pair, Release
from headrace.variants.hosts import Host

__all__ = [
    "Kind",
    "belongs",
    "is_ours",
    "kind_of",
    "label_in",
    "label_of",
    "minor",
    "partners_of",
    "same_stack",
    "toolkit_of",
]

_CUDA = re.compile(r"cu(\d{1,2})(\d)")
_OURS = re.compile(r"(cpu|cu\d{2,3}|rocm[\d.]+|xpu)(?![a-z0-9])")


class Kind(enum.StrEnum):
    """What a build runs on."""

    CUDA = "cuda"
    CPU = "cpu"
    ROCM = "rocm"
    XPU = "xpu"
    OTHER = "other"
    """None of these, or not known."""


def kind_of(label: str) -> Kind:
    """Return what the label stands for."""
    if label in ("cpu", "xpu"):
        return Kind(label)
    if _CUDA.fullmatch(label):
        return Kind.CUDA
    return Kind.ROCM if re.fullmatch(r"rocm\d+(\.\d+)*", label) else Kind.OTHER


@functools.lru_cache(maxsize=256)
def toolkit_of(label: str) -> Pair:
    """Return the CUDA of such a label: ``cu126`` is 12.6. (0, 0) when it is none."""
    match = _CUDA.fullmatch(label)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def is_ours(local: str) -> bool:
    """Whether a local version is of the known kinds, and not a vendor's own build."""
    return bool(_OURS.match(local))


def label_in(local: str) -> str:
    """Return the label that a local version begins with (``cpu`` of ``cpu.cxx11.abi``), or none."""
    match = _OURS.match(local)
    return match[1].rstrip(".") if match else ""


def same_stack(label: str, other: str) -> bool:
    """Whether builds of these labels can be loaded into one process: the same, or of one CUDA
    major, which share their libraries' names.
    """
    return label == other or 0 < toolkit_of(label)[0] == toolkit_of(other)[0]


@functools.lru_cache(maxsize=1024)
def minor(version: str) -> str:
    """Return ``2.15`` for ``2.15.0``, as people speak of releases."""
    return ".".join(str(part) for part in Version(version).release[:2])


def row_of(tables: CudaTables, version: str) -> Release | None:
    """Return the row of a release of the lead, or of its minor version."""
    exact = next((r for r in tables.releases if r.version == version), None)
    same = (r for r in tables.releases if minor(r.version) == minor(version))
    return exact or next(same, None)


def partners_of(tables: CudaTables, version: str) -> dict[str, str]:
    """Return the releases of other projects, as specifiers, that were made for one of the lead."""
    if version in tables.patches:
        return dict(tables.patches[version])
    row = row_of(tables, version)
    if row and row.version == version:
        return dict(row.partners)
    if row:
        # A patch release that came later: its partners are patch releases too.
        return {project: _any_patch(text) for project, text in row.partners.items()}
    newest = tables.releases[0]
    if Version(version) < Version(newest.version):
        return {}
    return {project: text for project, text in newest.partners.items() if text.startswith(">=")}


def _any_patch(text: str) -> str:
    exact = text.startswith("==")
    return f"=={minor(text.removeprefix('=='))}.*" if exact else text


def belongs(tables: CudaTables, candidate: Candidate, version: str) -> bool | None:
    """Whether a candidate was made for a release of the lead; None: not known."""
    if candidate.requires:
        return _has(candidate.requires, version)
    text = partners_of(tables, version).get(candidate.project)
    return None if text is None else _has(text, candidate.version)


@functools.lru_cache(maxsize=4096)
def _has(specifier: str, version: str) -> bool:
    return SpecifierSet(specifier).contains(version, prereleases=True)


def label_of(candidate: Candidate, host: Host, tables: CudaTables) -> str:
    """Return what a candidate is. The default index rarely says; then the tables do."""
    if candidate.label or candidate.index:
        return candidate.label or candidate.index
    row = _home(tables, candidate)
    place = f"linux_{host.machine}" if host.platform == "linux" else host.platform
    return row.default.get(place, "") if row else ""


def _home(tables: CudaTables, candidate: Candidate) -> Release | None:
    """Return the row of the lead's release that a candidate came out with."""
    version = candidate.version
    if candidate.project == tables.lead:
        newest = tables.releases[0]
        newer = Version(version) > Version(newest.version)
        return row_of(tables, version) or (newest if newer else None)
    # What was made for several came out with the first of them.
    for row in reversed(tables.releases):
        if row.partners.get(candidate.project) in (f"=={version}", f">={version}"):
            return row
    for patch, partners in tables.patches.items():
        if partners.get(candidate.project) == f"=={version}":
            return row_of(tables, patch)
    newest = tables.releases[0]
    return newest if belongs(tables, candidate, newest.version) else None
