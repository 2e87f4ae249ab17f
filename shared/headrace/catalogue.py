"""The shipped catalogue of mirrors: facts as data, each with its source and date.

One file per ecosystem, ``data/<ecosystem>.toml``. `parse` is pure and names every mistake; `load`
is the only place that reads the package's data. What is dead or was never there stays in the file
as a fact, so that nobody adds it again, and is never offered.
"""

from __future__ import annotations

import datetime as dt
import enum
import importlib.resources
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from headrace.errors import ConfigurationError
from headrace.models import Limits, Mirror, OperatorClass

__all__ = ["Catalogue", "Confidence", "Evidence", "Row", "Status", "load", "parse"]


class Status(enum.StrEnum):
    """What is known of a service."""

    OK = "ok"
    DEGRADED = "degraded"
    """Serves, with a known weakness."""
    RESTRICTED = "restricted"
    """For some networks, countries or customers only."""
    UNKNOWN = "unknown"
    """No fresh evidence."""
    ABSENT = "absent"
    """Claimed somewhere, and not there."""
    DEAD = "dead"


class Confidence(enum.StrEnum):
    """How sure that is."""

    HIGH = "high"
    """The operator's own text or code."""
    MEDIUM = "medium"
    """A maintained list, or a measurement with a date."""
    LOW = "low"
    """A single mention, or one without a date."""


class Evidence(enum.StrEnum):
    """Who says so, which decides how long it is believed."""

    OPERATOR = "operator"
    LIST = "list"
    COMMUNITY = "community"


#: Days for which evidence holds. After that it is no less a fact, only to be measured before use.
_HOLDS = {Evidence.OPERATOR: 90, Evidence.LIST: 30, Evidence.COMMUNITY: 7}
_OFFERED = {Status.OK, Status.DEGRADED, Status.RESTRICTED, Status.UNKNOWN}
_CAPABILITIES = ("pep691", "pep658", "range", "ipv6")
_YES_NO = ("yes", "no", "unknown")

