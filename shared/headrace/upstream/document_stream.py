"""A document's body as it arrives, decoded, with its end told from a cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial

from headrace.errors import UpstreamError
from headrace.http.ranges import read_length
from headrace.http.unpacking import PIECE, Inflater, Unpacker, coding_of
from headrace.models import Fault
from headrace.redact import for_display
from headrace.upstream.responses import judge_status
from headrace.wording import counted

__all__ = ["DocumentStream"]


class DocumentStream:
    """Given by `Client.open_document` and valid inside that context. Iterate for the bytes."""

    def __init__(
        self,
        status: int,
        url: str,
        headers: Mapping[str, str],
        *,
        rtt: float,
        body: AsyncIterator[bytes],
        translate: Callable[[Exception], UpstreamError],
    ) -> None:
        """`body` is as it came; a Content-Encoding is decoded here."""
        self.status = status
        self.url = url
        """Final URL, after redirects."""
        self.headers = headers
        """Lower-case names, as they came."""
        self.rtt = rtt
        self._coding = headers.get("content-encoding", "").strip().lower()
        if self._coding == "identity":
            self._coding = ""
        length = read_length(headers.get("content-length"))
        # With a Transfer-Encoding the length is to be ignored (RFC 9112 section 6.3).
        told = "transfer-encoding" not in headers and not self._coding
        self.length = length if told else None
        """Bytes of this body; None where nobody said, or where it is decoded."""
        self._body = body
        self._translate = translate

    @property
    def coded(self) -> bool:
        """Whether the body came with a Content-Encoding."""
        return bool(self._coding)

    def error(self) -> UpstreamError | None:
        """Return what is wrong for one who wanted the content; None for 2xx and 304."""
        return judge_status(self.status, self.headers, self.url)

    async def whole(self, limit: int) -> bytes:
        """Give all of it in one piece; UpstreamError where it ends too early, or is longer than
        `limit` bytes, decoded.

        Of an answer that does not bring what was asked, the status is what counts: a body that
        cannot be had is an empty one there.
        """
        if self.status in (204, 304):
            return b""
        try:
            return await self._all(limit)
        except UpstreamError:
            if self.error() is None:
                raise
            return b""

    async def _all(self, limit: int) -> bytes:
        body = bytearray()
        async for piece in self:
            body += piece
            if len(body) > limit:
                message = f"{for_display(self.url)} is larger than {counted(limit, 'byte')}"
                raise UpstreamError(Fault.NOT_THE_FILE, message)
        return bytes(body)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the bytes; UpstreamError where they end too early."""
        got = 0
        unpacker = self._unpacker()
        try:
            async for chunk in self._body:
                got += len(chunk)
                for piece in unpacker.feed(chunk) if unpacker is not None else (chunk,):
                    if piece:
                        yield piece
                    if len(piece) == PIECE:
                        await asyncio.sleep(0)  # a few bytes that are many hold up nobody else
        except (UpstreamError, asyncio.CancelledError, GeneratorExit):
            raise
        except ValueError as error:
            raise self._not_decoded(error) from error
        except Exception as error:
            raise self._translate(error) from error
        if self.length is not None and got < self.length:
            missing = counted(self.length - got, "byte")
            message = f"{for_display(self.url)} ended {missing} before its length"
            raise UpstreamError(Fault.CUT, message)
        if unpacker is not None and not unpacker.complete:
            # Whoever stands between cut it and framed it anew: nothing else shows that.
            message = f"{for_display(self.url)} ended within its {self._coding}"
            raise UpstreamError(Fault.CUT, message)

    def _unpacker(self) -> Unpacker | None:
        try:
            coding = coding_of(self._coding)
        except ValueError as error:
            raise self._not_decoded(error) from error
        start = partial(Inflater, bare=coding == "deflate")
        return Unpacker(start, lenient=True) if coding else None

    def _not_decoded(self, error: ValueError) -> UpstreamError:
        return UpstreamError(Fault.PROTOCOL, f"{for_display(self.url)} cannot be decoded: {error}")
