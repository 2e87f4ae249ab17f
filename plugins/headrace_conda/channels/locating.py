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

__all__ = ["is_labelled", "locate", "word"]

#: What a channel's folders of packages are called; ``shards`` is none of them.
_SUBDIR = re.compile(r"noarch|(?:linux|osx|win|freebsd|emscripten|wasi|zos)-[a-z0-9]+")
_ROOTS = ("cloud", "pkgs")
#: The folder below which a channel's labels are, each with folders of packages of its own.
_LABEL = "label"


def word(url: str) -> str | None:
    """Return how mirrors call the folder of a URL, or of the file that it names.

    The URL is one of an origin or a mirror of the catalogue; None: any other, or no such folder.
    """
    found = known.below(url)
    if found is None:
        return None
    root, parts = found
    top, *rest = LAYOUTS[root.layout].words(parts) or ("",)
    # <channel>/<subdir> or <channel>/label/<label>/<subdir>, and the name of a file perhaps
    size = 4 if rest[1:2] == [_LABEL] else 2
    if top not in _ROOTS or len(rest) not in (size, size + 1):
        return None
    if not _SUBDIR.fullmatch(rest[size - 1]):
        return None
    return "/".join((top, *rest[:size])) if root.means(f"{top}/{rest[0]}") else None


def is_labelled(folder: str) -> bool:
    """Whether a folder is one of a label's: few mirrors have them, which says nothing against one
    that has the channel.
    """
    return folder.split("/")[-3:-2] == [_LABEL]


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
