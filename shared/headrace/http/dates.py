"""Dates in header fields (RFC 9110 section 5.6.7), in whichever form servers write them. Pure."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from headrace.foreign import UnreadableError, foreign

__all__ = ["epoch_of"]

#: Characters of a date, in whichever form.
_LONGEST = 100


def epoch_of(date: str) -> float | None:
    """Return a date as an epoch; None where it is none."""
    try:
        with foreign("a date"):
            return parsedate_to_datetime(date.strip()[:_LONGEST]).timestamp()
    except UnreadableError:
        return None
