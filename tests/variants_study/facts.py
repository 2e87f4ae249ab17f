"""What is known of builds, drivers and GPUs, read from the shipped tables as plain data.

The facts are headrace's own: what is tried is what it makes of them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from packaging.version import Version

__all__ = ["FACTS", "Facts", "Pair"]

Pair = tuple[int, int]
_MACHINE = "x86_64"


@dataclass(frozen=True, slots=True)
class Kernels:
    """What one CUDA build can run on."""

    toolkit: Pair
    sass: tuple[Pair, ...]
    ptx: tuple[Pair, ...]
    zstd: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """The tables, for Linux on x86_64."""

    gpus: Mapping[str, Pair]
    """Name to compute capability; without boards that have packages of their own."""
    builds: Mapping[tuple[str, str], Kernels]
    """Of (minor version of torch, label)."""
    defaults: Mapping[tuple[str, str], str]
    """Label of the default index's wheel, of (project, version)."""
    released: Mapping[tuple[str, str], str]
    """Day of each (project, version), ISO; patch releases have that of their minor version."""
    cuda_of_driver: tuple[tuple[Version, Pair], ...]
    """The first driver that reports a CUDA, newest first."""
    floors: Mapping[int, Version]
    zstd: Pair
    rocm: Mapping[str, frozenset[str]]


def _read() -> Facts:
    text = resources.files("headrace").joinpath("data", "cuda.toml").read_text("utf-8")
    told = tomllib.loads(text)
    rows = told["release"]
    tegra = set(told["tegra"]["capabilities"])
    return Facts(
        gpus={
            name: _pair(group["capability"])
            for group in told["gpu"]
            if group["capability"] not in tegra
            for name in group["names"]
        },
        builds={
            (_minor(row["version"]), build["label"]): _kernels(build, told["architectures"])
            for row in rows
            for build in row["builds"]
            if _MACHINE in build
        },
        defaults=_first(
            rows,
            told["patch"],
            {_minor(row["version"]): row["default"][f"linux_{_MACHINE}"] for row in rows},
        ),
        released=_first(
            rows, told["patch"], {_minor(r["version"]): _day(r["released"]) for r in rows}
        ),
        cuda_of_driver=tuple(
            (Version(each["linux"]), _pair(each["cuda"])) for each in told["toolkit"]
        ),
        floors={each["major"]: Version(each["linux"]) for each in told["floor"]},
        zstd=_pair(told["zstd"]["cuda"]),
        rocm={key: frozenset(of) for key, of in told["rocm"]["architectures"].items()},
    )


def _first(
    rows: list[dict[str, Any]], patches: list[dict[str, Any]], of_minor: dict[str, str]
) -> dict[tuple[str, str], str]:
    """Say of each (project, version) what is so of the first release that it was made for."""
    found: dict[tuple[str, str], str] = {}
    for row in sorted([*rows, *patches], key=lambda each: Version(each["version"])):
        said = of_minor[_minor(row["version"])]
        found["torch", row["version"]] = said
        for project, specifier in row["partners"].items():
            found.setdefault((project, specifier.lstrip("=>")), said)
    return found


def _kernels(build: dict[str, Any], architectures: dict[str, Any]) -> Kernels:
    of = architectures[build[_MACHINE]]
    sass, ptx = (tuple(map(_pair, of.get(key, ()))) for key in ("sass", "ptx"))
    return Kernels(_pair(build["cuda"]), sass, ptx, zstd=build.get("zstd", False))


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _pair(text: str) -> Pair:
    major, minor = text.split(".")
    return int(major), int(minor)


def _day(text: str) -> str:
    return text if text.count("-") == 2 else f"{text}-15"


FACTS = _read()
