"""What builds for accelerators need: the shipped tables, each fact with its evidence and date.

`parse` is pure and names every mistake; `load` is the only place that reads the package's data.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import tomllib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from headrace import data
from headrace.errors import ConfigurationError
from headrace.variants.builds import (
    Architectures,
    Build,
    Compiler,
    CudaTables,
    Floor,
    IntelFamily,
    Pair,
    Release,
    Requirement,
    Toolkit,
)

__all__ = ["load", "parse"]

_MACHINES = ("x86_64", "aarch64")
_DEFAULTS = frozenset({"linux_x86_64", "linux_aarch64", "win32", "darwin"})


@functools.cache
def load() -> CudaTables:
    """Read the shipped file."""
    return parse(data.text("cuda.toml"))


def parse(text: str) -> CudaTables:
    """Check the whole file; ConfigurationError names the table and the field that is wrong."""
    with _named("file"):
        file = tomllib.loads(text)
        _only(file, _TABLES)
    evidence = _Evidence(file)
    kernels = dict(_kernels(file, evidence))

    def one(name: str, *fields: str) -> Mapping[str, Any]:
        with _named(name):
            return evidence.checked(file[name], (*fields, "evidence"))

    rocm = one("rocm", "architectures", "unproven")
    with _named("rocm"):
        gfx = {v: frozenset(_words(rocm["architectures"], v)) for v in rocm["architectures"]}
    follow, same = one("follow", "projects"), one("same_major", "projects")
    tegra = one("tegra", "capabilities")
    npu, zstd = one("npu", "companion"), one("zstd", "cuda")
    with _named("single facts"):
        return CudaTables(
            lead=_word(file, "lead"),
            floors=tuple(_each(file, "floor", evidence, _floor)),
            toolkits=tuple(_each(file, "toolkit", evidence, _toolkit)),
            compilers=dict(_each(file, "compiler", evidence, _compiler)),
            zstd=_pair(zstd["cuda"]),
            releases=_releases(file, evidence, kernels),
            patches=dict(_each(file, "patch", evidence, _patch)),
            followers=frozenset(_words(follow, "projects")),
            requirements=tuple(_each(file, "requirement", evidence, _requirement)),
            carried=dict(_each(file, "carried", evidence, _carried)),
            same_major=frozenset(_words(same, "projects")),
            rocm=gfx,
            rocm_unproven=frozenset(_words(rocm, "unproven")),
            intel=tuple(_each(file, "intel", evidence, _intel)),
            tegra=frozenset(map(_pair, _words(tegra, "capabilities"))),
            npu=_word(npu, "companion"),
            gpus=_gpus(file, evidence),
            chips=dict(each for row in _each(file, "chip", evidence, _chip) for each in row),
        )


class _Evidence:
    """The words that a row may give as its evidence."""

    def __init__(self, file: Mapping[str, Any]) -> None:
        self.words = set()
        for word, table in file.get("evidence", {}).items():
            with _named(f"evidence {word}"):
                _only(table, ("says", "date"))
                _word(table, "says")
                date = table["date"]
                if not isinstance(date, dt.date) or isinstance(date, dt.datetime):
                    raise TypeError("date is not a date")
            self.words.add(word)

    def checked(self, table: Mapping[str, Any], fields: Collection[str]) -> Mapping[str, Any]:
        """Return the table when it has known fields and says who says so."""
        _only(table, fields)
        if table["evidence"] not in self.words:
            raise ValueError(f"evidence {table['evidence']!r} is none of the file's words")
        return table


def _each(file: Mapping[str, Any], name: str, evidence: _Evidence, read: Any) -> Iterator[Any]:
    for number, table in enumerate(file.get(name, ()), 1):
        with _named(f"{name} number {number}"):
            yield read(evidence.checked(table, _ROWS[name]))


def _floor(table: Mapping[str, Any]) -> Floor:
    return Floor(int(table["major"]), _driver(table, "linux"), _driver(table, "windows"))


def _toolkit(table: Mapping[str, Any]) -> Toolkit:
    return Toolkit(_pair(table["cuda"]), _driver(table, "linux"), _driver(table, "windows"))


def _compiler(table: Mapping[str, Any]) -> tuple[int, Compiler]:
    first, last = (_pair(table[name]) if name in table else None for name in ("first", "last"))
    ended = frozenset(map(_pair, _words(table, "ended")))
    if bool(ended) != (last is not None):
        raise ValueError("last and ended go together")
    return int(table["major"]), Compiler(first, last, ended)


def _patch(table: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
    return str(Version(table["version"])), _partners(table)


def _requirement(table: Mapping[str, Any]) -> Requirement:
    project, versions = _word(table, "project"), _word(table, "versions")
    return Requirement(project, str(SpecifierSet(versions)), str(SpecifierSet(table["lead"])))


def _carried(table: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    return _word(table, "kind"), _words(table, "projects")


def _intel(table: Mapping[str, Any]) -> IntelFamily:
    devices = {number for numbers in _devices(table) for number in numbers}
    return IntelFamily(
        word=_word(table, "family"),
        name=_word(table, "name"),
        integrated=_flag(table, "integrated"),
        validated=_flag(table, "validated"),
        devices=frozenset(devices),
        names=_words(table, "names"),
    )


def _devices(table: Mapping[str, Any]) -> Iterator[range]:
    for text in _words(table, "devices"):
        first, _, last = text.partition("-")
        yield range(int(first, 16), int(last or first, 16) + 1)


def _chip(table: Mapping[str, Any]) -> list[tuple[range, Pair]]:
    return [(numbers, _pair(table["capability"])) for numbers in _devices(table)]


def _gpus(file: Mapping[str, Any], evidence: _Evidence) -> dict[str, Pair]:
    gpus: dict[str, Pair] = {}
    for capability, names in _each(
        file, "gpu", evidence, lambda table: (_pair(table["capability"]), _words(table, "names"))
    ):
        for name in names:
            if name in gpus:
                raise ValueError(f"gpu {name!r} is there twice")
            gpus[name] = capability
    return gpus


def _kernels(file: Mapping[str, Any], evidence: _Evidence) -> Iterator[tuple[str, Architectures]]:
    for word, table in file.get("architectures", {}).items():
        with _named(f"architectures {word}"):
            evidence.checked(table, ("sass", "ptx", "evidence"))
            sass = tuple(map(_pair, _words(table, "sass")))
            if not sass or list(sass) != sorted(set(sass)):
                raise ValueError("sass is empty or not in order")
            yield word, Architectures(sass, tuple(map(_pair, _words(table, "ptx"))))


def _releases(
    file: Mapping[str, Any], evidence: _Evidence, kernels: Mapping[str, Architectures]
) -> tuple[Release, ...]:
    def read(table: Mapping[str, Any]) -> Release:
        oldest, newest = map(_pair, _words(table, "pythons"))
        default = {str(key): str(value) for key, value in table["default"].items()}
        if default.keys() != _DEFAULTS:
            raise ValueError(f"default is not for {', '.join(sorted(_DEFAULTS))}")
        builds = tuple(_build(build, evidence, kernels) for build in table["builds"])
        if len({build.label for build in builds}) < len(builds):
            raise ValueError("a build is there twice")
        return Release(
            version=str(Version(table["version"])),
            pythons=(oldest, newest),
            partners=_partners(table),
            default=default,
            glibc=_pair(table["glibc"]),
            builds=builds,
            rocm=_words(table, "rocm"),
        )

    releases = tuple(_each(file, "release", evidence, read))
    order = [Version(release.version) for release in releases]
    if not order or order != sorted(set(order), reverse=True):
        raise ValueError("releases are missing, twice there, or not the newest first")
    return releases


def _build(
    table: Mapping[str, Any], evidence: _Evidence, kernels: Mapping[str, Architectures]
) -> Build:
    evidence.checked(table, _BUILD_FIELDS)
    machines = {machine: table[machine] for machine in _MACHINES if machine in table}
    if unknown := set(machines.values()) - kernels.keys():
        raise ValueError(f"architectures {', '.join(sorted(unknown))} are not in the file")
    return Build(
        label=_word(table, "label"),
        toolkit=_pair(table["cuda"]),
        architectures={machine: kernels[word] for machine, word in machines.items()},
        zstd=bool(table.get("zstd", False)),
        glibc=_pair(table["glibc"]) if "glibc" in table else None,
        evidence=table["evidence"],
    )


def _partners(table: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(SpecifierSet(text)) for name, text in table["partners"].items()}


def _pair(text: str) -> Pair:
    major, _, minor = text.partition(".")
    return int(major), int(minor)


def _driver(table: Mapping[str, Any], field: str) -> str:
    text = table[field]
    if text and not all(part.isdigit() for part in text.split(".")):
        raise ValueError(f"{field} is not a driver's version: {text!r}")
    return str(text)


def _word(table: Mapping[str, Any], field: str) -> str:
    value = table[field]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{field} is not a word")
    return value


def _flag(table: Mapping[str, Any], field: str) -> bool:
    value = table[field]
    if not isinstance(value, bool):
        raise TypeError(f"{field} is neither true nor false")
    return value


def _words(table: Mapping[str, Any], field: str) -> tuple[str, ...]:
    value = table.get(field, [])
    if not isinstance(value, list) or not all(isinstance(word, str) and word for word in value):
        raise ValueError(f"{field} is not a list of words")
    return tuple(value)


def _only(table: Mapping[str, Any], fields: Collection[str]) -> None:
    if unknown := table.keys() - set(fields):
        raise ValueError(f"has fields that mean nothing: {', '.join(sorted(unknown))}")


@contextlib.contextmanager
def _named(what: str) -> Iterator[None]:
    try:
        yield
    except KeyError as error:
        raise _bad(what, f"has no {error.args[0]}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise _bad(what, str(error)) from error


def _bad(what: str, mistake: str) -> ConfigurationError:
    return ConfigurationError(
        "bad-cuda-tables",
        f"tables of builds for accelerators, {what}: {mistake}",
        hint="this file is shipped with headrace; reinstall it or report this",
        fault_of="headrace",
    )


_TABLES = frozenset(
    {
        *("lead", "evidence", "floor", "zstd", "toolkit", "architectures", "tegra", "release"),
        *(
            "compiler",
            "patch",
            "follow",
            "requirement",
            "carried",
            "same_major",
            "rocm",
            "intel",
            "npu",
            "gpu",
            "chip",
        ),
    }
)
_ROWS = {
    "floor": frozenset({"major", "linux", "windows", "evidence"}),
    "toolkit": frozenset({"cuda", "linux", "windows", "evidence"}),
    "compiler": frozenset({"major", "first", "last", "ended", "evidence"}),
    "patch": frozenset({"version", "partners", "evidence"}),
    "gpu": frozenset({"capability", "names", "evidence"}),
    "chip": frozenset({"capability", "devices", "evidence"}),
    "requirement": frozenset({"project", "versions", "lead", "evidence"}),
    "carried": frozenset({"kind", "projects", "evidence"}),
    "intel": frozenset(
        {*("family", "name", "integrated", "validated", "devices", "names"), "evidence"}
    ),
    "release": frozenset(
        {
            *("version", "released", "pythons", "partners", "default", "glibc", "rocm"),
            *("builds", "evidence"),
        }
    ),
}
_BUILD_FIELDS = frozenset({"label", "cuda", *_MACHINES, "zstd", "glibc", "evidence"})
