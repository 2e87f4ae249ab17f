"""A bucket in which all replicas of a fleet keep files, behind the disk of each.

    v1/sha256/ab/abcdef…    below the prefix; the name is the digest, so an object never changes

For whoever wants a file the bucket is a source like any other, the first one: it is asked at a URL
that is signed for an hour, by the same ranges, with the same patience, and what comes is held
against the digest; so a wrong object is found when it is read, and a bucket that is away, slow or
without rights is gone around as a mirror would be. Nothing is ever listed.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headrace.errors import LocalError
from headrace.models import Digest, Mirror, OperatorClass
from headrace.policy.lru import LRUCache
from headrace.redact import for_display

__all__ = ["BUCKET", "Bucket"]

_log = logging.getLogger("headrace.bucket")

BUCKET = "bucket"
"""The id of the bucket among sources, in statistics and logs; and its layout."""
#: What the keys mean; another meaning gets another word, and what is there is left alone.
_SCHEMA = "v1"
#: Seconds for which a signed URL counts: longer than a large file takes.
_SIGNED_FOR = 3600.0
#: A signed URL is given again for so long: a client that goes on asks at the same place.
_SAME_FOR = 300.0
#: Seconds for which it is believed that an object is not there: a fellow may put it there any time.
_LACKS_FOR = 5.0
#: Seconds for which nobody is led to a bucket that could not even sign.
_REST = 10.0
_MOST = 8192


class Bucket:
    """One prefix of one bucket. For one event loop; signing takes microseconds."""

    def __init__(
        self,
        url: str,
        *,
        signed_for: float = _SIGNED_FOR,
        clock: Callable[[], float] = time.monotonic,
        **options: Any,
    ) -> None:
        """`url` as ``s3://bucket/prefix``; the library finds credentials where each cloud's own
        tools look (`AWS_ACCESS_KEY_ID`, a role, a token file). `options` are the library's.

        LocalError where the library is not there, or can make nothing of the URL.
        """
        try:
            import obstore  # noqa: PLC0415 - a fleet's alone
            from obstore.store import from_url  # noqa: PLC0415 - as above
        except ImportError as error:
            raise LocalError(
                "incomplete",
                f"this installation has not what a bucket needs: {error}",
                hint="install it with what a fleet needs: headrace[fleet]",
            ) from error
        options.setdefault("client_options", {"allow_http": True, "connect_timeout": "5s"})
        options.setdefault("retry_config", {"max_retries": 2})
        try:
            self._store: Any = from_url(url, **options)
        except Exception as error:
            raise LocalError(
                "bad-bucket",
                f"serve.store: {for_display(url)} cannot be used: {_first_line(error)}",
                hint="s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX",
                fault_of="your settings",
            ) from error
        self._library = obstore
        self.url = for_display(url)
        self._clock = clock
        self._for = signed_for
        self._signed = LRUCache[str, tuple[float, str]](_MOST)
        self._lacking = LRUCache[str, float](_MOST)
        self._there = LRUCache[str, int](_MOST)
        """Sizes of objects that are known to be there."""
        self._rests_until = 0.0

    # ------------------------------------------------------------------ as a source

    def mirror(self, ecosystem: str) -> Mirror:
        """Return it as an ecosystem's first mirror."""
        return Mirror(
            BUCKET,
            ecosystem,
            self.url,
            BUCKET,
            operator="the fleet's own",
            operator_class=OperatorClass.ORGANISATION,
            rank=-2,
            own=True,
            first=True,
        )

    def place(self, digest: Digest) -> str | None:
        """Return a signed URL at which an object is, if it is; None: not there a moment ago, or
        nothing could be signed.
        """
        key, now = key_of(digest), self._clock()
        if (self._lacking.get(key) or 0.0) > now or self._rests_until > now:
            return None
        signed_at, url = self._signed.get(key) or (0.0, "")
        if url and now - signed_at < min(_SAME_FOR, self._for / 2):
            return url
        try:
            url = str(self._library.sign(self._store, "GET", key, dt.timedelta(seconds=self._for)))
        except Exception as error:  # noqa: BLE001 - the library's own errors are of any kind
            self._rests_until = now + _REST
            _log.warning("the bucket %s is not asked: %s", self.url, _first_line(error))
            return None
        self._signed.put(key, (now, url))
        return url

    def lacks(self, digest: Digest) -> None:
        """Take note that an object is not there just now."""
        self._lacking.put(key_of(digest), self._clock() + _LACKS_FOR)
        self._there.pop(key_of(digest))

    # ------------------------------------------------------------------ objects

    async def put(self, digest: Digest, path: Path) -> bool:
        """Put a whole, checked file there; False: it was there before. In parts where it is large:
        an object is there with its last part, or not at all. The library's errors.
        """
        key = key_of(digest)
        size = (await asyncio.to_thread(path.stat)).st_size
        if await self._size(key) == size:
            return False
        # Where another replica is first, or the one that was there is of another size, the last one
        # counts: both are the same bytes, or that one was wrong.
        await self._library.put_async(self._store, key, path)
        self._there.put(key, size)
        self._lacking.pop(key)
        return True

    async def drop(self, digest: Digest) -> None:
        """Remove an object that proved wrong. The library's errors."""
        key = key_of(digest)
        self._there.pop(key)
        self._lacking.put(key, self._clock() + _LACKS_FOR)
        await self._library.delete_async(self._store, key)

    async def has(self, digest: Digest, size: int) -> bool:
        """Whether an object of this size is there; False also where it does not say."""
        key = key_of(digest)
        if self._there.get(key) == size:
            return True
        if (self._lacking.get(key) or 0.0) > self._clock():
            return False
        try:
            found = await self._size(key)
        except Exception as error:  # noqa: BLE001 - as above
            _log.info("the bucket %s does not say: %s", self.url, _first_line(error))
            return False
        if found is None:
            self.lacks(digest)
        elif found == size:
            self._there.put(key, size)
        return found == size

    async def _size(self, key: str) -> int | None:
        try:
            told = await self._library.head_async(self._store, key)
        except FileNotFoundError:
            return None
        return int(told["size"])


def key_of(digest: Digest) -> str:
    """Return the key of a digest's object, below the prefix."""
    return f"{_SCHEMA}/{digest.algorithm}/{digest.value[:2]}/{digest.value}"


def _first_line(error: BaseException) -> str:
    text = str(error).strip().partition("\n")[0] or type(error).__name__
    return for_display(text) if "://" in text else text
