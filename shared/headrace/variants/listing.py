"""What the indexes list of the family, as far as the shipped tables know. Pure.

For an answer where no index can be asked, and for tests. An install never goes by it.
"""

from __future__ import annotations

from collections.abc import Iterator

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from headrace.variants.builds import Candidate, CudaTables, Release

__all__ = ["listing"]

#: Evidence that says that a build exists; others say only what it would be like.
_PROVEN = {"wheel", "matrix", "announced", "listing"}
_XPU_SINCE = Version("2.6")
_MAC_INTEL_UNTIL = Version("2.2.2")


def _row(version: str, tables: CudaTables) -> Release:
    minor = Version(version).release[:2]
    return next(r for r in tables.releases if Version(r.version).release[:2] == minor)


def _pythons(row: Release) -> list[str]:
    (_, oldest), (_, newest) = row.pythons
    return [f"cp3{n}-cp3{n}" for n in range(oldest, newest + 1)]


def _wheels(row: Release, *platforms: str) -> tuple[str, ...]:
    return tuple(f"{python}-{platform}" for python in _pythons(row) for platform in platforms)


def _linux(machine: str, glibc: tuple[int, int]) -> str:
    return f"manylinux_2_28_{machine}" if glibc >= (2, 28) else f"linux_{machine}"


def _builds(row: Release) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield label, index and wheels of each build of a release."""
    version, glibc = Version(row.version), row.glibc
    mac = "macosx_14_0_arm64" if version >= Version("2.12") else "macosx_11_0_arm64"
    macs = (mac, "macosx_10_9_x86_64") if version <= _MAC_INTEL_UNTIL else (mac,)
    both = (_linux("x86_64", glibc), _linux("aarch64", glibc))
    yield "", "", _wheels(row, *both, "win_amd64", *macs)
    yield "cpu", "cpu", _wheels(row, *both, "win_amd64")
    for build in row.builds:
        if build.evidence in _PROVEN:
            machines = [_linux(m, build.glibc or glibc) for m in build.architectures]
            yield build.label, build.label, _wheels(row, *machines, "win_amd64")
    for rocm in row.rocm:
        yield f"rocm{rocm}", f"rocm{rocm}", _wheels(row, both[0])
    if version >= _XPU_SINCE:
        yield "xpu", "xpu", _wheels(row, both[0], "win_amd64")


def _partner(specifier: str) -> str:
    return next(iter(SpecifierSet(specifier))).version


def listing(tables: CudaTables) -> list[Candidate]:
    """Return all builds that the tables have proof of."""
    found: dict[tuple[str, str, str], Candidate] = {}
    versions = {release.version: release.partners for release in tables.releases}
    versions.update(tables.patches)
    # The oldest first: what was made for several releases came out with the first of them.
    for version in sorted(versions, key=Version):
        row = _row(version, tables)
        names = {tables.lead: version}
        names.update({p: _partner(text) for p, text in versions[version].items()})
        for project, number in names.items():
            if any(key[:2] == (project, number) for key in found):
                continue
            for label, index, wheels in _builds(row):
                one = Candidate(project, number, label, index, wheels)
                found[project, number, index] = one
    return list(found.values())
