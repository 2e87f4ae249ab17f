"""What an upstream's answer means, before anybody looks at its bytes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import field
from urllib.parse import urlsplit

from headrace.errors import UpstreamError
from headrace.http.ranges import ContentRange, read_length
from headrace.http.retry_after import retry_after
from headrace.models import Fault, Response
from headrace.redact import for_display
from headrace.values import dataclass
from headrace.wording import counted

__all__ = ["Span", "UpstreamResponse", "judge_artifact", "judge_status"]

#: What a refusal asks for (RFC 9110 section 11).
_CHALLENGES = ("www-authenticate", "proxy-authenticate")
#: Files that are compressed themselves: misconfigured servers call that their Content-Encoding,
#: and what comes is the file all the same.
_COMPRESSED = (".gz", ".tgz", ".bz2", ".xz", ".zst", ".Z")


@dataclass(frozen=True, slots=True)
class UpstreamResponse:
    """A whole answer of an upstream. Any status: the caller decides what it means."""

    status: int
    url: str
    """Final URL, after redirects."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Lower-case names. Without content-encoding and content-length: `body` is decoded."""
    body: bytes = b""
    seconds: float = 0.0
    """From the request's first byte to the answer's first byte, on the last connection."""

    def error(self) -> UpstreamError | None:
        """Return what is wrong for one who wanted the content; None for 2xx and 304."""
        return judge_status(self.status, self.headers, self.url)


@dataclass(frozen=True, slots=True)
class Span:
    """Which bytes an answer holds: [start, end) of `total`; None where it does not say."""

    start: int
    end: int | None
    total: int | None
    ranged: bool


def judge_status(status: int, headers: Mapping[str, str], url: str) -> UpstreamError | None:
    """Translate a status; None for those that bring what was asked (2xx, 304)."""
    if 200 <= status < 300 or status == 304:
        return None
    pause = retry_after(headers, time.time())
    host = urlsplit(url).netloc.rpartition("@")[2]
    message = f"{host} answered {status} for {for_display(url)}"
    if status in (404, 410):
        fault = Fault.MISSING
    elif status == 429 or (status == 503 and pause is not None):
        fault = Fault.RATE_LIMITED
    elif status in (401, 402, 403, 407, 451):
        fault = Fault.FORBIDDEN
    elif status >= 500:
        fault = Fault.SERVER_ERROR
    elif status == 416:
        fault = Fault.NOT_THE_FILE
    else:
        fault = Fault.PROTOCOL
    return UpstreamError(
        fault,
        message,
        status=status,
        retry_after=pause,
        url=url,
        response=Response(status, {name: headers[name] for name in _CHALLENGES if name in headers}),
    )


def judge_artifact(
    status: int, headers: Mapping[str, str], url: str, wanted: tuple[int, int | None] | None
) -> Span:
    """Check that an answer can be (a part of) an artifact, and say which part.

    `wanted` is the range that was asked for, end exclusive; None: the whole file. UpstreamError
    when the status or the headers show that this is not what was asked.
    """
    if error := judge_status(status, headers, url):
        raise error
    if status not in (200, 206):
        raise _not_the_file(url, f"status {status}", status)
    path = urlsplit(url).path.lower()
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml") and not path.endswith((".html", ".htm")):
        raise _not_the_file(url, "an HTML page", status)
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity") and not path.endswith(_COMPRESSED):
        raise _not_the_file(url, f"content encoded with {encoding}, which was not asked", status)
    length = _length(headers, url)
    if status == 200:
        return Span(0, length, length, ranged=False)
    return _partial(headers, url, wanted, length)


def _partial(
    headers: Mapping[str, str], url: str, wanted: tuple[int, int | None] | None, length: int | None
) -> Span:
    try:
        part = ContentRange.parse(headers.get("content-range", ""))
    except ValueError as error:
        raise _not_the_file(url, f"a 206 without a usable Content-Range ({error})", 206) from error
    start, end = part.start, part.end
    if wanted is None or start is None or end is None:
        raise _not_the_file(url, "a 206 that was not asked for", 206)
    # A shorter end than asked is allowed (RFC 9110 section 14.2); another start is not.
    if start != wanted[0] or (wanted[1] is not None and end > wanted[1]):
        raise _not_the_file(url, f"bytes {start}-{end - 1}, which were not asked", 206)
    if length is not None and length != end - start:
        raise _not_the_file(url, f"{counted(length, 'byte')} for a range of {end - start}", 206)
    return Span(start, end, part.total, ranged=True)


def _length(headers: Mapping[str, str], url: str) -> int | None:
    text = headers.get("content-length")
    # With a Transfer-Encoding the length is to be ignored (RFC 9112 section 6.3).
    if text is None or "transfer-encoding" in headers:
        return None
    length = read_length(text)
    if length is None:
        raise UpstreamError(Fault.PROTOCOL, f"impossible Content-Length at {for_display(url)}")
    return length


def _not_the_file(url: str, what: str, status: int) -> UpstreamError:
    host = urlsplit(url).netloc.rpartition("@")[2]
    return UpstreamError(
        Fault.NOT_THE_FILE, f"{host} gave {what} for {for_display(url)}", status=status
    )
