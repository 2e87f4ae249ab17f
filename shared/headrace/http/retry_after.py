"""When a server wants to be asked again: Retry-After as RFC 9110 section 10.2.3 has it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from headrace.http.dates import epoch_of

__all__ = ["LONGEST", "retry_after"]

LONGEST = 24 * 3600.0
"""Most seconds that are believed: a typing error must not ban for a year."""


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return seconds from now, 0 for a time that has passed; None where none is named.

    `now` is an epoch. A date is held against the server's own Date where it gives one, because
    its clock named both. Of several times the latest counts.
    """
    value = headers.get("retry-after", "").strip()
    if not value:  # as of nearly all answers: a date costs what all the rest of a head does
        return None
    parts = [part.strip() for part in value.split(",")]
    if all(part.isascii() and part.isdigit() for part in parts):
        seconds: float | None = max(float(part[:12]) for part in parts)
    else:
        there, date = epoch_of(headers.get("date", "")), epoch_of(value)
        seconds = None if date is None else date - (now if there is None else there)
    return None if seconds is None else min(max(seconds, 0.0), LONGEST)
