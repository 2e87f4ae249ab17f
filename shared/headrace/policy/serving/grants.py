"""Who may ask a gateway that others reach, and for what. Pure.

The file of grants is TOML, of tables ``[[token]]``, ``[[network]]`` and ``[[certificate]]``. Each
has a ``name``, which logs tell, and says by what a client is known:

- a token by ``sha256``, the hash of the token in hexadecimal digits: whoever reads the file cannot
  ask with it. Tokens are drawn (`headrace fleet token`), so a plain hash cannot be guessed back;
- a network by its ``addresses``;
- a certificate, which one of the client authorities has signed, by ``subject``: its common name, or
  one of its DNS names.

What it opens: ``ecosystems`` (all, unless it is said), ``private`` (names of private origins; none,
unless it is said; never for a network), ``pages`` (``status``, ``metrics``; ``status`` tells names
of what was fetched). ``expires`` is a date or a time; ``rate`` (bytes a second) and ``downloads``
go before the settings.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any, TypeAlias

from headrace.setting_rules import WrongValue
from headrace.values import dataclass
from headrace.wording import meant, shown

__all__ = ["EVERYBODY", "Grant", "Grants", "fingerprint", "in_networks", "read"]

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

#: In place of the names of ecosystems: all of them.
_ALL = "all"
_PAGES = ("metrics", "status")
#: What each kind of table is known by.
_KEYS = {"token": "sha256", "network": "addresses", "certificate": "subject"}
_DIGITS = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Grant:
    """What a client may have."""

    name: str
    """Who it is, for logs and quotas."""
    ecosystems: frozenset[str] | None = None
    """None: all."""
    private: frozenset[str] = frozenset()
    """Names of the private origins that it may read from."""
    pages: frozenset[str] = frozenset()
    """The gateway's own pages that it may read."""
    rate: int | None = None
    """Bytes a second; None: as for everybody."""
    downloads: int | None = None
    """Files at a time; None: as for everybody."""
    replica: bool = False
    """It is another replica of the same fleet."""
    expires: float | None = None
    """Unix time from which it is worth nothing."""

    def covers(self, ecosystem: str) -> bool:
        """Whether it is for an ecosystem."""
        return self.ecosystems is None or ecosystem in self.ecosystems


EVERYBODY = Grant("anonymous")
"""Whoever it is, where everybody may ask."""


@dataclass(frozen=True, slots=True)
class Grants:
    """Everybody who is known."""

    tokens: Mapping[str, Grant]
    """By the token's SHA-256, hexadecimal digits."""
    networks: tuple[tuple[_Network, Grant], ...] = ()
    """The narrowest first."""
    certificates: Mapping[str, Grant] = field(default_factory=dict)

    def of_token(self, token: str, now: float) -> Grant | None:
        """Return what a token opens; None: nothing. The time that it takes tells nothing of it."""
        asked, found = fingerprint(token), None
        for known, grant in self.tokens.items():
            if hmac.compare_digest(known, asked):
                found = grant
        return _in_time(found, now)

    def of_address(self, address: str, now: float) -> Grant | None:
        """Return what the network of an address opens."""
        place = _address(address)
        for network, grant in self.networks:
            if place is not None and place.version == network.version and place in network:
                return _in_time(grant, now)
        return None

    def of_certificate(self, names: Iterable[str], now: float) -> Grant | None:
        """Return what a certificate with one of these names opens."""
        for name in names:
            if (grant := self.certificates.get(name)) is not None:
                return _in_time(grant, now)
        return None


