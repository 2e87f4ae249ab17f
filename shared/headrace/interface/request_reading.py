"""How an ecosystem finds out what else a client asks for beside the one page that it waits for.

From the program at the other end it reads what its user typed; for what others' packages bring it
asks for documents (pages, metadata) that the client will ask for next, a few at a time. So the
knowledge of command lines and formats stays in the ecosystem, and who fetches, waits and ends it
in time is the core.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

from headrace.models import Document, ServeArtifact, ServeDocument
from headrace.values import dataclass
from headrace.variants.hosts import VariantRequest

__all__ = ["NamedDocument", "RequestRead", "RequestReading"]


@dataclass(frozen=True, slots=True)
class RequestRead:
    """What was found out."""

    request: VariantRequest
    whole: bool = True
    """False: more may be asked for than could be read."""


@dataclass(frozen=True, slots=True)
class NamedDocument:
    """A document that a client is going to ask for, because its user named what it is about."""

    plan: ServeDocument
    wanted: str = ""
    """What of it, in the ecosystem's own words (``>=2,<3``); empty: whatever it takes by itself."""


#: Yields what it needs and is sent as many documents (None: it cannot be had, or there is no time
#: left), returns what it knows then; None: it is no request for this host, and the page stays.
RequestReading = Generator[
    Sequence[ServeDocument | ServeArtifact], Sequence[Document | None], RequestRead | None
]
