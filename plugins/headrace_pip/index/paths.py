"""The gateway's paths for Python packages, in both directions.

================================================  =============================================
``/simple/<project>/``                            a project's page
``/packages/<aa>/<bb>/<60 hex>/<name>``           a file that the origin keeps under such a path
``/files/<project>/<16 hex>/<name>``              any other file; the hex is the URL's SHA-256
``/index/<origin>/simple/…`` (packages, files)    the same for an origin that is not the default
``/pytorch/<variant>/simple/…`` (packages, files) the same for a variant index (``cu126``)
================================================  =============================================

A path with ``.metadata`` or ``.asc`` behind a file's is that file's companion. Every path tells
its project, so that a file can be found again, through the project's page, after a restart.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote, unquote

from headrace.interface import Digest, dataclass
from headrace_pip.index.names import normalised, project_of

__all__ = [
    "COMPANIONS",
    "PREFIXES",
    "VARIANTS",
    "FilePath",
    "PagePath",
    "content_path",
    "described_in",
    "encoded",
    "file_path",
    "of_url",
    "parse",
    "path_digest",
    "tells_name",
    "with_suffix",
]

#: Before a host in words: the builds that it runs.
_AUTO = "/pytorch/auto/"
PREFIXES = ("/simple/", "/packages/", "/files/", "/index/", "/pytorch/")
#: Of a variant index's name, what its variant follows.
VARIANTS = "pytorch/"
COMPANIONS = (".metadata", ".asc")

#: The path of a file at the official index is the BLAKE2b-256 of its content. A mirror of it that
#: is itself an origin may have folders before that.
_CONTENT = r"/packages/([0-9a-f]{2})/([0-9a-f]{2})/([0-9a-f]{60})/"
_CONTENT_URL = re.compile(rf"https?://[^/?#]+(?:/[^?#]*?)?({_CONTENT})([^/?#]+)")
_CONTENT_PATH = re.compile(rf"{_CONTENT}([^/]+)")
_FILES_PATH = re.compile(r"/files/([a-z0-9-]+)/[0-9a-f]{16}/([^/]+)")
_INDEX_PATH = re.compile(r"/index/([^/]+)(/(?:simple|packages|files)(?:/.*)?)")
_VARIANT_PATH = re.compile(r"/(pytorch/[a-z0-9.]+)(/(?:simple|packages|files)(?:/.*)?)")
_PLAIN = re.compile(r"[A-Za-z0-9._+!~-]+")
_NEEDS_NO_QUOTES = re.compile(r"[A-Za-z0-9._~/-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f/\\]")


@dataclass(frozen=True, slots=True)
class PagePath:
    """The path of a page: `rest` is what follows ``/simple/``."""

    origin: str | None
    """Name of the origin; None: the default one."""
    rest: str


@dataclass(frozen=True, slots=True)
class FilePath:
    """The path of a file or of its companion."""

    origin: str | None
    project: str | None
    """Normalised; None: the path does not tell."""


def parse(path: str) -> PagePath | FilePath | None:
    """Read a decoded path; None: not one of ours."""
    origin: str | None = None
    if found := _INDEX_PATH.fullmatch(path) or _VARIANT_PATH.fullmatch(path):
        origin, path = found[1], found[2]
    if path == "/simple" or path.startswith("/simple/"):
        return PagePath(origin, path.removeprefix("/simple").lstrip("/"))
    if found := _CONTENT_PATH.fullmatch(path):
        return FilePath(origin, project_of(_without_suffix(found[4])))
    if found := _FILES_PATH.fullmatch(path):
        return FilePath(origin, found[1])
    return None


def _without_suffix(name: str) -> str:
    for suffix in COMPANIONS:
        name = name.removesuffix(suffix)
    return name


def file_path(prefix: str, project: str, url: str, filename: str) -> str | None:
    """Give the decoded gateway path of a file; None: we do not serve it.

    `prefix` is empty for the default origin, else ``/index/<name>`` or ``/pytorch/<variant>``;
    `project` is normalised.
    """
    found = _CONTENT_URL.fullmatch(url)
    # The name's own project, not the page's, is all that the path tells after a restart.
    tells = project_of(filename) == project and _PLAIN.fullmatch(filename) is not None
    if found and tells and filename in (found[5], unquote(found[5])):
        return f"{prefix}{found[1]}{filename}"
    if not url.startswith(("https://", "http://")):
        return None
    if _CONTROL.search(filename) or filename in ("", ".", "..") or normalised(project) != project:
        return None
    # Without the host where the path is the content's, so that a mirror's page gives the same; and
    # without the query: where that is a signature it changes with each page.
    place = found[1] + found[5] if found else url.partition("?")[0]
    url_hash = hashlib.sha256(place.encode()).hexdigest()[:16]
    return f"{prefix}/files/{project}/{url_hash}/{filename}"


def of_url(prefix: str, url: str) -> str | None:
    """Give the decoded gateway path of a file, or of its companion, that an index has at a URL;
    None: the URL tells no project.
    """
    if "?" in url or "#" in url:
        return None
    main = _without_suffix(url)
    filename = unquote(main.rpartition("/")[2])
    project = project_of(filename)
    path = file_path(prefix, project, main, filename) if project else None
    return path + url[len(main) :] if path else None


def content_path(url: str) -> str | None:
    """Return ``packages/aa/bb/rest/name``, still encoded, of a URL that holds such a path."""
    found = _CONTENT_URL.fullmatch(url)
    return f"{found[1]}{found[5]}".lstrip("/") if found else None


def path_digest(url: str) -> Digest | None:
    """Return the digest that such a path is made of."""
    found = _CONTENT_URL.fullmatch(url)
    return Digest("blake2b_256", found[2] + found[3] + found[4]) if found else None


def tells_name(path: str, url: str) -> bool:
    """Whether a file that is at a URL made of its content has its name, and so its project, from
    there: then our decoded path is the same.
    """
    tail = content_path(url)
    return tail is not None and path.endswith(f"/{unquote(tail)}")


def with_suffix(url: str, suffix: str) -> str:
    """Append to a URL's path, before its query."""
    path, mark, query = url.partition("?")
    return f"{path}{suffix}{mark}{query}"


def encoded(path: str) -> str:
    """Percent-encode a decoded path, ``+`` too: some servers and clients take it for a space."""
    return path if _NEEDS_NO_QUOTES.fullmatch(path) else quote(path, safe="/")


def described_in(path: str) -> tuple[str, str] | None:
    """Split ``/pytorch/auto/<host>/simple/…`` into the host's description and the default index's
    path; None: it is no such path.
    """
    if not path.startswith(_AUTO):
        return None
    host, slash, rest = path.removeprefix(_AUTO).partition("/")
    simple = rest == "simple" or rest.startswith("simple/")
    return (host, f"/{rest}") if host and slash and simple else None
