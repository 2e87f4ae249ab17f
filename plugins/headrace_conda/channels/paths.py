"""Where a channel's URL stands on the gateway, and back: ``/conda/<authority>/<path>``.

The authority is the origin's host and port; one that is asked by plain http says so
(``http+host:port``), because host and port alone do not. The path is the origin's own, unchanged,
so that a tool's mirror setting is one prefix put for another. Pure.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote, unquote, urlsplit

from headrace.interface import dataclass

__all__ = ["PREFIX", "ChannelFile", "authority", "gateway_path", "origin_url", "parse", "place_of"]

PREFIX = "/conda/"

_AUTHORITY = re.compile(r"(?:http\+)?(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
#: Characters of one: a host's name (RFC 1035) with scheme and port.
_LONGEST = 300
#: What a channel and a file may be called: conda's own alphabet, and no way up.
_SEGMENT = re.compile(r"[A-Za-z0-9_.+!~@=%-][A-Za-z0-9_.+!~@=% -]*")
#: How a token stands in a URL: ``/t/<token>/`` before the channel.
_TOKEN = re.compile(r"/t/[^/]+/")
#: What stays as clients write it.
_SAFE = "/+!=@~"


@dataclass(frozen=True, slots=True)
class ChannelFile:
    """One file at one origin."""

    authority: str
    folder: str
    """Path of the folder, with a leading and without a final slash: ``/conda-forge/noarch``."""
    name: str

    @property
    def path(self) -> str:
        """The gateway's path, decoded."""
        return f"{PREFIX}{self.authority}{self.folder}/{self.name}"

    @property
    def url(self) -> str:
        """Where the origin keeps it."""
        return f"{origin_url(self.authority)}{quote(f'{self.folder}/{self.name}', safe=_SAFE)}"


def authority(url: str) -> str | None:
    """Return how paths call the origin of a URL; None: nothing that could be an origin.

    A user or a token in the URL makes it somebody's own: that is no origin of ours.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or _TOKEN.search(parts.path):
        return None
    host = f"[{host}]" if ":" in host else host
    text = "http+" * (parts.scheme == "http") + host + (f":{port}" if port else "")
    return text if host and _AUTHORITY.fullmatch(text) else None


def origin_url(named: str) -> str:
    """Return the base URL of an authority, without a final slash."""
    scheme, _, rest = named.rpartition("+")
    return f"{scheme or 'https'}://{rest}"


def gateway_path(url: str) -> str | None:
    """Return the gateway's path for a URL of an origin, as it stands in requests (encoded)."""
    named = authority(url)
    if named is None or "?" in url or "#" in url:
        return None
    parts = urlsplit(url)
    return f"{PREFIX}{named}{parts.path or '/'}"


def parse(path: str) -> ChannelFile | None:
    """Read a decoded path of the gateway; None: it is none of an origin's, or holds a token.

    A path that ends in a slash has an empty `ChannelFile.name`.
    """
    if not path.startswith(PREFIX):
        return None
    named, _, rest = path.removeprefix(PREFIX).partition("/")
    *folders, name = rest.split("/")
    parts = (*folders, name) if name else folders
    if (
        len(named) > _LONGEST
        or not _is_authority(named)
        or _TOKEN.search(f"/{rest}")
        or not all(_SEGMENT.fullmatch(part) and part not in (".", "..") for part in parts)
    ):
        return None
    return ChannelFile(named, "".join(f"/{part}" for part in folders), name)


@lru_cache(maxsize=256)
def _is_authority(named: str) -> bool:
    """Whether an origin is called so: in the one spelling that its URL has, too."""
    return _AUTHORITY.fullmatch(named) is not None and authority(origin_url(named)) == named


def place_of(url: str) -> ChannelFile | None:
    """Return the place that a URL of an origin names; None: none that could be asked for."""
    path = gateway_path(url)
    # An encoded slash would be a folder to us and a name to others.
    return parse(unquote(path)) if path and "%2f" not in path.lower() else None
