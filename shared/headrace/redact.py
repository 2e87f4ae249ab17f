"""Two verbs for URLs that may hold secrets: for display, and for files; and where secrets are for.

*For display* keeps the shape, so that a reader sees that there was a password. *For files* takes
every secret out, because what a tool writes down is read by others later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import unquote, urlsplit, urlunsplit

__all__ = [
    "TOKEN_FORM",
    "for_display",
    "for_files",
    "has_secret",
    "hide_secrets",
    "hosts_of_secrets",
    "secrets_in",
    "split_credential",
]

_TOKEN_PATH = re.compile(r"/t/[^/]+(?=/|$)")
_SECRET_NAME = re.compile(
    r"(?i)token|signature|passw|secret|credential|key|session|cookie|bearer|assertion"
    # Whole names: Azure's shared access signatures (``sig``), Akamai's (``hdnts``), and the like.
    r"|^(?:sig|auth|authorization|hdnts|hdntl|hdnea|hmac|jwt|pwd|pat|otp|code|ticket)$"
)

#: A character as a URL holds it: itself, or escaped once or more often (``%2541`` is an A, twice).
_CHARACTER = re.compile(r"%((?:25)*)([0-9A-Fa-f]{2})|.", re.DOTALL)
#: How often a URL within a URL is escaped and its values still told apart; and any number of times.
_DEPTHS = (0, 1, 2)
_ANY_DEPTH = 1 << 20
#: Stands for a character that is escaped too often to be a mark at this depth.
_NO_MARK = "\0"
# None of these looks at anything twice: mirrors and web pages decide how long a URL is.
_NAME = re.compile(r"(?<![^?&#;/=])([^?&#;/=]+)=")
_QUERY_OR_FRAGMENT = re.compile(r"[?#]")
_VALUE_OF_PATH = re.compile(r"[^/?#]*")
_VALUE_OF_QUERY = re.compile(r"[^&#]*")
_VALUE_OF_FRAGMENT = re.compile(r"[^&]*")
#: A URL in a file or a variable of any kind, up to what would end it there.
_URL = re.compile(r"(?i)https?://[^\s\"'<>,\]]+")
#: Its authority, up to what no reader takes for a part of it, and a host behind each ``@`` there: a
#: password may have marks that end a URL elsewhere, and a list of URLs has the same ones.
_AUTHORITY = re.compile(r"(?i)https?://([^\s\"/?#\\]*)")
_HOST_OF_USER = re.compile(r"@([\w.-]+|\[[0-9A-Fa-f:.]*\])")
_TOKEN_BELOW_T = re.compile(r"/t/([^/?#]+)")
_PART = re.compile(r"[^/\\?#]+")
_HOST_AND_PORT = re.compile(r"(?:\[[^\]]*\]|[^:\[]*)(?::[0-9]*)?")
#: Beside a token that is the user's name (hosts of packages, and of code, have it so).
_NO_PASSWORDS = ("", "x-oauth-basic")
#: What may be an address in a text: a proxy's is written without a scheme, too.
_WORD = re.compile(r"[^\s\"'<>]+")
_SETTING = re.compile(
    # conda's `auth` names a handler; docker's, in quotes, is a login.
    r"(?i)((?:password|passwd|secret|token|(?:api|access|secret|private|account)[-_]?key"
    r"|[\"']auth|authorization)[\"']?\s*[=:]\s*)"
    # YAML's and JSON's words for yes, no and nothing are no secrets.
    r"(?!(?:true|false|null),?\s*\Z)\S.*"
)
TOKEN_FORM = re.compile(
    r"(?<![\w-])(?:gh[a-z]_[A-Za-z0-9]{30,255}|github_pat_\w{40,255}|glpat-[\w-]{20,255}"
    r"|pypi-AgE[\w-]{40,500}|npm_[A-Za-z0-9]{30,255}|hf_[A-Za-z0-9]{30,255}"
    r"|xox[a-z]-[\w-]{20,255}|dckr_pat_[\w-]{20,255}|nvapi-[\w-]{40,255}"
    r"|sk-(?:proj-|ant-)?[A-Za-z0-9_-]{32,255}|(?:AKIA|ASIA)[0-9A-Z]{16})(?![\w-])"
)
"""What is a token by its form alone, as those who give them out have it, wherever it stands."""
#: From, and up to: characters of a URL.
_Span = tuple[int, int]


def _netloc_without_user(netloc: str) -> str:
    return netloc.rpartition("@")[2]


def for_display(url: str) -> str:
    """Hide password, anaconda-style path token and secret-looking values behind ``***``.

    Wherever they are: in path, query or fragment, and in a URL that is a part of this one, however
    often it is escaped. Rather too much than too little. What cannot be printed is left out.
    """
    url = "".join(filter(str.isprintable, url))
    try:
        urlsplit(url)
    except ValueError:
        return "***"
    shown, at = [], 0
    written, hidden = _hidden(url)
    for start, end in hidden:
        if end > at:
            # What begins within another is hidden with it.
            shown += [*written[at:start], "***"] if start >= at else []
            at = end
    return "".join([*shown, *written[at:]])


def secrets_in(text: str) -> Iterator[str]:
    """Give what `for_display` hides of each address in a text, as it is written and as it is meant:
    the same secret may stand elsewhere without its address.
    """
    for word in _WORD.finditer(text):
        if "@" in word[0] or "://" in word[0]:
            written, hidden = _hidden(word[0])
            for start, end in hidden:
                secret = "".join(written[start:end])
                yield secret
                yield unquote(secret)


def _hidden(url: str) -> tuple[list[str], list[_Span]]:
    """Return the characters of a URL as they are written, and where secrets are among them."""
    written, plain, depths = _characters(url)
    marks = [plain]
    if depths:
        marks = [_marks(plain, depths, depth) for depth in (*_DEPTHS, _ANY_DEPTH)]
    hidden: set[_Span] = set()
    for each, ends in zip(marks, (*marks[:-1], marks[-2:][0]), strict=True):
        hidden.update(_secrets(each, ends, plain))
    return written, sorted(hidden)


def _characters(url: str) -> tuple[list[str], str, list[int]]:
    """Return the characters of a URL: as written, what they are, and how often each is escaped."""
    if "%" not in url:
        return list(url), url, []
    written, plain, depths = [], [], []
    for found in _CHARACTER.finditer(url):
        written.append(found[0])
        plain.append(found[0] if found[2] is None else chr(int(found[2], 16)))
        depths.append(0 if found[2] is None else 1 + len(found[1]) // 2)
    return written, "".join(plain), depths


def _marks(plain: str, depths: list[int], depth: int) -> str:
    """Return what marks something where that may be escaped so many times, and no more."""
    pairs = zip(plain, depths, strict=True)
    return "".join(each if deep <= depth else _NO_MARK for each, deep in pairs)


def _secrets(marks: str, ends: str, plain: str) -> Iterator[_Span]:
    """Give where secrets are, of which a value goes on up to what marks something in `ends`."""
    yield from _users(marks)
    yield from (found.span(1) for found in _TOKEN_BELOW_T.finditer(marks))
    yield from _values(marks, ends, plain)


def _users(marks: str) -> Iterator[_Span]:
    last = marks.rfind("@")
    for part in _PART.finditer(marks):
        start, end = part.span()
        authority = marks[max(0, start - 2) : start] in ("//", "\\\\")
        at, colon = marks.rfind("@", start, end), marks.find(":", start, end)
        if 0 <= colon < at and not (authority and marks[colon + 1 : at] in _NO_PASSWORDS):
            yield colon + 1, at
        elif at >= 0 and authority:
            # A user without a password is often a token by itself.
            yield start, at
        elif authority and colon >= 0 and not _HOST_AND_PORT.fullmatch(part[0]):
            # No port: a password with a mark in it that should have been escaped.
            yield colon + 1, max(end, last)


def _values(marks: str, ends: str, plain: str) -> Iterator[_Span]:
    found = _QUERY_OR_FRAGMENT.search(marks)
    path = found.start() if found else len(marks)
    query = marks.find("#") if "#" in marks else len(marks)
    at = 0
    while name := _NAME.search(marks, at):
        at = name.end()
        if _SECRET_NAME.search(plain[name.start(1) : name.end(1)]):
            value = (
                _VALUE_OF_PATH
                if name.start(1) <= path
                else _VALUE_OF_QUERY
                if name.start(1) <= query
                else _VALUE_OF_FRAGMENT
            ).match(ends, at)
            at = value.end() if value else at
            yield name.end(), at


def hide_secrets(text: str) -> str:
    """Hide what a text for people may show of credentials: in URLs, and in settings named after
    one. For `for_display` a text is one URL.
    """
    return TOKEN_FORM.sub("***", _SETTING.sub(r"\1***", _WORD.sub(_shown, text)))


def _shown(word: re.Match[str]) -> str:
    return for_display(word[0]) if "@" in word[0] or "://" in word[0] else word[0]


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


def hosts_of_secrets(text: str) -> Iterator[str]:
    """Name the host of each URL with a secret in a text of any kind: a file of settings, the value
    of a variable. Rather too many than too few.
    """
    yield from dict.fromkeys((*_hosts_of_urls(text), *_hosts_of_users(text)))


def _hosts_of_urls(text: str) -> Iterator[str]:
    for found in _URL.finditer(text):
        with suppress(ValueError):
            host = urlsplit(found[0]).hostname
            if host and has_secret(found[0]):
                yield host


def _hosts_of_users(text: str) -> Iterator[str]:
    for authority in _AUTHORITY.finditer(text):
        for found in _HOST_OF_USER.finditer(authority[1]):
            yield found[1].strip("[]").lower()
