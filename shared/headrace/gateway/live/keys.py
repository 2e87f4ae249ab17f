"""What opens the live page in a browser where the system does not tell whose the browser is.

``headrace open`` asks for a *code*, once it knows that it talks to the gateway (`health`). The code
is in the fragment of the page's address, which no browser sends: the page shows it in a header, and
gets a *session* for it. That has two halves: a cookie, which no script can read and no other site's
page can make a browser send, and a word that the page itself keeps. A browser gives a cookie of one
port of this machine to every other port, where somebody else may listen; what a page keeps it gives
to that port's pages alone. One half opens nothing. A code is worth nothing when it was used, or
after `CODE_LIVES`; so it may stay in a browser's history. A session ends after `SESSION_LIVES`, and
with the worker.

A *seal* goes with whatever the page may change: it is told in an answer that no other page can
read, and shown in a header that no other page can send.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable

__all__ = ["CODE_LIVES", "SESSION_LIVES", "Keys", "cookie_in", "cookie_name"]

CODE_LIVES = 300.0
"""Seconds; long enough to copy the address to another machine's browser."""
SESSION_LIVES = 12 * 3600.0
"""Seconds."""
#: Codes and sessions at a time; the oldest goes.
_MOST = 16
_BYTES = 48
#: Characters of half a session.
_HALF = 32


class Keys:
    """Codes, sessions and the seal of one worker, in memory alone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self._clock = clock
        self._codes: dict[str, float] = {}
        self._sessions: dict[str, float] = {}
        """By both halves, which stand one behind the other."""
        self.seal = secrets.token_urlsafe(_BYTES)

    def new_code(self) -> str:
        """Make a code that opens the page once."""
        return self._new(self._codes, CODE_LIVES)

    def session_for(self, code: str) -> tuple[str, str] | None:
        """Take a code and give a session, cookie and word; None where it is none, or was one."""
        found = self._find(self._codes, code)
        if found is None:
            return None
        del self._codes[found]
        made = self._new(self._sessions, SESSION_LIVES)
        return made[:_HALF], made[_HALF:]

    def is_session(self, cookie: str, word: str) -> bool:
        """Whether these open the page."""
        both = len(cookie) == _HALF and self._find(self._sessions, cookie + word)
        return bool(both)

    def is_seal(self, shown: str) -> bool:
        """Whether whoever shows this has read the page."""
        return hmac.compare_digest(self.seal.encode(), shown.encode("latin-1", "replace"))

    def _new(self, kept: dict[str, float], lives: float) -> str:
        while len(kept) >= _MOST:
            del kept[next(iter(kept))]
        made = secrets.token_urlsafe(_BYTES)
        kept[made] = self._clock() + lives
        return made

    def _find(self, kept: dict[str, float], shown: str) -> str | None:
        for old in [each for each, until in kept.items() if until <= self._clock()]:
            del kept[old]
        told = shown.encode("latin-1", "replace")
        # Each is compared, so that the time says nothing.
        equal = [each for each in kept if hmac.compare_digest(each.encode(), told)]
        return equal[0] if equal else None


def cookie_name(port: int | None) -> str:
    """Name the cookie of the gateway at a port: several may be open in one browser."""
    return f"headrace-live-{port or 0}"


def cookie_in(cookies: str, name: str) -> str:
    """Return a cookie's value in a Cookie header (RFC 6265 section 4.2); "" where it is not."""
    for pair in cookies.split(";"):
        found, _, value = pair.strip().partition("=")
        if found == name:
            return value
    return ""
