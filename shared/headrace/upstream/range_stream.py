"""The body of a ranged answer as it arrives, with few wake-ups and a connection that is kept."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, cast

from headrace.errors import UpstreamError
from headrace.http.validators import same_version, validator
from headrace.models import Fault
from headrace.redact import for_display
from headrace.upstream.responses import Span
from headrace.wording import counted

__all__ = ["RangeStream"]

#: Bytes that the kernel gathers before it wakes us, while much is still to come. At WAN speed the
#: cost is per wake-up, not per byte: this takes more than half of the CPU time away.
_GATHER = 32 << 10
#: Below this much left the kernel must wake us for every byte, else the end would never come.
_ENDGAME = 128 << 10
#: A connection slower than this (bytes per second) is woken for every packet: gathering would look
#: like a stall to those who watch it.
_SLOWEST_TO_GATHER = 10 * _GATHER
#: Seconds without a byte after which what was gathered is looked at.
_IMPATIENCE = 0.1


class RangeStream:
    """An answer whose headers were found good. Iterate over it for the bytes.

    The object is given by `Client.open_range` and is valid inside that context. The bytes are
    [start, end) of the file; iteration ends exactly at `end` or raises `UpstreamError`.
    """

    def __init__(
        self,
        *,
        status: int,
        url: str,
        span: Span,
        headers: Mapping[str, str],
        rtt: float,
        fresh: bool,
        body: AsyncIterator[bytes | memoryview],
        sock: Any,
        translate: Callable[[Exception], UpstreamError],
    ) -> None:
        """`sock` may be anything; without `setsockopt` the kernel's gathering is left out."""
        self.status = status
        self.url = url
        """Final URL, after redirects. Later ranges may be asked there, without credentials."""
        self.start = span.start
        self.end = span.end
        """Exclusive; None when neither Content-Range nor Content-Length told."""
        self.total = span.total
        """Size of the whole file; None: not told."""
        self.ranged = span.ranged
        """False: this is the whole file although a range was asked."""
        self.headers = headers
        self.rtt = rtt
        """Seconds from the request's first byte to the answer's headers (no connecting in it)."""
        self.fresh = fresh
        """Whether a connection was made for this request."""
        self.received = 0
        self.lent = False
        """Set by a reader who uses each piece before he asks for the next one: then a piece may be
        a memoryview of a buffer that is used again, and is not copied."""
        self._body = body
        self._translate = translate
        self._left = None if span.end is None else span.end - span.start
        self._ended = False
        self._gatherer = _Gatherer(sock) if (self._left or 0) > 2 * _ENDGAME else None

    def version(self, named: str | None = None) -> str | None:
        """Return the validator of the version that this is of; that which was asked for by
        `named`, where the answer is of the same. None: nothing names it.
        """
        if same_version(named, self.status, self.headers):
            return named
        return validator(self.headers)

    def __repr__(self) -> str:
        """Show where it is."""
        where = f"{self.start}+{self.received}/{self.end}"
        return f"<RangeStream {self.status} {where} {for_display(self.url)}>"

    def __aiter__(self) -> RangeStream:
        """Return itself."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next bytes, never empty; see `lent`."""
        if self._ended:
            raise StopAsyncIteration
        try:
            chunk = await anext(self._body)
            while not chunk:
                chunk = await anext(self._body)
        except StopAsyncIteration:
            self._finish()
            if self._left:
                raise self._cut() from None
            raise
        except Exception as error:
            self._finish()
            raise self._translate(error) from error
        if not self.lent:
            chunk = bytes(chunk)
        self.received += len(chunk)
        if self._left is not None:
            self._left -= len(chunk)
            if self._left <= 0:
                await self._exhaust()
            elif self._gatherer is not None:
                self._gatherer.got(len(chunk), self._left)
        return cast("bytes", chunk)

    def _cut(self) -> UpstreamError:
        return UpstreamError(
            Fault.CUT,
            f"{for_display(self.url)} ended {counted(self._left or 0, 'byte')} before its length",
        )

    async def _exhaust(self) -> None:
        """Read the end of the message: only then does the connection go back to the pool, even
        when the reader stops here. The length is told, so nothing is waited for.
        """
        self._finish()
        with contextlib.suppress(StopAsyncIteration):
            try:
                await anext(self._body)
            except StopAsyncIteration:
                raise
            except Exception as error:
                raise self._translate(error) from error

    def _finish(self) -> None:
        self._ended = True
        if self._gatherer is not None:
            self._gatherer.stop()
            self._gatherer = None

    async def drain(self, at_most: int) -> bool:
        """Read and drop what is left, so that the connection can be kept; True when it could.

        More than `at_most` bytes are not waited for: then the connection will be closed.
        """
        if self._ended:
            return not self._left
        if self._left is None or self._left > at_most:
            return False
        with contextlib.suppress(UpstreamError):
            async for _ in self:
                pass
            return True
        return False

    def close(self) -> None:
        """Stop the timer. The connection is the context's business."""
        self._finish()


class _Gatherer:
    """SO_RCVLOWAT on one socket, raised while bytes flow fast, lowered at once when they do not.

    Over TLS the socket carries more bytes than the reader counts (records, tags), never fewer, so
    the reader's count of what is left is a safe lower bound of what the socket still gets. A peer
    that closes wakes the reader whatever the mark is. Setting the mark lower makes the kernel look
    again at what lies there (`tcp_set_rcvlowat`), so lowering it on a timer cannot stall.
    """

    def __init__(self, sock: Any) -> None:
        self._option = getattr(sock, "setsockopt", None) if hasattr(socket, "SO_RCVLOWAT") else None
        self._loop = asyncio.get_running_loop()
        self._mark = 1
        self._timer: asyncio.TimerHandle | None = None
        self._window_start = self._last = self._loop.time()
        self._window_bytes = 0

    def got(self, count: int, left: int) -> None:
        """Bytes came; `left` more are to come."""
        if self._option is None:
            return
        self._last = self._loop.time()
        if left <= _ENDGAME:
            self._set(1)
            self._option = None
            self.stop()
            return
        self._window_bytes += count
        elapsed = self._last - self._window_start
        if elapsed < _IMPATIENCE / 2:
            return
        fast = self._window_bytes >= _SLOWEST_TO_GATHER * elapsed
        self._window_start, self._window_bytes = self._last, 0
        self._set(_GATHER if fast else 1)
        if fast and self._timer is None:
            self._timer = self._loop.call_later(_IMPATIENCE, self._look)

    def _look(self) -> None:
        quiet = self._loop.time() - self._last
        self._timer = None
        if quiet < _IMPATIENCE:
            self._timer = self._loop.call_later(_IMPATIENCE - quiet + 0.001, self._look)
        else:
            self._set(1)

    def _set(self, mark: int) -> None:
        if mark == self._mark or self._option is None:
            return
        try:
            self._option(socket.SOL_SOCKET, socket.SO_RCVLOWAT, mark)
            self._mark = mark
        except (OSError, ValueError):  # closed under us, or a system that cannot
            self._option = None

    def stop(self) -> None:
        """Leave the socket as it was found."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._set(1)