#: A mirror's place before anything was measured: what is certain first, whose operator is bound by
#: more than goodwill next. The user's own mirrors have 0.
_STATUS_RANK = {Status.OK: 10, Status.DEGRADED: 50, Status.UNKNOWN: 70, Status.RESTRICTED: 80}
_CONFIDENCE_RANK = {Confidence.HIGH: 0, Confidence.MEDIUM: 5, Confidence.LOW: 15}
_CLASS_RANK = {
    OperatorClass.OFFICIAL: 0,
    OperatorClass.ORGANISATION: 1,
    OperatorClass.UNIVERSITY: 1,
    OperatorClass.CLOUD: 2,
    OperatorClass.COMMERCIAL: 4,
    OperatorClass.COMMUNITY: 8,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One service of one operator."""

    id: str
    name: str
    operator: str
    operator_class: OperatorClass
    countries: tuple[str, ...]
    """ISO 3166 codes; empty: everywhere."""
    status: Status
    confidence: Confidence
    evidence: Evidence
    evidence_date: dt.date | None
    """Of the newest evidence; None: it bears no date."""
    url: str
    other_urls: tuple[str, ...]
    """Other names of the same service; never a second source."""
    layout: str
    capabilities: Mapping[str, str]
    limits: Limits
    gives_documents: bool
    account: bool
    """Needs an account of the user's own."""
    notes: tuple[str, ...]
    """What its operator asks, and what went wrong there, in a few words each."""
    sources: tuple[str, ...]

    @property
    def expires(self) -> dt.date | None:
        """Day after which the evidence is only a hint; None: it is no more than that now."""
        if self.evidence_date is None:
            return None
        return self.evidence_date + dt.timedelta(days=_HOLDS[self.evidence])

    @property
    def offered(self) -> bool:
        """Whether it can be selected at all."""
        return self.status in _OFFERED

    @property
    def by_default(self) -> bool:
        """Whether it is used without being named in the settings."""
        return (
            self.status is Status.OK
            and self.confidence is not Confidence.LOW
            and self.operator_class is not OperatorClass.COMMUNITY
            and not self.account
        )

    @property
    def rank(self) -> int:
        """Its place before anything was measured; lower is tried first."""
        return (
            _STATUS_RANK.get(self.status, 90)
            + _CONFIDENCE_RANK[self.confidence]
            + _CLASS_RANK[self.operator_class]
        )

    def mirror(self, ecosystem: str) -> Mirror:
        """Return it as selection knows mirrors."""
        return Mirror(
            id=self.id,
            ecosystem=ecosystem,
            url=self.url,
            layout=self.layout,
            operator=self.operator,
            operator_class=self.operator_class,
            countries=self.countries,
            limits=self.limits,
            gives_documents=self.gives_documents,
            rank=self.rank,
            opt_in=not self.by_default,
        )


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All that is known of one ecosystem's mirrors."""

    ecosystem: str
    rows: tuple[Row, ...]

    def mirrors(self) -> Iterator[Mirror]:
        """Yield what can be selected, best guess first; `Mirror.opt_in` marks the rest."""
        for row in sorted(self.rows, key=lambda row: (row.rank, row.id)):
            if row.offered:
                yield row.mirror(self.ecosystem)


def load(ecosystem: str, layouts: Collection[str]) -> Catalogue:
    """Read the shipped file of an ecosystem; `layouts` are the words that its code knows."""
    file = importlib.resources.files("headrace").joinpath("data", f"{ecosystem}.toml")
    return parse(ecosystem, file.read_text("utf-8"), layouts)


def parse(ecosystem: str, text: str, layouts: Collection[str]) -> Catalogue:
    """Check the whole file; ConfigurationError names the row and the field that is wrong."""
    try:
        tables = tomllib.loads(text).get("mirror", [])
    except tomllib.TOMLDecodeError as error:
        raise _bad(ecosystem, "file", str(error)) from error
    rows: dict[str, Row] = {}
    for table in tables:
        name = str(table.get("id", f"number {len(rows) + 1}"))
        try:
            row = _row(table, layouts)
        except KeyError as error:
            raise _bad(ecosystem, name, f"has no {error.args[0]}") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise _bad(ecosystem, name, str(error)) from error
        if row.id in rows:
            raise _bad(ecosystem, name, "is there twice")
        rows[row.id] = row
    return Catalogue(ecosystem, tuple(rows.values()))


def _row(table: Mapping[str, Any], layouts: Collection[str]) -> Row:
    if unknown := table.keys() - _FIELDS:
        raise ValueError(f"has fields that mean nothing: {', '.join(sorted(unknown))}")
    status = Status(table["status"])
    layout = table["layout"]
    if layout not in layouts and (status in _OFFERED or layout != "none"):
        raise ValueError(f"layout {layout!r} is none of {', '.join(sorted(layouts))}")
    can = {name: str(table.get("can", {}).get(name, "unknown")) for name in _CAPABILITIES}
    if wrong := [name for name, word in can.items() if word not in _YES_NO]:
        raise ValueError(f"capability {wrong[0]} is none of {', '.join(_YES_NO)}")
    urls = (table["url"], *table.get("other_urls", ()))
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or parts.query or "@" in parts.netloc:
            raise ValueError(f"{url!r} is not a plain https URL")
    date = table.get("evidence_date")
    if date is not None and (not isinstance(date, dt.date) or isinstance(date, dt.datetime)):
        raise ValueError("evidence_date is not a date")
    if not table["sources"]:
        raise ValueError("has no source")
    return Row(
        id=table["id"],
        name=table["name"],
        operator=table["operator"],
        operator_class=OperatorClass(table["class"]),
        countries=tuple(table.get("countries", ())),
        status=status,
        confidence=Confidence(table["confidence"]),
        evidence=Evidence(table["evidence"]),
        evidence_date=date,
        url=urls[0].rstrip("/"),
        other_urls=tuple(url.rstrip("/") for url in urls[1:]),
        layout=layout,
        capabilities=can,
        limits=Limits(
            connections=int(table.get("connections", Limits().connections)),
            probe=bool(table.get("probe", True)),
        ),
        gives_documents=bool(table.get("documents", False)),
        account=bool(table.get("account", False)),
        notes=tuple(table.get("notes", ())),
        sources=tuple(table["sources"]),
    )


_FIELDS = frozenset(
    {
        *("id", "name", "operator", "class", "countries", "status", "confidence", "evidence"),
        *("evidence_date", "url", "other_urls", "layout", "can", "connections", "probe"),
        *("documents", "account", "notes", "sources"),
    }
)


def _bad(ecosystem: str, row: str, what: str) -> ConfigurationError:
    return ConfigurationError(
        "bad-catalogue",
        f"mirror catalogue of {ecosystem}, {row}: {what}",
        hint="this file is shipped with headrace; reinstall it or report this",
    )
