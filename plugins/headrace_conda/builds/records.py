"""What a channel says of one build of a package, read from whatever a document holds. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cmp_to_key
from typing import Any

from headrace.interface import dataclass, foreign
from headrace_conda.builds.versions import Condition, compare, condition

__all__ = ["CARRIER", "PackageBuild", "builds_in", "newest_first"]

#: Numbers of a build: more is none.
_LARGEST = 1 << 50
#: Packages that say of themselves which driver and GPU they are for.
CARRIER = re.compile(r"cuda-version|cuda-arch|cudatoolkit|pytorch-cuda")
#: Names whose presence among the conditions makes a build one for NVIDIA's GPUs.
_CUDA = re.compile(
    r"__cuda(_arch)?|cuda-.+|cudatoolkit|cudnn|pytorch-cuda|lib(cublas|cudart|cufft)"
)
_GPU_BUILD = re.compile(r"(?:^|[_-])(?:py[0-9.]+_)?(?:cuda|gpu|cu[0-9]{2})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PackageBuild:
    """One file of a channel."""

    name: str
    version: str
    build: str
    number: int
    depends: tuple[Condition, ...]
    constrains: tuple[Condition, ...]
    features: int
    """How many features it tracks: each makes conda take others first."""
    built: float
    """When, in milliseconds."""
    size: int | None
    url: str
    """Empty: the record does not say."""

    @property
    def for_gpu(self) -> bool:
        """Whether it is a build for NVIDIA's GPUs, by what it needs or how it is called."""
        return bool(_GPU_BUILD.search(self.build)) or any(
            _CUDA.fullmatch(each.name) for each in self.depends
        )

    def __str__(self) -> str:
        """Give it as people know it."""
        return f"{self.name} {self.version} {self.build}"


@foreign("a channel's record")
def builds_in(name: str, records: Iterable[Any]) -> list[PackageBuild]:
    """Read the records of a package; what is no record, or another package's, is left out.

    ValueError where one cannot be read at all.
    """
    return [
        _build(name.lower(), record)
        for record in records
        if isinstance(record, Mapping) and record.get("name", name.lower()) == name.lower()
    ]


def _build(name: str, record: Mapping[str, Any]) -> PackageBuild:
    # conda 26 shows the folder and the file, older ones the URL too.
    url = record.get("url") or f"{record.get('channel') or ''}/{record.get('fn') or ''}"
    tracked = record.get("track_features") or ()
    words = tracked.replace(",", " ").split() if isinstance(tracked, str) else tracked
    return PackageBuild(
        name=name,
        version=str(record.get("version") or ""),
        build=str(record.get("build") or ""),
        number=_whole(record.get("build_number")) or 0,
        depends=_conditions(record.get("depends")),
        constrains=_conditions(record.get("constrains")),
        features=len(words) if isinstance(words, (list, tuple)) else 0,
        built=_whole(record.get("timestamp")) or 0,
        size=_whole(record.get("size")),
        url=str(url) if "://" in str(url) else "",
    )


def _whole(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= _LARGEST else None


def _conditions(listed: Any) -> tuple[Condition, ...]:
    if not isinstance(listed, (list, tuple)):
        return ()
    return tuple(read for each in listed if (read := condition(str(each))) is not None)


def newest_first(builds: Iterable[PackageBuild]) -> list[PackageBuild]:
    """Order as conda prefers them, and name each build once, in the format that conda takes."""
    unique: dict[tuple[str, str], PackageBuild] = {}
    for build in sorted(builds, key=lambda each: each.url.endswith(".conda"), reverse=True):
        unique.setdefault((build.version, build.build), build)
    return sorted(unique.values(), key=cmp_to_key(_order), reverse=True)


def _order(left: PackageBuild, right: PackageBuild) -> int:
    if left.features != right.features:
        return -1 if left.features > right.features else 1
    if order := compare(left.version, right.version):
        return order
    mine, other = (left.number, left.built), (right.number, right.built)
    return (mine > other) - (mine < other)
