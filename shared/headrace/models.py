"""Frozen values that every room speaks in.

Nothing here reads a clock, a file, a socket or the environment. Times are seconds since the epoch
where a field says *epoch*, else seconds of a monotonic clock that the caller owns. Sizes are bytes.
"""

from __future__ import annotations

import datetime as dt
import enum
import fnmatch
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any

from headrace.values import dataclass

__all__ = [
    "Artifact",
    "Credential",
    "Digest",
    "Document",
    "Fault",
    "Limits",
    "Mirror",
    "MirrorStats",
    "OperatorClass",
    "Origin",
    "PassThrough",
    "Plan",
    "Refuse",
    "Reply",
    "Request",
    "Response",
    "ServeArtifact",
    "ServeDocument",
    "Source",
    "SourceFailed",
    "TransferFinished",
    "fits",
]

_HEX = re.compile(r"[0-9a-f]+")
#: Digest algorithms that decide about bytes, with the length of their hex form. Weaker ones
#: (md5, sha1) name a file but prove nothing, so an artifact that has only these is untrusted.
_STRONG = {"sha256": 64, "sha384": 96, "sha512": 128, "blake2b_256": 64}


@dataclass(frozen=True, slots=True)
class Digest:
    """A content digest, written ``algorithm:hex`` as OCI image-spec does."""

    algorithm: str
    value: str

    def __post_init__(self) -> None:
        """Refuse a digest that is not lower-case hex of the algorithm's length."""
        if _STRONG.get(self.algorithm) != len(self.value) or not _HEX.fullmatch(self.value):
            msg = f"not a digest that can decide: {self.algorithm}:{self.value[:80]}"
            raise ValueError(msg)

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read ``algorithm:hex``; ValueError when it is anything else."""
        algorithm, _, value = text.partition(":")
        return cls(algorithm, value.lower())

    def hasher(self) -> Any:
        """Return a fresh hash object of this algorithm, with the interface of hashlib's."""
        if self.algorithm == "blake2b_256":  # hashlib has no name for it
            return hashlib.blake2b(digest_size=32)
        return hashlib.new(self.algorithm)

    def is_of(self, content: bytes) -> bool:
        """Say whether `content` has this digest."""
        hasher = self.hasher()
        hasher.update(content)
        return bool(hasher.hexdigest() == self.value)

    def __str__(self) -> str:
        """Write ``algorithm:hex``."""
        return f"{self.algorithm}:{self.value}"


@dataclass(frozen=True, slots=True)
class Credential:
    """What proves the user to one origin. Never given to a mirror; never shown."""

    username: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Origin:
    """The authority that names things: a package index, a channel host, a registry."""

    ecosystem: str
    url: str
    """Base URL without user, password, query or fragment and without a final slash."""
    private: bool = False
    """The user's own (company index, token channel): no mirror is even asked for its names."""
    name: str = "default"
    """How routes and settings call it."""
    demanded: bool = False
    """It is private because it wanted a credential, not because the user calls it so."""


class OperatorClass(enum.StrEnum):
    """Who runs an upstream, which decides what it may supply."""

    OFFICIAL = "official"
    ORGANISATION = "organisation"
    UNIVERSITY = "university"
    CLOUD = "cloud"
    COMMERCIAL = "commercial"
    COMMUNITY = "community"


@dataclass(frozen=True, slots=True)
class Limits:
    """What an operator asks of its clients."""

    connections: int | None = None
    """At most this many connections at a time, over all downloads of this machine; more than four
    only while they bring more, or where nobody else has what several downloads want. None: the
    operator names no number, and eight are polite."""
    probe: bool = True
    """False where the operator forbids requests that no user waits for."""


def fits(patterns: Iterable[str], word: str) -> bool:
    """Whether a word is meant by shell patterns, where the last one that fits decides and one that
    begins with ``!`` takes out again.
    """
    found = False
    for pattern in patterns:
        if fnmatch.fnmatchcase(word, pattern.removeprefix("!")):
            found = not pattern.startswith("!")
    return found


