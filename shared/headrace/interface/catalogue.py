"""The shipped catalogue of mirrors: facts as data, each with its source and date.

One file per ecosystem, ``data/<ecosystem>.toml``. `parse` is pure and names every mistake; `load`
is the only place that reads the package's data. What is dead or was never there stays in the file
as a fact, so that nobody adds it again, and is never offered; nor is what no code can read yet
(layout ``none``).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import enum
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from headrace import data
from headrace.errors import ConfigurationError
from headrace.models import Limits, Mirror, OperatorClass
from headrace.values import dataclass

__all__ = [
    "Catalogue",
    "CatalogueEntry",
    "Confidence",
    "Evidence",
    "KnownOrigin",
    "Status",
    "hosts",
    "load",
    "origins",
    "parse",
    "shipped",
    "table",
]


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


#: Days for which evidence holds. After that it is a hint: see `policy.evidence`.
_HOLDS = {Evidence.OPERATOR: 90, Evidence.LIST: 30, Evidence.COMMUNITY: 7}
_SERVES = {Status.OK, Status.DEGRADED, Status.RESTRICTED}
_OFFERED = {*_SERVES, Status.UNKNOWN}
#: What any server can or cannot do. A file adds its ecosystem's own words (`capabilities`).
_CAPABILITIES = ("range", "ipv6")
_YES_NO = ("yes", "no", "unknown")
_HOST = re.compile(r"https?://([\w.-]+)")
#: The layout of what no code can read.
_NO_LAYOUT = "none"

#: A mirror's place before anything was measured: what is certain first, whose operator is bound by
#: more than goodwill next. The user's own mirrors have 0.
_STATUS_RANK = {Status.OK: 10, Status.DEGRADED: 50, Status.UNKNOWN: 70, Status.RESTRICTED: 80}
_WHY_NOT = {
    Status.DEGRADED: "serves with a known weakness",
    Status.RESTRICTED: "serves some networks, countries or customers only",
    Status.UNKNOWN: "has no fresh evidence that it serves",
}
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
class CatalogueEntry:
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
    carries: tuple[str, ...]
    """As `Mirror.carries`."""
    limits: Limits
    gives_documents: bool
    account: bool
    """Needs an account of the user's own."""
    notes: tuple[str, ...]
    """What its operator asks, and what went wrong there, in a few words each."""
    sources: tuple[str, ...]

    @property
    def expires(self) -> dt.date | None:
        """Last day on which the evidence counts as fresh; None: it bears no date, so never."""
        if self.evidence_date is None:
            return None
        return self.evidence_date + dt.timedelta(days=_HOLDS[self.evidence])

    @property
    def offered(self) -> bool:
        """Whether it can be selected at all."""
        return self.status in _OFFERED and self.layout != _NO_LAYOUT

    @property
    def by_default(self) -> bool:
        """Whether it is used without being named in the settings."""
        return not _why_not(self)

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
            why_opt_in=_why_not(self),
            carries=self.carries,
            evidence_until=self.expires or dt.date.min,
        )


def _why_not(row: CatalogueEntry) -> str:
    """Say why a row is not used by default, to stand behind its name; "" where it is."""
    if row.account:
        return "needs an account of your own there"
    if row.status is not Status.OK:
        return _WHY_NOT.get(row.status, "is not there any more")
    if row.confidence is Confidence.LOW:
        return "is known by a single mention"
    nobodys = row.operator_class is OperatorClass.COMMUNITY
    return "has no operator who signs for it by name" if nobodys else ""


@dataclass(frozen=True, slots=True)
class KnownOrigin:
    """A public place that names things, and how its names stand in the words of mirrors."""

    url: str
    family: str
    """A word of the layouts: how its own paths are made."""
    names: tuple[str, ...]
    """What others call it by, the usual name first; empty: its URL is its name."""
    own_names: bool
    """What it names is not what mirrors have under that name, except where `public` says so."""
    public: tuple[str, ...]
    """Patterns, in its ecosystem's words, of what everybody may have without an account."""
    unmirrored: tuple[str, ...]
    """Patterns of what no mirror is known to have."""
    evidence_date: dt.date
    notes: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All that is known of one ecosystem's mirrors."""

    ecosystem: str
    rows: tuple[CatalogueEntry, ...]
    origins: tuple[KnownOrigin, ...] = ()

    def mirrors(self) -> Iterator[Mirror]:
        """Yield what can be selected, best guess first; `Mirror.opt_in` marks the rest."""
        for row in sorted(self.rows, key=lambda row: (row.rank, row.id)):
            if row.offered:
                yield row.mirror(self.ecosystem)


def load(ecosystem: str, layouts: Collection[str]) -> Catalogue:
    """Read the shipped file of an ecosystem; `layouts` are the words that its code knows."""
    return parse(ecosystem, _text(ecosystem), layouts)


def origins(ecosystem: str, layouts: Collection[str]) -> tuple[KnownOrigin, ...]:
    """Return what `load` says of origins, without reading about mirrors: those who ask at a
    command's start wait for less.
    """
    return parse(ecosystem, _text(ecosystem).partition(_MIRRORS)[0], layouts).origins


def hosts() -> set[str]:
    """Return every host that the shipped files name: none of them is a secret of anybody's."""
    found: set[str] = set()
    for ecosystem in shipped():
        found |= {each.lower() for each in _HOST.findall(_text(ecosystem))}
    return found


def _text(ecosystem: str) -> str:
    return data.text(f"{ecosystem}.toml")


def table(name: str) -> dict[str, Any]:
    """Return a shipped file that is no ecosystem's, as it is."""
    return tomllib.loads(_text(name))


def shipped() -> tuple[str, ...]:
    """Return the names of the shipped files; not each is an ecosystem's."""
    return tuple(sorted(file.stem for file in data.FOLDER.glob("*.toml")))


