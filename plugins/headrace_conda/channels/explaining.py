"""What conda itself makes of a request here: which builds, and what it sees of the GPU.

conda is asked, with the user's own environment, so CONDA_OVERRIDE_CUDA counts as it does for conda.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from headrace.interface import Explanation, Place
from headrace_conda.channels import paths as places
from headrace_conda.tools import bases

__all__ = ["explain"]

#: Newest builds that are told, and the longest that conda's search is waited for, seconds.
_FEW = 6
_SEARCH = 60.0
#: How a record says that it needs a CUDA driver: ``__cuda >=12.9``.
_CUDA = re.compile(r"__cuda\s*(.*)")


def explain(what: str, version: str | None, place: Place) -> list[Explanation]:
    """Ask the first conda; nothing where there is none."""
    found = bases.find(place)
    if not found:
        return []
    told = bases.ask_conda(found[0], ["info", "--json"], place)
    seen = _cuda_of(told if isinstance(told, dict) else {})
    lines = [_why(seen, place.environment)]
    spec = f"{what}={version}" if version else what
    searched = bases.ask_conda(
        found[0], ["search", "--json", spec], place, patience=_SEARCH, plugins=True
    )
    records = _records(searched, what)
    if not records:
        lines.append(f"conda knows no {spec} in its channels")
    builds = [_build(record, seen) for record in records]
    lines += [build["line"] for build in builds]
    if builds and not any(build["fits"] for build in builds):
        lines.append("none of these can be solved for here; an older release, or a CPU build, may")
    likely = next((build for build in builds if build["fits"]), None)
    paths = (likely["path"],) if likely and likely["path"] else ()
    table = {"base": str(found[0].prefix), "__cuda": seen, "builds": builds}
    return [Explanation("conda", tuple(lines), paths, table)]


def _cuda_of(info: Mapping[str, Any]) -> str | None:
    for entry in info.get("virtual_pkgs") or ():
        if isinstance(entry, Sequence) and entry[:1] == ["__cuda"]:
            return str(entry[1])
    return None


def _why(seen: str | None, env: Mapping[str, str]) -> str:
    override = env.get("CONDA_OVERRIDE_CUDA")
    if override is not None and seen is not None:
        return f"__cuda is {seen}, because CONDA_OVERRIDE_CUDA says so"
    if override is not None:
        return "no __cuda, because CONDA_OVERRIDE_CUDA is set to nothing: solves take CPU builds"
    if seen is not None:
        return f"__cuda is {seen}: the newest CUDA that the driver of this host runs"
    return (
        "no __cuda: conda finds no CUDA driver here, so solves take CPU builds "
        "(CONDA_OVERRIDE_CUDA=12.4 solves for a host that has one)"
    )


def _records(searched: Any, what: str) -> list[Mapping[str, Any]]:
    """Return the newest builds, newest first, of each version and build once."""
    listed = searched.get(what.lower()) if isinstance(searched, dict) else None
    records = [each for each in listed or () if isinstance(each, dict)]
    records.sort(key=_rank, reverse=True)
    unique: dict[tuple[Any, Any], Mapping[str, Any]] = {}
    for record in records:
        unique.setdefault((record.get("version"), record.get("build")), record)
    return list(unique.values())[:_FEW]


def _rank(record: Mapping[str, Any]) -> tuple[Version, int, float, bool]:
    """Order as conda prefers them."""
    number, built = record.get("build_number") or 0, record.get("timestamp") or 0
    preferred = str(record.get("url")).endswith(".conda")
    return _number(record.get("version")), number, built, preferred


def _number(text: Any) -> Version:
    try:
        return Version(str(text))
    except InvalidVersion:
        return Version("0")


def _build(record: Mapping[str, Any], seen: str | None) -> dict[str, Any]:
    needs = next(_needs(record.get("depends")), None)
    fits, words = True, ""
    if needs is not None:
        fits = seen is not None and _satisfies(seen, needs)
        words = f"; needs __cuda {needs}".rstrip() + ("" if fits else ": out")
    size = record.get("size")
    shown = f", {size / 1e6:.1f} MB" if isinstance(size, int) else ""
    # conda 26 shows the folder and the file, older ones the URL too.
    url = str(record.get("url") or f"{record.get('channel')}/{record.get('fn')}")
    return {
        "line": f"{record.get('version')} {record.get('build')}{shown}{words}",
        "version": record.get("version"),
        "build": record.get("build"),
        "size": size,
        "needs": needs,
        "fits": fits,
        "url": url,
        "path": unquote(places.gateway_path(url) or ""),
    }


def _needs(depends: Any) -> Iterator[str]:
    for each in depends if isinstance(depends, list) else ():
        if match := _CUDA.fullmatch(str(each).strip()):
            yield match[1].strip()


def _satisfies(seen: str, needs: str) -> bool:
    """Whether a version satisfies a condition as conda writes it; one that cannot be read does."""
    try:
        # ``|`` is or, ``,`` is and; a bare version means all that begin with it, as ``=`` does.
        return any(
            SpecifierSet(",".join(map(_condition, part.split(",")))).contains(Version(seen), True)
            for part in needs.partition(" ")[0].split("|")
        )
    except (InvalidSpecifier, InvalidVersion):
        return True


def _condition(text: str) -> str:
    if text[:1] in "<>!~" or text.startswith("==") or not text:
        return text
    return f"=={text.lstrip('=').removesuffix('*').rstrip('.')}.*"
