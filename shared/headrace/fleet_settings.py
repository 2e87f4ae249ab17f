"""Settings of a machine that takes its bytes from a shared gateway first: the table ``[fleet]`` of
`config.toml`. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from headrace.errors import SettingsError
from headrace.models import Mirror, OperatorClass
from headrace.setting_rules import is_plain, mistake
from headrace.values import dataclass
from headrace.wording import meant

__all__ = ["GATEWAY", "FleetSettings", "mirror_of"]

_TABLE = "fleet"
#: The id of the fleet among sources, in statistics and logs.
_ID = "fleet"
GATEWAY = "headrace"
"""The layout of another gateway of headrace's: a file lies there by the path that it has here."""


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """Which shared gateway, and what its word is worth."""

    url: str = ""
    """Base URL of the shared gateway (``https://headrace.lab.example``); empty: none is used."""
    token_file: str = ""
    """File that holds the token which it wants, alone in its first line."""
    authorities: str = ""
    """PEM file of the authorities that its certificate is checked by, beside the usual ones."""
    documents: str = "provisional"
    """``provisional``: its index pages are used while the origin confirms each file, as those of a
    named operator's mirror are. ``origin``: bytes alone come from it."""

    @classmethod
    def parse(cls, table: object, path: Path) -> tuple[FleetSettings, tuple[SettingsError, ...]]:
        """Read the table as far as it is understood, and return every mistake in it."""
        if not isinstance(table, Mapping):
            return cls(), (mistake(path, _TABLE, "must be a table: [fleet]", table),)
        known = [each.name for each in fields(cls)]
        values: dict[str, Any] = {}
        mistakes: list[SettingsError] = []
        for key, value in table.items():
            name = f"{_TABLE}.{key}"
            if key not in known:
                guess = meant(key, known)
                told = f"is not a setting{guess} There are {', '.join(known)}"
                told = told if guess else told.replace(" There are", "; there are")
                mistakes.append(mistake(path, name, told))
            elif not isinstance(value, str):
                mistakes.append(mistake(path, name, "must be a string", value))
            elif key == "url" and value and not is_plain(value):
                what = "must be a URL as 'https://headrace.lab.example', without a token"
                mistakes.append(mistake(path, name, what, value))
            elif key == "documents" and value not in ("provisional", "origin"):
                what = "must be 'provisional' or 'origin'"
                mistakes.append(mistake(path, name, what, value, ("provisional", "origin")))
            else:
                values[key] = value.rstrip("/") if key == "url" else value
        return cls(**values), tuple(mistakes)


def mirror_of(settings: FleetSettings | None, ecosystem: str) -> tuple[Mirror, ...]:
    """Return the shared gateway as an ecosystem's first mirror; none where none is used."""
    if settings is None or not settings.url:
        return ()
    return (
        Mirror(
            _ID,
            ecosystem,
            settings.url,
            GATEWAY,
            operator="the fleet's own",
            operator_class=OperatorClass.ORGANISATION,
            gives_documents=settings.documents == "provisional",
            rank=-1,
            login=bool(settings.token_file),
            own=True,
            first=True,
        ),
    )
