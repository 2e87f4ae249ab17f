"""What a client does when a file does not come as it should, as its User-Agent tells it. Pure.

Some clients go on elsewhere when a file proves wrong at its end, or when a 404 comes for it; for
others that is the end of the command. Which are which is measured (``data/clients.toml``); who is
not known counts as one that can take nothing back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from headrace.policy.timeouts import PROMISED_GAP
from headrace.values import dataclass

__all__ = ["ClientTraits", "Clients", "KnownClient", "product"]

_VERSION = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){0,3}")
_PRODUCT = re.compile(r"([A-Za-z][A-Za-z0-9._-]{0,30})(?:/([A-Za-z0-9._+-]{1,20}))?(?=[ (;]|$)")
#: Characters of a User-Agent that are looked at: longer ones are nobody's that is known.
_LONGEST = 4096
#: Seconds that somebody is waited for at most, also by clients that set no limit.
AT_MOST = 600.0


@dataclass(frozen=True, slots=True)
class ClientTraits:
    """How one client takes what goes wrong."""

    takes_back: bool = False
    """Goes on rightly where a part of a file proved wrong after it was given."""
    after_404: bool = False
    """Goes to the origin by itself after a 404 in a file's place."""
    after_redirect: bool = True
    """Follows a redirect in a file's place."""
    patience: float = PROMISED_GAP
    """Seconds without a byte that it bears."""


@dataclass(frozen=True, slots=True)
class KnownClient:
    """A row of the table: whom it is about, and what was seen."""

    agent: str
    """What its User-Agent begins with, up to the version."""
    traits: ClientTraits
    since: tuple[int, ...] = ()
    before: tuple[int, ...] = ()
    """Empty: all versions."""
    without: str = ""
    """A text that is not in its User-Agent; empty: any may be."""
    least_rate: tuple[float, float] = (0.0, 0.0)
    """Bytes per second below which it gives up, and over how many seconds; 0: no such rule."""

    def fits(self, user_agent: str) -> bool:
        """Say whether this is the client's. A version that cannot be read is none of a range."""
        if not user_agent.startswith(self.agent):
            return False
        if self.without and self.without in user_agent:
            return False
        if not (self.since or self.before):
            return True
        found = _VERSION.match(user_agent, len(self.agent))
        if found is None:
            return False
        version = tuple(int(part) for part in found[0].split("."))
        return self.since <= version and (not self.before or version < self.before)


class Clients:
    """The table."""

    def __init__(self, rows: Sequence[KnownClient], unknown: ClientTraits) -> None:
        """Of rows that fit the first counts."""
        self.rows = tuple(rows)
        self.unknown = unknown

    def of(self, user_agent: str) -> ClientTraits:
        """Return how the client takes what goes wrong."""
        if len(user_agent) > _LONGEST:
            return self.unknown
        return next((row.traits for row in self.rows if row.fits(user_agent)), self.unknown)


def product(agent: str) -> str:
    """Return a User-Agent's first product, for people: ``pip 25.2``; "" where it names none
    (RFC 9110 section 10.1.5).
    """
    found = _PRODUCT.match(agent[:_LONGEST])
    return "" if found is None else " ".join(filter(None, found.groups()))
