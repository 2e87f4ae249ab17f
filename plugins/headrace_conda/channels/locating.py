"""How mirrors call a folder of packages, and where one of them keeps a file.

Nothing here speaks to anybody; a wrong guess costs a 404, the digest decides about bytes.
"""

from __future__ import annotations

import posixpath
import re
from urllib.parse import quote, unquote, urlsplit

from headrace.interface import Artifact, Mirror, has_secret
from headrace_conda.channels import known
from headrace_conda.channels.layouts import LAYOUTS

__all__ = ["locate", "word"]

#: What a channel's folders of packages are called; ``label`` and ``shards`` are none of them.
_SUBDIR = re.compile(r"noarch|(?:linux|osx|win|freebsd|emscripten|wasi|zos)-[a-z0-9]+")
_ROOTS = ("cloud", "pkgs")


def word(url: str) -> str | None:
    """Return how mirrors call the folder of a URL, or of the file that it names.

    The URL is one of an origin or a mirror of the catalogue; None: any other, or no such folder.
    """
    found = known.below(url)
    if found is None:
        return None
    root, parts = found
    top, *rest = LAYOUTS[root.layout].words(parts) or ("",)
    # <channel>/<subdir>, and the name of a file perhaps
    if top not in _ROOTS or len(rest) not in (2, 3) or not _SUBDIR.fullmatch(rest[1]):
        return None
    channel = f"{top}/{rest[0]}"
    return f"{channel}/{rest[1]}" if root.means(channel) else None


def locate(mirror: Mirror, artifact: Artifact) -> str | None:
    """Give the file's URL at a mirror; None: it has no place there, or this is where it is from."""
    layout = LAYOUTS.get(mirror.layout)
    parts = urlsplit(artifact.url)
    if layout is None or artifact.origin.private or parts.query or has_secret(artifact.url):
        return None
    folder, file = posixpath.split(parts.path)
    name = word(artifact.url)
    # Where only the origin's own path can say what it is, that is the word.
    if not mirror.has(name or unquote(folder).strip("/")):
        return None
    path = layout.path(name and quote(name), folder)
    if path is None or known.same_service(mirror.url, artifact.url):
        return None
    url = f"{mirror.url.rstrip('/')}{path}/{file}"
    return None if known.place(url) == known.place(artifact.url) else url
