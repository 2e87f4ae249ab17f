"""What goes into a `Transfer` (events) and what comes out of it (actions).

An event tells what has happened on the network or the disk; an action tells the driver what to do.
Nothing here holds bytes: the driver keeps a buffer while the machine says which part of it to
write where. `request` is the number that the machine gave a `Fetch`.
"""

from __future__ import annotations

from headrace.models import Fault, Source
from headrace.values import dataclass

__all__ = [
    "Action",
    "Allowed",
    "Cancel",
    "Compare",
    "Compared",
    "Denied",
    "Digested",
    "Ended",
    "Event",
    "Fail",
    "Failed",
    "Fetch",
    "Finish",
    "Forget",
    "Freed",
    "Joined",
    "Opened",
    "ReadersAt",
    "ReadersBear",
    "Received",
    "Resize",
    "Resumed",
    "Shrink",
    "SourceFault",
    "Tick",
    "Verify",
    "Write",
]


# ---------------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class Opened:
    """A good answer's header is here."""

    request: int
    total: int | None
    """Length of the whole file, as this answer says."""
    ranged: bool = True
    """False: a 200, so the body starts at 0 whatever was asked for."""
    validator: str | None = None
    """What names the version that it is of (`http.validators`); None: nothing does."""
    rtt: float | None = None
    """Seconds from the request to its answer, a handshake before it left aside; None: not told."""


@dataclass(frozen=True, slots=True)
class Received:
    """The next `length` bytes of a request's body are in the driver's hand."""

    request: int
    length: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A request's body ended where the server's framing says so."""

    request: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A request failed, before or in its body."""

    request: int
    fault: Fault
    detail: str = ""
    retry_after: float | None = None
    """Seconds from now, as the source asks."""


@dataclass(frozen=True, slots=True)
class Denied:
    """All connections to this host are taken by other downloads; `Freed` follows."""

    request: int


@dataclass(frozen=True, slots=True)
class Freed:
    """A connection to this source may be had again."""

    source: str


@dataclass(frozen=True, slots=True)
class Allowed:
    """From now on at most this many connections to a source (None: in all)."""

    source: str | None
    connections: int


@dataclass(frozen=True, slots=True)
class Joined:
    """Sources came late, or are known better now."""

    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Resumed:
    """An earlier task left these ranges; told before the first `Opened` where the length is new."""

    held: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class ReadersAt:
    """Readers wait at these offsets; the first is served first. Empty: nobody reads."""

    offsets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReadersBear:
    """The most patient reader bears so many seconds without a byte; 0: nobody said."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Compared:
    """Bytes of a request were compared with those that are held already, after `Compare`."""

    request: int
    start: int
    end: int
    differs_at: int | None
    """Offset of the first byte that differs; None: they agree."""


@dataclass(frozen=True, slots=True)
class Digested:
    """The whole was hashed, after `Verify`."""

    agrees: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed. Due at `Transfer.next_wake`."""


Event = (
    Opened
    | Received
    | Ended
    | Failed
    | Denied
    | Freed
    | Allowed
    | Joined
    | Resumed
    | ReadersAt
    | ReadersBear
    | Compared
    | Digested
    | Tick
)


# --------------------------------------------------------------------- actions


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask `source` for ``[start, end)``; `end` None: to the end, the length is not known yet."""

    request: int
    source: str
    start: int
    end: int | None
    connect_timeout: float
    first_byte_timeout: float
    validator: str | None = None
    """Of the version that is wanted, for If-Range (RFC 9110 section 13.1.5)."""
    connections: int = 4
    """So many its host may have at most, over all downloads, with this one."""


@dataclass(frozen=True, slots=True)
class Shrink:
    """Take the body of a request only up to offset `end`; what comes later is not needed."""

    request: int
    end: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """Give a request up; no more events about it are wanted."""

    request: int


@dataclass(frozen=True, slots=True)
class Write:
    """Of the buffer just received, put ``[low, high)`` at `offset` of the file."""

    request: int
    offset: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Compare:
    """Hold ``[low, high)`` of the buffer just received against the file from `offset` on."""

    request: int
    offset: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Forget:
    """The file's bytes ``[start, end)`` are worthless."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Resize:
    """The file has another length than was thought, and nothing of it is here."""

    size: int


@dataclass(frozen=True, slots=True)
class Verify:
    """All bytes are here: hash them and tell with `Digested`."""


@dataclass(frozen=True, slots=True)
class SourceFault:
    """A source failed in a way that only the machine can see; `request` was its part in it."""

    source: str
    fault: Fault
    detail: str
    request: int | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """The file is whole and right."""


@dataclass(frozen=True, slots=True)
class Fail:
    """Nobody is left who could finish. `integrity`: the origin's own bytes were wrong."""

    reason: str
    integrity: bool = False


Action = (
    Fetch
    | Shrink
    | Cancel
    | Write
    | Compare
    | Forget
    | Resize
    | Verify
    | SourceFault
    | Finish
    | Fail
)
