"""A project's page of the Simple API as a value, whichever form it came in.

Simple repository API (once PEP 503, 592, 629, 658, 691, 700, 714, 740, 792). `json_form` and
`html_form` read and write the two forms; this module holds what they share.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from datetime import UTC, datetime
from urllib.parse import quote, unquote, urljoin, urlsplit

from headrace.interface import Digest, dataclass

__all__ = [
    "HTML_TYPE",
    "JSON_TYPE",
    "FileLink",
    "Kept",
    "Link",
    "ProjectPage",
    "absolute",
    "address_or_none",
    "best_digest",
    "check_version",
    "filename_of",
    "split_fragment",
    "upload_time",
]

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "text/html; charset=utf-8"

#: Gives the gateway's encoded path for (absolute URL, file name); None: we do not serve it.
Link = Callable[[str, str], str | None]

#: The order in which digests are trusted and written where only one has room.
_STRENGTH = ("sha256", "sha512", "sha384")
_UNSAFE = re.compile(r"[^!#-;=?-\[\]_a-z~]")
#: The usual form, which need not be taken apart.
_PLAIN_HOST = re.compile(r"https?://[A-Za-z0-9.-]++(?:/|$)")
_FRAGMENT_HASH = re.compile(r"(?:^|&)(md5|sha1|sha224|sha256|sha384|sha512)=([0-9a-fA-F]+)(?=&|$)")


@dataclass(frozen=True, slots=True)
class FileLink:
    """One file of a project."""

    filename: str
    url: str
    """Absolute, without a fragment; where the upstream of this page keeps the file."""
    hashes: Mapping[str, str] = field(default_factory=dict)
    """Algorithm (a name of hashlib) to lower-case hex."""
    requires_python: str | None = None
    yanked: bool | str = False
    """True or the reason (PEP 592)."""
    core_metadata: bool | Mapping[str, str] = False
    """Whether ``.metadata`` is there (PEP 658, PEP 714), with its hashes where they are told."""
    size: int | None = None
    upload_time: str | None = None
    """ISO 8601 in UTC (PEP 700), as `upload_time` gives it."""
    gpg_sig: bool | None = None
    """Whether ``.asc`` is there; None: not said (PEP 503)."""
    provenance: str | None = None
    """Absolute URL of the attestations (PEP 740)."""
    extra: Mapping[str, object] = field(default_factory=dict)
    """Keys that this module does not know, kept as they are."""


class Kept(enum.Enum):
    """What of a page a client is told, beside the names of files and where they are."""

    ALL = enum.auto()
    HOLDABLE = enum.auto()
    """Of the rest, what lies within a file that can be had. No digests."""
    RECORDED = enum.auto()
    """The same, with digests, for a client that writes them down."""
    UNPROMISED = enum.auto()
    """Digests alone."""

    @property
    def digests(self) -> bool:
        """Whether digests are told."""
        return self is not Kept.HOLDABLE

    def promises(self, filename: str) -> bool:
        """Whether a file's metadata is promised, where it is there."""
        return self is Kept.ALL or (self is not Kept.UNPROMISED and filename.endswith(".whl"))


@dataclass(frozen=True, slots=True)
class ProjectPage:
    """A project's page."""

    name: str
    files: tuple[FileLink, ...]
    api_version: str = "1.0"
    versions: tuple[str, ...] | None = None
    """All releases, also those without files (PEP 700)."""
    last_serial: int | None = None
    """The index's change counter when the page was made."""
    status: Mapping[str, str] = field(default_factory=dict)
    """``status`` and ``reason`` (PEP 792)."""
    extra: Mapping[str, object] = field(default_factory=dict)
    """Keys that this module does not know, kept as they are."""
    extra_meta: Mapping[str, object] = field(default_factory=dict)


def check_version(version: object) -> str:
    """Return the API version; ValueError when its major part is not 1 (PEP 629)."""
    text = version if isinstance(version, str) else "1.0"
    if text.partition(".")[0] != "1":
        raise ValueError(f"Simple API version {text[:20]} is not understood")
    return text


def absolute(base: str, url: str) -> str:
    """Resolve a link against its page and quote what a URL may not hold; ValueError where it leads
    to no host that can be asked.
    """
    if not url.startswith(("https://", "http://")):
        url = urljoin(base, url.strip())
    if _UNSAFE.search(url):
        url = quote(url, safe="%/:=&?~#+!$,;'@()*[]")
    if not _PLAIN_HOST.match(url):
        # Brackets that hold no address, a port that is none: whoever asks for it would stumble.
        parts = urlsplit(url)
        if parts.port == 0 or (parts.scheme in ("http", "https") and not parts.hostname):
            raise ValueError("no host that could be asked")
    return url


def address_or_none(base: str, url: str) -> str | None:
    """Resolve a link as `absolute` does; None where it is none."""
    try:
        return absolute(base, url)
    except ValueError:
        return None


def split_fragment(url: str) -> tuple[str, dict[str, str]]:
    """Take the fragment off a URL and return the hashes that it names (PEP 503)."""
    bare, mark, fragment = url.partition("#")
    if not mark:
        return url, {}
    return bare, {name: value.lower() for name, value in _FRAGMENT_HASH.findall(fragment)}


def upload_time(text: object) -> str | None:
    """Return a time as every installer reads it; None where the text names no moment.

    One with a time that it cannot read ends pip's whole page (26.3), one without a zone its
    comparison, and Pythons before 3.11 read no other fractions than of three or six digits.
    """
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return None
        return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"
    except (ValueError, OverflowError):
        return None


def filename_of(url: str) -> str:
    """Return the last segment of a URL's path, decoded, as pip reads a file's name."""
    return unquote(urlsplit(url).path.rpartition("/")[2])


def best_digest(hashes: Mapping[str, str]) -> Digest | None:
    """Return the digest that decides; None when there is only a weak or a malformed one."""
    for algorithm in _STRENGTH:
        value = hashes.get(algorithm)
        if isinstance(value, str):
            try:
                return Digest(algorithm, value.lower())
            except ValueError:
                continue
    return None


def written_first(hashes: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Yield the hashes, the one to be written where only one has room first."""
    for algorithm in _STRENGTH:
        if algorithm in hashes:
            yield algorithm, hashes[algorithm]
    for algorithm, value in hashes.items():
        if algorithm not in _STRENGTH:
            yield algorithm, value
