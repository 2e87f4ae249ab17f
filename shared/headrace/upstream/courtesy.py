"""Keeps every request of this process to what servers said of how often they want to be asked.

The client asks here before it asks anybody, whatever for: a page, a part of a file, a HEAD, a
token, a sample. So nobody further up has to think of it, and none can forget.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from headrace.errors import UpstreamError
from headrace.http.retry_after import retry_after
from headrace.models import Fault
from headrace.policy.rate_limits import RateLimit, RateLimits
from headrace.redact import for_display
from headrace.upstream.sent_request import SentRequest, place_of

__all__ = ["Courtesy"]


class Courtesy:
    """One for the process. For one event loop."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`clock` measures pauses, `wall` gives epochs, for servers that name a date."""
        self._clock = clock
        self._wall = wall
        self._limits = RateLimits()

    def check(self, url: str) -> None:
        """Raise UpstreamError, of Fault.RATE_LIMITED, while the place of a URL wants no request."""
        limit = self._limits.get(_place(url), self._clock())
        if limit is not None:
            raise self._error(url, limit)

    def answered(self, answer: SentRequest) -> None:
        """Hear what somebody answered."""
        self._hear(_place(answer.url), answer)

    def led_to(self, asked: str, answer: SentRequest) -> None:
        """Hear what a URL led to, at once or by redirects."""
        self._hear(asked, answer)

    def _hear(self, key: str, answer: SentRequest) -> None:
        status, now = answer.response.status_code, self._clock()
        seconds = retry_after(answer.headers, self._wall())
        # Any other 503 is a server in trouble.
        if status == 429 or (status == 503 and seconds is not None):
            self._limits.refused(key, status, seconds, now)
        else:
            self._limits.answered(key, now)

    def limited(self, url: str) -> UpstreamError | None:
        """Return what whoever asks for this would be told, with the time that was named, if any.

        None: perhaps something else. A 429 is said to whoever asks, a 503 of what was asked for.
        """
        now = self._clock()
        limit = self._limits.get(url, now)
        if limit is None:
            limit = self._limits.get(_place(url), now)
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
