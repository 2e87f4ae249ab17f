"""Keeps every request of this process to what servers said of how often they want to be asked.

The client asks here before it asks anybody, whatever for: a page, a part of a file, a HEAD, a
token, a sample. So nobody further up has to think of it, and none can forget.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from headrace.errors import UpstreamError
from headrace.http.retry_after import retry_after
from headrace.models import Fault
from headrace.policy.rate_limits import RateLimit, RateLimits, RememberedLimit
from headrace.redact import for_display
from headrace.upstream.sent_request import SentRequest, place_of

__all__ = ["Courtesy", "LimitMemory"]


class LimitMemory(Protocol):
    """Keeps limits from one process to the next."""

    def load(self) -> Iterable[RememberedLimit]:
        """Return what was kept and still holds, the latest first."""

    def keep(self, limit: RememberedLimit) -> None:
        """Keep one, without making anybody wait."""

    def close(self) -> None:
        """Write the rest."""


class Courtesy:
    """One for the process. For one event loop."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        memory: LimitMemory | None = None,
    ) -> None:
        """`clock` measures pauses, `wall` gives epochs, for servers that name a date; what was
        kept in `memory` holds from the start.
        """
        self._clock = clock
        self._wall = wall
        self._memory = memory
        self._limits = RateLimits()
        for limit in reversed(list(memory.load())) if memory is not None else ():
            self._limits.restore(limit, clock())

    def check(self, url: str) -> None:
        """Raise UpstreamError, of Fault.RATE_LIMITED, while the place of a URL wants no request."""
        limit = self._limits.get(_key(_place(url)), self._clock())
        if limit is not None:
            raise self._error(url, limit)

    def answered(self, answer: SentRequest) -> None:
        """Hear what somebody answered."""
        self._hear(_place(answer.url), answer)

    def led_to(self, asked: str, answer: SentRequest) -> None:
        """Hear what a URL led to, at once or by redirects."""
        self._hear(asked, answer)

    def _hear(self, what: str, answer: SentRequest) -> None:
        key = _key(what)
        status, now = answer.response.status_code, self._clock()
        seconds = retry_after(answer.headers, self._wall())
        # Any other 503 is a server in trouble.
        if status == 429 or (status == 503 and seconds is not None):
            limit = self._limits.refused(key, status, seconds, now)
            if self._memory is not None:
                left = limit.until - now
                self._memory.keep(
                    RememberedLimit(key, limit.status, left, limit.named, limit.refusals)
                )
        else:
            self._limits.answered(key, now)

    def told(self, limit: RememberedLimit) -> None:
        """Take what a server said to another process of ours."""
        self._limits.restore(limit, self._clock())

    def close(self) -> None:
        """Write down what is not written yet."""
        if self._memory is not None:
            self._memory.close()

    def limited(self, url: str) -> UpstreamError | None:
        """Return what whoever asks for this would be told, with the time that was named, if any.

        None: perhaps something else. A 429 is said to whoever asks, a 503 of what was asked for.
        """
        now = self._clock()
        limit = self._limits.get(_key(url), now)
        if limit is None:
            limit = self._limits.get(_key(_place(url)), now)
            if limit is None or limit.status != 429:
                return None
        error = self._error(url, limit)
        # A time that nobody named is our own matter.
        error.retry_after = error.retry_after if limit.named else None
        return error

    def _error(self, url: str, limit: RateLimit) -> UpstreamError:
        left = max(0.0, limit.until - self._clock())
        place = _place(url)
        return UpstreamError(
            Fault.RATE_LIMITED,
            f"{place} answered {limit.status} and is left alone for {left:.0f} s more: "
            f"{for_display(url)}",
            status=limit.status,
            retry_after=left,
        )


def _place(url: str) -> str:
    scheme, host, port = place_of(url)
    return f"{scheme}://{host}:{port}"


def _key(what: str) -> str:
    """Return what stands for a place, or for a URL, which may hold a secret, also in a file."""
    return hashlib.blake2b(what.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