def parse(ecosystem: str, text: str, layouts: Collection[str]) -> Catalogue:
    """Check the whole file; ConfigurationError names the row and the field that is wrong."""
    try:
        file = tomllib.loads(text)
        _only(file, _TABLES)
        words = (*_CAPABILITIES, *_strings(file, "capabilities"))
    except ValueError as error:
        raise _bad(ecosystem, "file", str(error)) from error
    rows: dict[str, CatalogueEntry] = {}
    for table in file.get("mirror", ()):
        name = str(table.get("id", f"number {len(rows) + 1}"))
        with _named(ecosystem, name):
            row = _row(table, layouts, words)
        if row.id in rows:
            raise _bad(ecosystem, name, "is there twice")
        rows[row.id] = row
    origins: dict[str, KnownOrigin] = {}
    for table in file.get("origin", ()):
        name = str(table.get("url", f"origin number {len(origins) + 1}"))
        with _named(ecosystem, name):
            origin = _origin(table, layouts)
        if origin.url in origins:
            raise _bad(ecosystem, name, "is there twice")
        origins[origin.url] = origin
    return Catalogue(ecosystem, tuple(rows.values()), tuple(origins.values()))


@contextlib.contextmanager
def _named(ecosystem: str, name: str) -> Iterator[None]:
    try:
        yield
    except KeyError as error:
        raise _bad(ecosystem, name, f"has no {error.args[0]}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise _bad(ecosystem, name, str(error)) from error


def _only(table: Mapping[str, Any], fields: Collection[str]) -> None:
    if unknown := table.keys() - set(fields):
        raise ValueError(f"has fields that mean nothing: {', '.join(sorted(unknown))}")


def _strings(table: Mapping[str, Any], field: str) -> tuple[str, ...]:
    value = table.get(field, [])
    if not isinstance(value, list) or not all(isinstance(word, str) and word for word in value):
        raise ValueError(f"{field} is not a list of words")
    return tuple(value)


def _url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.query or "@" in parts.netloc:
        raise ValueError(f"{url!r} is not a plain https URL")
    return url.rstrip("/")


def _date(table: Mapping[str, Any]) -> dt.date | None:
    date = table.get("evidence_date")
    if date is None or (isinstance(date, dt.date) and not isinstance(date, dt.datetime)):
        return date
    raise ValueError("evidence_date is not a date")


def _sources(table: Mapping[str, Any]) -> tuple[str, ...]:
    if not table["sources"]:
        raise ValueError("has no source")
    return _strings(table, "sources")


def _origin(table: Mapping[str, Any], layouts: Collection[str]) -> KnownOrigin:
    _only(table, _ORIGIN_FIELDS)
    if table["family"] not in layouts:
        raise ValueError(f"family {table['family']!r} is none of {', '.join(sorted(layouts))}")
    date = _date(table)
    if date is None:
        raise KeyError("evidence_date")
    return KnownOrigin(
        url=_url(table["url"]),
        family=table["family"],
        names=_strings(table, "names"),
        own_names=bool(table.get("own_names", False)),
        public=_strings(table, "public"),
        unmirrored=_strings(table, "unmirrored"),
        evidence_date=date,
        notes=_strings(table, "notes"),
        sources=_sources(table),
    )


def _row(
    table: Mapping[str, Any], layouts: Collection[str], words: Collection[str]
) -> CatalogueEntry:
    _only(table, _FIELDS)
    status = Status(table["status"])
    layout = table["layout"]
    known = layout in layouts or (layout == _NO_LAYOUT and status not in _SERVES)
    if not known:
        raise ValueError(f"layout {layout!r} is none of {', '.join(sorted(layouts))}")
    _only(table.get("can", {}), words)
    can = {name: str(table.get("can", {}).get(name, "unknown")) for name in words}
    if wrong := [name for name, word in can.items() if word not in _YES_NO]:
        raise ValueError(f"capability {wrong[0]} is none of {', '.join(_YES_NO)}")
    return CatalogueEntry(
        id=table["id"],
        name=table["name"],
        operator=table["operator"],
        operator_class=OperatorClass(table["class"]),
        countries=tuple(table.get("countries", ())),
        status=status,
        confidence=Confidence(table["confidence"]),
        evidence=Evidence(table["evidence"]),
        evidence_date=_date(table),
        url=_url(table["url"]),
        other_urls=tuple(map(_url, _strings(table, "other_urls"))),
        layout=layout,
        capabilities=can,
        carries=_strings(table, "carries"),
        limits=Limits(
            connections=int(table["connections"]) if "connections" in table else None,
            probe=bool(table.get("probe", True)),
        ),
        gives_documents=bool(table.get("documents", False)),
        account=bool(table.get("account", False)),
        notes=_strings(table, "notes"),
        sources=_sources(table),
    )


_FIELDS = frozenset(
    {
        *("id", "name", "operator", "class", "countries", "status", "confidence", "evidence"),
        *("evidence_date", "url", "other_urls", "layout", "can", "connections", "probe"),
        *("documents", "account", "carries", "notes", "sources"),
    }
)
_ORIGIN_FIELDS = frozenset(
    {
        *("url", "family", "names", "own_names", "public", "unmirrored"),
        *("evidence_date", "notes", "sources"),
    }
)
_TABLES = frozenset({"capabilities", "mirror", "origin"})
#: Where mirrors begin in a shipped file: origins stand before the first.
_MIRRORS = "\n[[mirror]]\n"


def _bad(ecosystem: str, row: str, what: str) -> ConfigurationError:
    return ConfigurationError(
        "bad-catalogue",
        f"mirror catalogue of {ecosystem}, {row}: {what}",
        hint="this file is shipped with headrace; reinstall it or report this",
    )
