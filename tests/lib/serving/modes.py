"""The ways in which a test's server can misbehave. A mode is a value; a rule says when it fires."""

from __future__ import annotations

import enum
import threading
from dataclasses import dataclass, field
from fnmatch import fnmatchcase


class Kind(enum.StrEnum):
    """One word per fault, as the fault lists of the tests write them."""

    OK = "ok"
    SLOW = "slow"
    """`rate` bytes per second and response."""
    SILENT = "silent"
    """Takes the request and never answers."""
    CUT = "cut"
    """Right headers, then the connection ends after `at` bytes of the body."""
    HELD = "held"
    """Waits for the event `until`, before it answers or after `at` bytes of the body."""
    STALL = "stall"
    """Right headers, then nothing more after `at` bytes of the body."""
    TRUNCATE = "truncate"
    """Right Content-Length, half of the body, then an orderly end."""
    WRONG_LENGTH = "wrong-length"
    """Says, and gives, `at` bytes more than the file has."""
    CORRUPT = "corrupt"
    """One bit of the byte at offset `at` of the file is turned; negative counts from the end."""
    SWAPPED = "swapped"
    """Gives `body` in the file's place, with headers that fit it."""
    STATUS = "status"
    """Answers `status` and a short text."""
    HTML = "html200"
    """200 and a page, as captive portals and block pages do."""
    NO_RANGES = "norange"
    """Answers 200 and the whole file to a ranged request."""
    GZIP = "gzip"
    """Content-Encoding: gzip although identity was asked."""
    REDIRECT = "redirect"
    """302 to `to` + path."""
    WRONG_RANGE = "wrong-range"
    """The part that was asked for, said to begin `at` bytes further on."""
    OTHER_TOTAL = "other-total"
    """The part that was asked for, said to be of a file that is `at` bytes longer."""
    NO_RANGE_TOLD = "no-range-told"
    """206 without Content-Range."""
    MULTIPART = "multipart"
    """One range, as multipart/byteranges (RFC 9110 section 14.6)."""
    NEW_TAGS = "new-tags"
    """Another ETag with each answer."""
    FALSE_GZIP = "false-gzip"
    """Content-Encoding: gzip over bytes that are not packed."""
    MORE = "more"
    """Right Content-Length, then `at` bytes more."""
    NO_LENGTH = "no-length"
    """No Content-Length and half of the body: the end of the connection is the end."""
    HANG_UP = "hang-up"
    """Ends the connection without an answer."""
    GARBAGE = "garbage"
    """Bytes that are no HTTP."""


@dataclass(frozen=True, slots=True)
class Mode:
    """One misbehaviour with its figures."""

    kind: Kind = Kind.OK
    at: int = 0
    of_file: bool = False
    """`at` counts from the file's first byte, not from the response's; of a response, a negative
    one counts from its end."""
    rate: float = 0.0
    status: int = 200
    retry_after: str | None = None
    to: str = ""
    body: bytes = field(default=b"", repr=False)
    reset: bool = False
    """The end of a cut, or of a connection without an answer, is an RST, not a FIN."""
    until: threading.Event | None = field(default=None, repr=False)


OK = Mode()
SILENT = Mode(Kind.SILENT)
TRUNCATE = Mode(Kind.TRUNCATE)
HTML = Mode(Kind.HTML)
NO_RANGES = Mode(Kind.NO_RANGES)
GZIP = Mode(Kind.GZIP)
GARBAGE = Mode(Kind.GARBAGE)
HANG_UP = Mode(Kind.HANG_UP)
HANG_UP_RESET = Mode(Kind.HANG_UP, reset=True)
NO_RANGE_TOLD = Mode(Kind.NO_RANGE_TOLD)
MULTIPART = Mode(Kind.MULTIPART)
NEW_TAGS = Mode(Kind.NEW_TAGS)
FALSE_GZIP = Mode(Kind.FALSE_GZIP)
NO_LENGTH = Mode(Kind.NO_LENGTH)


def slow(rate: float) -> Mode:
    """Each response at `rate` bytes per second."""
    return Mode(Kind.SLOW, rate=rate)


def held(until: threading.Event, at: int = 0) -> Mode:
    """Each response waits for the test, so that what comes before it did not wait for it."""
    return Mode(Kind.HELD, at=at, until=until)


def cut(at: int, *, reset: bool = False, of_file: bool = False) -> Mode:
    """Each response ends after `at` bytes, or at that byte of the file."""
    return Mode(Kind.CUT, at=at, reset=reset, of_file=of_file)


def stall(at: int, *, of_file: bool = False) -> Mode:
    """Each response stops after `at` bytes, or at that byte of the file, and stays open."""
    return Mode(Kind.STALL, at=at, of_file=of_file)


def wrong_length(more: int) -> Mode:
    """Every file is `more` bytes longer than it should be, and the headers say so."""
    return Mode(Kind.WRONG_LENGTH, at=more)


def wrong_range(by: int) -> Mode:
    """Each part is said to begin `by` bytes further on than it does."""
    return Mode(Kind.WRONG_RANGE, at=by)


def other_total(more: int) -> Mode:
    """Each part is said to be of a file that is `more` bytes longer."""
    return Mode(Kind.OTHER_TOTAL, at=more)


def more(count: int) -> Mode:
    """Each body goes on for `count` bytes after its Content-Length."""
    return Mode(Kind.MORE, at=count)


def corrupt(at: int) -> Mode:
    """One bit turned at offset `at` of the file."""
    return Mode(Kind.CORRUPT, at=at)


def swapped(body: bytes) -> Mode:
    """Another well-formed file in this one's place."""
    return Mode(Kind.SWAPPED, body=body)


def status(code: int, *, retry_after: str | None = None) -> Mode:
    """Answer with a status alone."""
    return Mode(Kind.STATUS, status=code, retry_after=retry_after)


def redirect(to: str) -> Mode:
    """302 to the same path below `to`."""
    return Mode(Kind.REDIRECT, to=to)


@dataclass(slots=True)
class Rule:
    """A mode, the paths and methods that it is for, and how often it still fires."""

    mode: Mode
    match: str = "*"
    """Shell pattern on the decoded path."""
    methods: tuple[str, ...] = ("GET", "HEAD")
    times: int | None = None
    """None: always."""

    def fits(self, method: str, path: str) -> bool:
        """Say whether the rule is for this request and not used up."""
        return self.times != 0 and method in self.methods and fnmatchcase(path, self.match)
