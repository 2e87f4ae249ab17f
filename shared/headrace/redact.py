"""Two verbs for URLs that may hold secrets: for display, and for files.

*For display* keeps the shape, so that a reader sees that there was a password. *For files* takes
every secret out, because what a tool writes down is read by others later.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit, urlunsplit

__all__ = ["for_display", "for_files", "has_secret", "split_credential"]

_TOKEN_PATH = re.compile(r"/t/[^/]+(?=/|$)")
#: A parameter's name. There is no mark of another one in it, so that nothing is looked at twice:
#: mirrors and web pages decide how long a URL is that is shown.
_NAME = re.compile(r"[?&]([^?&=]+)=")
_VALUE = re.compile(r"[^&#]*")
_SECRET_NAME = re.compile(
    r"(?i)token|signature|passw|secret|credential|key"
    # Whole names: Azure's shared access signatures (``sig``), Akamai's (``hdnts``), and the like.
    r"|^(?:sig|auth|authorization|hdnts|hdnea|hmac|jwt|pwd)$"
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
    return _without_values(_TOKEN_PATH.sub("/t/***", shown_url))


def _without_values(url: str) -> str:
    parts, at = [], 0
    while name := _NAME.search(url, at):
        parts.append(url[at : name.end()])
        at = name.end()
        if _SECRET_NAME.search(unquote(name[1])) and (value := _VALUE.match(url, at)):
            parts.append("***")
            at = value.end()
    return "".join([*parts, url[at:]])


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
