"""Well-known images as data: where they are, how their tags are spelt, what these say.

The facts stand in ``data/images.toml`` with their source and date. That a tag exists is never among
them: its registry says so. Pure, but for the one reading of the shipped file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from headrace.interface import BuildKind, ConfigurationError, Host, dataclass
from headrace_docker.registry_api.registries import HUB

__all__ = ["Families", "ImageFamily", "families", "read_families"]

_KEYS = {
    *("name", "also", "repository", "kind", "lead", "flavour", "spellings", "cuda", "demands"),
    *("compat", "holds", "wrapper", "date", "sources"),
}
#: Where CUDA stands.
_PLACES = ("tag", "configuration", "none")

Numbers = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ImageFamily:
    """One row: images of one kind in one repository."""

    name: str
    also: tuple[str, ...]
    registry: str
    repository: str
    kind: BuildKind
    lead: bool
    flavour: str
    """Taken where nobody says; empty: there is only one."""
    spellings: tuple[re.Pattern[str], ...]
    cuda: str
    """``tag``, ``configuration`` or ``none``."""
    demands: bool
    compat: bool
    holds: tuple[tuple[Numbers, Numbers], ...]
    """From which version on which CUDA at least, the oldest first."""
    date: str
    sources: tuple[str, ...]
    wrapper: str = ""
    """Its entry program, where that ends in the command it is given."""

    @property
    def place(self) -> str:
        """As an engine is told: ``docker.io/pytorch/pytorch``."""
        return f"{self.registry}/{self.repository}"


@dataclass(frozen=True, slots=True)
class Families:
    """All that is known."""

    rows: tuple[ImageFamily, ...]
    datacentre: tuple[re.Pattern[str], ...]

    @property
    def names(self) -> list[str]:
        """Every name that may be typed."""
        return list(dict.fromkeys(name for row in self.rows for name in (row.name, *row.also)))

    def named(self, word: str, kind: BuildKind) -> ImageFamily | None:
        """Return the row of a name, in capitals or not, for a kind of host, else its first one."""
        word = word.lower()
        rows = [row for row in self.rows if word in (row.name, *row.also)]
        return next((row for row in rows if row.kind is kind), rows[0] if rows else None)

    def at(self, registry: str, repository: str, kind: BuildKind) -> ImageFamily | None:
        """Return the row of a repository, also of a copy of it elsewhere
        (``harbor.example/hub/pytorch/pytorch``).
        """

        def same(row: ImageFamily) -> bool:
            if (row.registry, row.repository) == (registry, repository):
                return True
            return registry != row.registry and f"/{repository}".endswith(f"/{row.repository}")

        rows = [row for row in self.rows if same(row)]
        return next((row for row in rows if row.kind is kind), rows[0] if rows else None)

    def is_datacentre(self, host: Host) -> bool:
        """Whether every NVIDIA GPU of a host is a data centre's: what its name says decides."""
        names = [gpu.name for gpu in host.accelerators if gpu.maker == "nvidia"]
        return bool(names) and all(map(self._is_datacentre, names))

    def _is_datacentre(self, name: str) -> bool:
        words = re.findall(r"[A-Za-z0-9]+", name)
        if {word.lower() for word in words} & {"geforce", "rtx", "gtx", "quadro", "titan"}:
            return False
        return any(each.fullmatch(word) for word in words for each in self.datacentre)


@cache
def families() -> Families:
    """Return what headrace ships."""
    from headrace.interface import catalogue  # noqa: PLC0415 - start-up time of commands

    return read_families(catalogue.table("images"))


def read_families(table: Mapping[str, Any]) -> Families:
    """Check and read the whole file; ConfigurationError names the row that is wrong."""
    rows = []
    for number, row in enumerate(table.get("family", ()), 1):
        try:
            rows.append(_row(row))
        except (KeyError, TypeError, ValueError, re.error) as error:
            text = f"images.toml, family number {number}: {error}"
            raise ConfigurationError("bad-images", text) from error
    about = table["datacentre"]
    return Families(tuple(rows), tuple(re.compile(each, re.IGNORECASE) for each in about["words"]))


def _row(row: Mapping[str, Any]) -> ImageFamily:
    if unknown := row.keys() - _KEYS:
        raise ValueError(f"unknown keys {sorted(unknown)}")
    if row["cuda"] not in _PLACES or not row["sources"] or not row["date"]:
        raise ValueError("where CUDA stands, the source and its date have to be said")
    registry, _, repository = row["repository"].partition("/")
    spellings = tuple(re.compile(each) for each in row["spellings"])
    if not all("version" in each.groupindex for each in spellings):
        raise ValueError("a spelling has no version")
    return ImageFamily(
        name=row["name"],
        also=tuple(row.get("also", ())),
        registry=registry or HUB,
        repository=repository,
        kind=BuildKind(row["kind"]),
        lead=bool(row.get("lead")),
        flavour=row.get("flavour", ""),
        spellings=spellings,
        cuda=row["cuda"],
        demands=bool(row.get("demands")),
        compat=bool(row.get("compat")),
        holds=tuple((numbers(since), numbers(cuda)) for since, cuda in row.get("holds", ())),
        date=str(row["date"]),
        sources=tuple(row["sources"]),
        wrapper=row.get("wrapper", ""),
    )


def numbers(text: str) -> Numbers:
    """Read ``12.6`` as (12, 6)."""
    return tuple(int(part) for part in text.split("."))
