"""How an ecosystem finds out what an artifact's digest is when no single small page says so.

It asks step by step (`Want`), the core brings what is asked for (`Seen`), and the last step gives
the artifact. So the knowledge of formats stays pure, and who fetches, waits and keeps is the core.
"""

from __future__ import annotations

import enum
from collections.abc import Generator
from dataclasses import dataclass

from headrace.models import Artifact, Digest, ServeDocument

__all__ = ["Effort", "Entry", "LookUp", "Seen", "Want"]


class Effort(enum.Enum):
    """How far to go for a document."""

    AT_HAND = "at hand"
    """Only what is here, however old."""
    FETCH = "fetch"
    """What is here, however old, else the origin's."""
    RENEW = "renew"
    """The origin's word of now."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a document says of one artifact."""

    digest: Digest | None
    """None: nothing that proves anything (an MD5 alone)."""
    size: int | None


@dataclass(frozen=True, slots=True)
class Want:
    """One step of a look-up."""

    what: ServeDocument | Artifact
    """A document, or an artifact that is itself a page (its digest stands in another one)."""
    entry: str = ""
    """Of a document that is a table: the name whose entry is wanted; empty: all of its bytes."""
    effort: Effort = Effort.FETCH


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found."""

    version: str
    """Names the content: equal for equal bytes."""
    at: float
    """Epoch at which the origin last said that this is current."""
    body: bytes = b""
    entry: Entry | None = None


#: Yields what it needs, is sent what was found (None: it cannot be had), returns the artifact;
#: None: nobody names it.
LookUp = Generator[Want, Seen | None, Artifact | None]
