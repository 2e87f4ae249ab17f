"""How an ecosystem finds out what an artifact's digest is when no single small page says so.

It asks step by step (`LookUpStep`), the core brings what is asked for (`LookUpResult`), and the
last step gives the artifact. So the knowledge of formats stays pure, and who fetches, waits and
keeps is the core.
"""

from __future__ import annotations

import enum
from collections.abc import Generator, Mapping
from dataclasses import field

from headrace.models import Artifact, Digest, Origin, ServeDocument
from headrace.values import dataclass

__all__ = ["CacheMode", "Entry", "HeadRequest", "LookUp", "LookUpResult", "LookUpStep"]


class CacheMode(enum.Enum):
    """How far to go for a document."""

    ONLY_IF_CACHED = "at hand"
    """Only what is here, however old."""
    FORCE_CACHE = "fetch"
    """What is here, however old, else the origin's."""
    NO_CACHE = "renew"
    """The origin's word of now."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a document says of one artifact."""

    digest: Digest | None
    """None: nothing that proves anything (an MD5 alone)."""
    size: int | None


@dataclass(frozen=True, slots=True)
class HeadRequest:
    """What an origin says of an object without giving it: the answer to a HEAD."""

    origin: Origin
    url: str
    accept: str
    """The Accept header for the origin; what it says depends on it."""
    keep: tuple[str, ...] = ("content-type", "content-length")
    """The headers that are wanted, lower-case names."""
    lifetime: float = 0.0
    """Seconds for which an answer stands for the next ones."""
    stale_if_error: float = 0.0
    """Seconds for which an answer stands while the origin cannot be asked."""
    alike: tuple[str, ...] = ()
    """Accept headers of others: while the origin cannot be asked, the answer to one of them stands
    for this question too, where its content type is one that `accept` names."""

    @property
    def key(self) -> str:
        """Name the question."""
        return f"HEAD {self.url} {self.accept}"


@dataclass(frozen=True, slots=True)
class LookUpStep:
    """One step of a look-up."""

    what: ServeDocument | Artifact | HeadRequest
    """A document, an artifact that is itself a page (its digest stands in another one), or what
    the origin says of something.
    """
    entry: str = ""
    """Of a document that is a table: the name whose entry is wanted; empty: all of its bytes."""
    effort: CacheMode = CacheMode.FORCE_CACHE
    meanwhile: Artifact | None = None
    """What its client gets at once where this has to be asked for first: the origin's own bytes,
    as it would without us (so no digest). The look-up goes on for those who come later.
    """


@dataclass(frozen=True, slots=True)
class LookUpResult:
    """What was found."""

    version: str
    """Names the content: equal for equal bytes."""
    at: float
    """Epoch at which the origin last said that this is current."""
    body: bytes = b""
    entry: Entry | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of the answer to a HEAD; lower-case names."""
    stale: bool = False
    """The origin cannot be asked now."""
    private: bool = False
    """The origin says it to those with a credential only."""


#: Yields what it needs, is sent what was found (None: it cannot be had), returns the artifact;
#: None: nobody names it.
LookUp = Generator[LookUpStep, LookUpResult | None, Artifact | None]
