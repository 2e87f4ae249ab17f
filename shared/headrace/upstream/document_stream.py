"""A document's body as it arrives, decoded, with its end told from a cut."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

from headrace.errors import UpstreamError
from headrace.http.ranges import read_length
from headrace.models import Fault
from headrace.redact import for_display
from headrace.upstream.responses import judge_status

__all__ = ["DocumentStream"]

#: Bytes that are decoded at a time: a few bytes of gzip can be a thousand times as many.
_PIECE = 256 << 10


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
        coding = headers.get("content-encoding", "").strip().lower()
        self._coding = "" if coding == "identity" else coding
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

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the bytes; UpstreamError where they end too early."""
        got = 0
        decoder = _Decoder(self._coding)
        try:
            async for chunk in self._body:
                got += len(chunk)
                for piece in decoder.decode(chunk):
                    yield piece
        except (UpstreamError, asyncio.CancelledError, GeneratorExit):
            raise
        except (ValueError, zlib.error) as error:
            message = f"{for_display(self.url)} cannot be decoded: {error}"
            raise UpstreamError(Fault.PROTOCOL, message) from error
        except Exception as error:
            raise self._translate(error) from error
        if self.length is not None and got < self.length:
            message = f"{for_display(self.url)} ended {self.length - got} bytes before its length"
            raise UpstreamError(Fault.CUT, message)
        if not decoder.complete:
            # Whoever stands between cut it and framed it anew: nothing else shows that.
            message = f"{for_display(self.url)} ended within its {self._coding}"
            raise UpstreamError(Fault.CUT, message)


class _Decoder:
    """The codings that are asked for, their end told from a cut."""

    def __init__(self, coding: str) -> None:
        if coding not in ("", "gzip", "x-gzip", "deflate"):
            raise UpstreamError(Fault.PROTOCOL, f"came as {coding[:20]!r}, which was not asked")
        self._stream = zlib.decompressobj(zlib.MAX_WBITS | 32) if coding else None

    @property
    def complete(self) -> bool:
        return self._stream is None or self._stream.eof

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        if self._stream is None:
            if chunk:
                yield chunk
            return
        while True:
            piece = self._stream.decompress(chunk, _PIECE)
            if piece:
                yield piece
            if self._stream.eof:
                chunk = self._stream.unused_data
                if not chunk:
                    return
                self._stream = zlib.decompressobj(zlib.MAX_WBITS | 32)  # the next member
            else:
                chunk = self._stream.unconsumed_tail
                if not chunk and len(piece) < _PIECE:
                    return