@dataclass(frozen=True, slots=True)
class Mirror:
    """A source of bytes that names nothing."""

    id: str
    """What it is called in messages and settings."""
    ecosystem: str
    """``python`` or another one that a plugin serves."""
    url: str
    """Base URL; what hangs below it is the layout's business. No credentials in it."""
    layout: str
    """One word of the ecosystem's closed list of layouts."""
    operator: str = ""
    """Who runs it; two mirrors of one operator count as one where two must agree."""
    operator_class: OperatorClass = OperatorClass.COMMUNITY
    """How much its operator is known for; who says nothing of one's own says organisation."""
    countries: tuple[str, ...] = ()
    """ISO 3166 codes of the countries that it is meant for; empty: everywhere."""
    limits: Limits = Limits()
    gives_documents: bool = False
    """May supply provisional pages."""
    rank: int = 100
    """The catalogue's guess before anything was measured; lower is tried first."""
    opt_in: bool = False
    """Used only when the user names it in the settings (`enabled_mirrors`)."""
    why_opt_in: str = ""
    """Why that is so, to stand behind its name; empty: nobody said."""
    login: bool = False
    """One of the user's own, asked with the login that the user has there, shown to nobody else."""
    own: bool = False
    """The user's settings name it."""
    first: bool = False
    """Asked before all others as long as it delivers: a gateway that this machine shares."""
    carries: tuple[str, ...] = ()
    """Shell patterns, in its ecosystem's words, of what it carries. One that begins with ``!``
    takes out again; the last one that fits decides. Empty: everything."""
    evidence_until: dt.date | None = None
    """Last day on which what is known of it counts as fresh (`policy.evidence`); None: it is the
    user's own word, which does not age."""

    def has(self, word: str) -> bool:
        """Whether it carries what the word names."""
        return not self.carries or fits(self.carries, word)


@dataclass(frozen=True, slots=True)
class Artifact:
    """Immutable bytes that an origin named."""

    ecosystem: str
    path: str
    """The gateway's path for it, decoded, with a leading slash; stable across runs."""
    name: str
    """File name, for people and for content types."""
    url: str
    """Where the origin keeps it."""
    origin: Origin
    digest: Digest | None = None
    """None: nothing can be checked, so only the origin may supply it."""
    size: int | None = None
    content_type: str = "application/octet-stream"
    object_class: str = "artifact"
    """What statistics and bans are kept by, beside the mirror."""
    provisional: str | None = None
    """Id of the mirror whose page named it while the origin's own page is not here yet."""
    mirrored: bool = True
    """False for what mirrors are known to lack (PEP 658 metadata): the origin alone is asked."""
    etag: str | None = None
    """Strong validator of the version that is meant, where there is no digest."""
    accept: str = "*/*"
    """What its sources are told that the client takes (RFC 9110 section 12.5.1)."""
    answer_headers: tuple[tuple[str, str], ...] = ()
    """More headers for the client, lower-case names."""
    immutable: bool = True
    """False: the client asked by a name that may mean something else tomorrow."""
    names_others: bool = False
    """It is itself a page that says what else there is: `Learns.learn` reads it."""
    origin_counts: bool = False
    """The origin counts what it is asked for: it gives bytes only where no mirror does well,
    however near it is."""
    collection: str = ""
    """What a mirror has as a whole or not at all: a repository. Empty: there is nothing of the
    kind."""
    verify_first_below: int = 0
    """Bytes up to which nothing is given away before the digest agrees, beyond what holds for all:
    for clients that give up altogether when a body ends early."""
    redirects: bool = True
    """False: its client cannot be sent to the origin by a redirect, but goes there after a 404; or
    it would get something of another name there."""


@dataclass(frozen=True, slots=True)
class Source:
    """One place where an artifact's bytes may be had. Built by selection, used by transfer."""

    id: str
    """The mirror's id, or ``origin``."""
    url: str
    is_origin: bool = False
    connections: int = 8
    """Hard limit for this host, over all downloads."""
    rate: float | None = None
    """Bytes per second that this source has given lately; None: not measured yet."""
    rtt: float | None = None
    """Seconds to the first byte of an answer on a warm connection; None: not measured yet."""
    untried: int = 1
    """Connections that it is asked over from the start, before they have shown what they bring:
    more than one where each round trip is dear."""
    reserve: bool = False
    """Asked only while no other source does well."""
    home: str = ""
    """The mirror's own URL, above this one; empty: not told."""
    own: bool = False
    """The user's settings name the mirror."""
    operator: str = ""
    """Who runs it; empty: nobody said."""


class Fault(enum.StrEnum):
    """How an upstream can fail. The transfer, the statistics and the log share these words."""

    UNREACHABLE = "unreachable"
    """Name not resolved, no route."""
    REFUSED = "refused"
    TLS = "tls"
    SILENT = "silent"
    """Connected, or connecting, and no answer in time."""
    CUT = "cut"
    """The connection ended before the promised length."""
    STALLED = "stalled"
    """Bytes stopped in the middle."""
    SLOW = "slow"
    """So slow that others finish its work first."""
    FORBIDDEN = "forbidden"
    """401, 402, 403, 451: this source will not give this object to us."""
    MISSING = "missing"
    """404, 410: this source does not have it (yet)."""
    RATE_LIMITED = "rate-limited"
    """429, or 503 with Retry-After."""
    SERVER_ERROR = "server-error"
    """Other 5xx."""
    NOT_THE_FILE = "not-the-file"
    """An answer that cannot be the artifact: HTML, another size, another Content-Range."""
    LED_ASTRAY = "led-astray"
    """It leads where nobody of its standing may lead: `policy.destinations`."""
    WRONG_BYTES = "wrong-bytes"
    """The digest does not agree and this source supplied the difference."""
    NO_RANGES = "no-ranges"
    """Answered 200 to a ranged request: usable as a whole-file source only."""
    PROTOCOL = "protocol"
    """Not HTTP as RFC 9110 and 9112 have it."""


