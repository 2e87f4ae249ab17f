"""Sizes as people write them. Pure."""

from __future__ import annotations

import re

from headrace.errors import UsageError
from headrace.wording import shown

__all__ = ["size_of"]

_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*([kmgt]?)(i?)b?(?:ytes?)?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def size_of(text: str, option: str) -> int:
    """Read ``5GB``, ``500 MB``, ``1.5GiB``, ``0``; UsageError names the option."""
    found = _SIZE.fullmatch(text.strip())
    if found is None or (found[3] and not found[2]):
        raise UsageError(
            "bad-size",
            f"{option} must be a size, not {shown(text)}",
            hint="for example 5GB, 500MB, 1.5GiB or 0",
        )
    base = 1024 if found[3] else 1000
    return int(float(found[1]) * base ** _POWERS[found[2].lower()])
