"""Two verbs for URLs that may hold secrets: for display, and for files.

*For display* keeps the shape, so that a reader sees that there was a password. *For files* takes
every secret out, because what a tool writes down is read by others later.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit, urlunsplit

__all__ = ["for_display", "for_files", "has_secret", "split_credential"]

_TOKEN_PATH = re.compile(r"/t/[^/]+(?=/|$)")
_SECRET_QUERY = re.compile(
    r"(?i)([?&](?:[^=&]*(?:token|signature|password|secret|credential|key)[^=&]*)=)[^&#]*"
)


def _netloc_without_user(netloc: str) -> str:
    return netloc.rpartition("@")[2]


def for_display(url: str) -> str:
    """Hide password, anaconda-style path token and secret-looking query values behind ``***``."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "***"
    netloc = parts.netloc
    if "@" in netloc:
        user = netloc.rpartition("@")[0].partition(":")[0]
        # A user without a password is often a token by itself.
        shown = f"{user}:***" if ":" in netloc.rpartition("@")[0] else "***"
        netloc = f"{shown}@{_netloc_without_user(netloc)}"
    shown_url = urlunsplit((parts.scheme, netloc, parts.path, parts.query, parts.fragment))
    return _SECRET_QUERY.sub(r"\1***", _TOKEN_PATH.sub("/t/***", shown_url))


def for_files(url: str) -> str:
    """Take user, password and fragment out of the URL."""
    parts = urlsplit(url)
    return urlunsplit(
        (parts.scheme, _netloc_without_user(parts.netloc), parts.path, parts.query, "")
    )


def has_secret(url: str) -> bool:
    """Whether the URL itself carries a credential."""
    return "@" in urlsplit(url).netloc or _TOKEN_PATH.search(url) is not None


def split_credential(url: str) -> tuple[str, tuple[str, str] | None]:
    """Return the URL without user and password, and (user, password) where there was one."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url, None
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    return for_files(url), (unquote(user), unquote(password))
