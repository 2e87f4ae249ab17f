"""Times as people write and read them. Pure: now is an argument."""

from __future__ import annotations

import re

from headrace.errors import UsageError
from headrace.wording import shown

__all__ = ["ago", "seconds_of"]

_UNITS = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SPAN = re.compile(r"\s*([0-9]{1,6}(?:\.[0-9]{1,3})?)\s*(s|min|m|h|d|w)\s*", re.IGNORECASE)


def ago(seconds: float) -> str:
    """Write a span: ``3 d``, ``5 h``, ``12 min``, ``40 s``."""
    for unit in ("d", "h", "min"):
        if seconds >= _UNITS[unit]:
            return f"{seconds / _UNITS[unit]:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def seconds_of(text: str, option: str) -> float:
    """Read ``90s``, ``10min``, ``2h``, ``1d``; UsageError names the option."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise UsageError(
            "bad-time",
            f"{option} must be a span of time, not {shown(text)}",
            hint="for example 30min, 2h, 1d",
        )
    return float(found[1]) * _UNITS[found[2].lower()]