def fingerprint(token: str) -> str:
    """Return the SHA-256 of a token, hexadecimal digits."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def in_networks(address: str, networks: Iterable[str]) -> bool:
    """Whether an address lies in one of the networks, which are written as ``10.0.0.0/8``."""
    place = _address(address)
    if place is None:
        return False
    every = (ipaddress.ip_network(each) for each in networks)
    return any(place.version == each.version and place in each for each in every)


def read(table: Mapping[str, Any]) -> tuple[Grants, tuple[str, ...]]:
    """Read a file of grants; return what is right of it, and a sentence for each mistake.

    An entry with a mistake is left out: it opens nothing.
    """
    mistakes = [
        f"{shown(key)} is no kind of client{meant(key, list(_KEYS))}"
        for key in table
        if key not in _KEYS
    ]
    tokens: dict[str, Grant] = {}
    networks: list[tuple[_Network, Grant]] = []
    certificates: dict[str, Grant] = {}
    for kind, known_by in _KEYS.items():
        entries = table.get(kind, [])
        if not isinstance(entries, list):
            mistakes.append(f"{kind} must be tables: [[{kind}]]")
            continue
        for number, entry in enumerate(entries, 1):
            try:
                grant, value = _entry(kind, known_by, entry)
                if kind == "token":
                    tokens[_hash(value)] = grant
                elif kind == "network":
                    networks += [(each, grant) for each in _networks(value)]
                else:
                    certificates[_text(known_by, value)] = grant
            except WrongValue as error:
                mistakes.append(f"[[{kind}]] number {number}: {error}")
    networks.sort(key=lambda each: -each[0].prefixlen)
    return Grants(tokens, tuple(networks), certificates), tuple(mistakes)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        place = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = place.ipv4_mapped if isinstance(place, ipaddress.IPv6Address) else None
    return place if mapped is None else mapped


def _in_time(grant: Grant | None, now: float) -> Grant | None:
    if grant is None or (grant.expires is not None and now >= grant.expires):
        return None
    return grant


def _entry(kind: str, known_by: str, entry: object) -> tuple[Grant, object]:
    if not isinstance(entry, Mapping):
        raise WrongValue("must be a table")
    every = {known_by, "name", "ecosystems", "private", "pages", "expires", "rate", "downloads"}
    for key in entry:
        if key not in every:
            raise WrongValue(f"{shown(key)} is nothing that it has{meant(key, sorted(every))}")
    if known_by not in entry:
        raise WrongValue(f"{known_by} is missing")
    private = _words("private", entry.get("private", []))
    if private and kind == "network":
        raise WrongValue("private origins are for clients that show something")
    pages = _words("pages", entry.get("pages", []))
    if unknown := sorted(pages - frozenset(_PAGES)):
        raise WrongValue(f"there is no page {shown(unknown[0])}: {', '.join(_PAGES)}")
    ecosystems = _words("ecosystems", entry.get("ecosystems", [_ALL]))
    grant = Grant(
        _text("name", entry.get("name", "")),
        None if _ALL in ecosystems else ecosystems,
        private,
        pages,
        _count("rate", entry.get("rate")),
        _count("downloads", entry.get("downloads")),
        expires=_time(entry.get("expires")),
    )
    return grant, entry[known_by]


def _text(key: str, value: object) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise WrongValue(f"{key} must be a word")
    return value


def _words(key: str, value: object) -> frozenset[str]:
    if not isinstance(value, list):
        raise WrongValue(f"{key} must be a list of words")
    return frozenset(_text(key, each) for each in value)


def _count(key: str, value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 2**53:
        raise WrongValue(f"{key} must be a whole number from 1")
    return value


def _time(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, dt.datetime):
        return (value if value.tzinfo else value.replace(tzinfo=dt.UTC)).timestamp()
    if isinstance(value, dt.date):
        return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC).timestamp()
    raise WrongValue("expires must be a date or a time as TOML has them, without quotes")


def _hash(value: object) -> str:
    text = value.lower() if isinstance(value, str) else ""
    if len(text) != 64 or not _DIGITS.issuperset(text):
        raise WrongValue("sha256 must be 64 hexadecimal digits: the hash, never the token itself")
    return text


def _networks(value: object) -> Sequence[_Network]:
    if not isinstance(value, list) or not value:
        raise WrongValue("addresses must be a list of networks, as '10.0.0.0/8'")
    try:
        return [ipaddress.ip_network(_text("addresses", each)) for each in value]
    except ValueError:
        raise WrongValue("addresses must be a list of networks, as '10.0.0.0/8'") from None
