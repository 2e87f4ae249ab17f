"""The shipped table of clients: what they do when a file does not come as it should.

`parse` is pure and names every mistake; `load` is the only place that reads the package's data.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from typing import Any

from headrace import data
from headrace.errors import ConfigurationError
from headrace.policy.clients import AT_MOST, Clients, ClientTraits, KnownClient

__all__ = ["load", "parse"]

_FIELDS: Mapping[str, type] = {
    "agent": str,
    "since": str,
    "before": str,
    "without": str,
    "takes_back": bool,
    "after_404": bool,
    "after_redirect": bool,
    "patience": float,
    "least_rate": float,
    "least_rate_over": float,
    "tried": str,
    "notes": str,
}


@functools.cache
def load() -> Clients:
    """Read the shipped file."""
    return parse(data.text("clients.toml"))


def parse(text: str) -> Clients:
    """Check the whole file; ConfigurationError names the row and the field that is wrong."""
    try:
        file = tomllib.loads(text)
        unknown = ClientTraits(patience=float(file["unknown"]["patience"]))
        return Clients([_row(table) for table in file.get("client", ())], unknown)
    except (ValueError, KeyError, TypeError) as error:
        message = f"data/clients.toml: {error}"
        raise ConfigurationError("bad-clients", message, hint="report this") from error


def _row(table: Mapping[str, Any]) -> KnownClient:
    name = str(table.get("agent", "a client without `agent`"))
    for key, value in table.items():
        if type(value) is not _FIELDS.get(key):
            raise ValueError(f"{name}: `{key}` is not known, or not of its kind")
    if not table["agent"] or not table.get("tried"):
        raise ValueError(f"{name}: who was tried, and when, is missing")
    traits = ClientTraits(
        takes_back=table.get("takes_back", False),
        after_404=table.get("after_404", False),
        after_redirect=table.get("after_redirect", True),
        patience=table.get("patience", AT_MOST),
    )
    if traits.patience <= 0:
        raise ValueError(f"{name}: `patience` is no time")
    return KnownClient(
        table["agent"],
        traits,
        since=_version(table.get("since", "")),
        before=_version(table.get("before", "")),
        without=table.get("without", ""),
        least_rate=(table.get("least_rate", 0.0), table.get("least_rate_over", 0.0)),
    )


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")) if text else ()
