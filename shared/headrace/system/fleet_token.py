"""The token that a shared gateway wants of this machine."""

from __future__ import annotations

import logging
from pathlib import Path

from headrace.errors import LocalError
from headrace.fleet_settings import FleetSettings
from headrace.ownership import files as ownership

__all__ = ["fleet_token"]

_log = logging.getLogger("headrace.logins")

#: Bytes of the file.
_LARGEST = 4096


def fleet_token(settings: FleetSettings | None) -> str | None:
    """Return the first line of the file that holds it; None where it cannot be read, which the log
    says, or where there is none.
    """
    if settings is None or not settings.token_file:
        return None
    path = Path(settings.token_file).expanduser()
    try:
        text = ownership.read(path, most=_LARGEST).decode()
    except (OSError, LocalError, UnicodeDecodeError) as error:
        _log.warning("the token for %s cannot be read from %s: %s", settings.url, path, error)
        return None
    return text.strip().partition("\n")[0].strip() or None
