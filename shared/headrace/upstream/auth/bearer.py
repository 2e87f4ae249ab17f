"""Bearer tokens that whoever asks is given: RFC 6750 challenges with a realm to ask at.

Registries of images answer 401 to everybody and name a place that hands out tokens, to strangers
too. A token is kept until it expires and shown to the place that asked for it alone. A realm is
asked only where it belongs to whoever named it.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import quote, urlsplit

from headrace.errors import UpstreamError
from headrace.foreign import UnreadableError, foreign, read_json
from headrace.models import Fault
from headrace.policy.lru import LRUCache
from headrace.redact import for_display
from headrace.upstream.destinations import Way
from headrace.upstream.responses import UpstreamResponse
from headrace.upstream.sent_request import place_of
from headrace.upstream.single_flight import SingleFlight
from headrace.values import dataclass

__all__ = ["BearerTokens", "Challenge", "parse"]

_log = logging.getLogger("headrace.bearer")

_SCHEME = re.compile(r"(?:^|,)\s*Bearer\s+", re.IGNORECASE)
_PAIR = re.compile(r"""(\w++)\s*+=\s*+(?:"((?:[^"\\]++|\\.)*+)"|([^\s,"]++))\s*+(?:,|$)\s*+""")
#: Seconds of a token that names no time, as the distribution project's own clients have it.
_USUAL = 60.0
#: Seconds before its end at which a token counts as expired.
_EARLY = 5.0
_LONGEST = 24 * 3600.0
#: Seconds for a realm to answer; bytes of its answer.
_PATIENCE = 5.0
_LARGEST = 256 * 1024
_REMEMBERED = 512

#: Asks a URL with headers, for some seconds and bytes; and, with `way`, where that leads to.
Fetch = Callable[..., Awaitable[UpstreamResponse]]
#: Scheme, host and port; the folder of what was asked for; the credential that was shown.
_Key = tuple[tuple[str, str | None, int], str, str]


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a server wants to see (RFC 6750 section 3)."""

    realm: str
    service: str = ""
    scope: str = ""

    def url(self) -> str:
        """Return where such a token is had."""
        pairs = [("service", self.service), ("scope", self.scope)]
        query = "&".join(f"{name}={quote(value, safe=':/,')}" for name, value in pairs if value)
        mark = "&" if "?" in self.realm else "?"
        return f"{self.realm}{mark}{query}" if query else self.realm


def parse(header: str) -> Challenge | None:
    """Read WWW-Authenticate; None: it asks for no Bearer token that could be asked for."""
    begin = _SCHEME.search(header)
    if begin is None:
        return None
    found: dict[str, str] = {}
    position = begin.end()
    while match := _PAIR.match(header, position):
        found[match[1].lower()] = match[2] if match[2] is not None else match[3]
        position = match.end()
    realm = found.get("realm", "")
    if not _can_be_asked(realm):
        return None
    return Challenge(realm, found.get("service", ""), found.get("scope", ""))


def _can_be_asked(realm: str) -> bool:
    try:
        with foreign("a realm"):
            return place_of(realm)[0] in ("http", "https") and bool(urlsplit(realm).hostname)
    except UnreadableError:
        return False


class BearerTokens:
    """Tokens by the place, the folder and the credential that they were had for."""

    def __init__(self, fetch: Fetch, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`fetch` asks a URL with headers, for some seconds and bytes."""
        self._fetch = fetch
        self._clock = clock
        self._known = LRUCache[_Key, tuple[str, float]](_REMEMBERED)
        self._flights = SingleFlight[tuple[str, str, Way | None], tuple[str, float] | None]()

    def headers(self, url: str, credential: str = "") -> dict[str, str]:
        """Return the Authorization for a URL, where a token for it is here and good."""
        token, until = self._known.get(_key(url, credential)) or ("", 0.0)
        return {"authorization": f"Bearer {token}"} if self._clock() < until else {}

    async def answer(
        self, url: str, header: str, credential: str = "", *, way: Way | None = None
    ) -> dict[str, str]:
        """Get what a 401 wants to see; empty where that is not to be had.

        `credential` is the Authorization that was shown, empty for a stranger; `way` is where
        whoever said 401 may lead. UpstreamError when whoever hands tokens out wants to be left
        alone for a while: that is no refusal.
        """
        challenge = parse(header)
        if challenge is None or not _same_owner(challenge.realm, url):
            return {}
        where = (challenge.url(), credential, way)
        found = await self._flights.do(where, lambda: self._get(*where))
        if found is None:
            return {}
        self._known.put(_key(url, credential), found)
        return {"authorization": f"Bearer {found[0]}"}

    async def _get(self, url: str, credential: str, way: Way | None) -> tuple[str, float] | None:
        headers = {"authorization": credential} if credential else {}
        try:
            fetch = self._fetch if way is None else partial(self._fetch, way=way)
            answer = await fetch(url, headers, _PATIENCE, _LARGEST)
            if error := answer.error():
                raise error
            token, lasts = _token_in(answer.body)
        except (UpstreamError, UnreadableError) as error:
            if isinstance(error, UpstreamError) and error.fault is Fault.RATE_LIMITED:
                raise
            _log.info("no token from %s: %s", for_display(url.partition("?")[0]), error)
            return None
        return token, self._clock() + max(lasts, _EARLY)


@foreign("a token")
def _token_in(body: bytes) -> tuple[str, float]:
    """Return the token, and the seconds that it is good for."""
    table = read_json(body, "a token")
    token = table.get("token") or table.get("access_token")
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise ValueError("there is none that could be sent")
    seconds = float(table.get("expires_in") or _USUAL)
    return token, min(seconds, _LONGEST) - _EARLY


def _key(url: str, credential: str) -> _Key:
    """Name what a token opens: all that lies two folders above what was asked for.

    A token for a repository opens its manifests and blobs, which are two levels below it.
    """
    folder = urlsplit(url).path.rsplit("/", 2)[0]
    return place_of(url), folder, credential


def _same_owner(realm: str, url: str) -> bool:
    """Whether a realm belongs to the host that named it, as far as its name tells.

    The same host, or one beside it in a domain of its owner (auth.docker.io, registry-1.docker.io);
    a second last part of three letters or less is mostly the public's (co.uk, com.br). Nobody may
    send us around elsewhere, in the local network least of all.
    """
    there, here = urlsplit(realm), urlsplit(url)
    if there.scheme not in {here.scheme, "https"} or "@" in there.netloc:
        return False
    if there.hostname == here.hostname:
        return True
    ours, theirs = ((part.hostname or "").split(".") for part in (here, there))
    named = ours[-1].isalpha() and len(ours) > 2 and len(ours[-2]) > 3
    return named and theirs[-2:] == ours[-2:]