@dataclass(frozen=True, slots=True)
class MirrorStats:
    """What is known of one mirror for one object class on this network."""

    mirror: Mirror
    rate: float | None = None
    """Decaying average, bytes per second and transfer."""
    rtt: float | None = None
    failures: float = 0.0
    """Decaying share of requests that failed, 0 to 1."""
    paused_until: float = 0.0
    """Epoch; before it the mirror is not asked for this object class."""
    measured_at: float = 0.0
    """Epoch of the newest measurement; 0: never."""


@dataclass(frozen=True, slots=True)
class Request:
    """A client's request as the gateway understood it."""

    method: str
    path: str
    """Percent-decoded, normalised, with a leading slash."""
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Lower-case names; several lines of one name joined with ", " (RFC 9110 section 5.3)."""
    base: str = ""
    """What stood before `path`: for which host builds are chosen (`variants.host_paths`)."""
    ends: tuple[tuple[str, int], tuple[str, int]] | None = field(default=None, repr=False)
    """Address and port of the client and of the server; None: they are not known."""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer, ready to send."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Document:
    """A mutable page as an upstream gave it."""

    url: str
    """Final URL after redirects: relative links resolve against it."""
    body: bytes
    content_type: str
    etag: str | None = None
    last_modified: str | None = None
    fetched_at: float = 0.0
    """Epoch of the last time the origin said that this is current."""
    max_age: float | None = None
    """The origin's own lifetime in seconds (Cache-Control); None: it did not say."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Other headers worth keeping, lower-case names (x-pypi-last-serial)."""
    supplied_by: str | None = None
    """None: the origin; else the id of the mirror whose page this is (provisional)."""
    private: bool = False
    """The origin wanted the user's credential for it: no mirror is asked for what it names, be the
    origin called private or not."""
    stale: bool = False
    """The last known page of an origin that fails now: what only the origin could add to its
    files (metadata, signatures) must not be promised. Never kept, only shown to `rewrite`."""


@dataclass(frozen=True, slots=True)
class ServeDocument:
    """Plan: fetch or revalidate a document at the origin, then rewrite it for the client."""

    origin: Origin
    url: str
    accept: str
    """The Accept header for the origin."""
    key: str
    """Stable key of the document itself, whatever form the client asked for."""
    revalidate: bool = False
    """The client means it: only the origin's word of now will do. For clients whose Cache-Control
    says so in a way that others use without meaning it; ``no-cache`` needs no such help."""
    magic: tuple[bytes, ...] = ()
    """Not empty: the client gets the origin's bytes as they are, while they arrive, with the
    origin's validators. Such a document begins with one of these; a login page does not."""
    table: bool = False
    """Of such a document: it names artifacts by the thousand; they are looked up by name."""
    written_down: bool = False
    """What it says ends in a file that its client's user keeps, and no file may ever be asked for
    that would prove it: only the origin's own will do, of whatever age."""
    forbidden_is_missing: bool = False
    """The origin says 403 of what it does not have, as an object store does that may not be
    listed."""


@dataclass(frozen=True, slots=True)
class ServeArtifact:
    """Plan: give bytes by digest, from the store or from any source."""

    path: str
    """Artifact.path."""
    named_by: ServeDocument | None
    """The document to load when the artifact is not known yet; None: cannot be told, or
    `LooksUp.look_up` tells."""
    url: str | None = None
    """Where the origin keeps it, where the path alone tells and the origin is public."""
    accept: str = ""
    """What its client takes, where that decides what the path means."""


@dataclass(frozen=True, slots=True)
class PassThrough:
    """Plan: nothing to gain here; the origin answers for itself."""

    origin: Origin
    url: str
    relay: bool = False
    """The client cannot go there by itself (it would lack a token): bring it the answer."""
    keep: tuple[str, ...] = ("content-type",)
    """The answer's headers that a relayed one has, lower-case names; and where the next page is."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Plan: the answer is known without asking anybody."""

    response: Response


@dataclass(frozen=True, slots=True)
class Refuse:
    """Plan: not ours to answer."""

    status: int
    reason: str


Plan = ServeDocument | ServeArtifact | PassThrough | Reply | Refuse


@dataclass(frozen=True, slots=True)
class SourceFailed:
    """Event: a source failed while it worked on an artifact."""

    artifact: Artifact
    source: str
    fault: Fault
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TransferFinished:
    """Event: an artifact is whole, checked and in the store."""

    artifact: Artifact
    size: int
    seconds: float
    bytes_by_source: Mapping[str, int]
    faults: Mapping[str, int]
    """Faults that were survived, ``source:fault`` to count."""
    from_store: bool = False
