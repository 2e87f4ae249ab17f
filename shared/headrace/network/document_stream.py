"""A document's body as it arrives, decoded, with its end told from a cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

from headrace.errors import UpstreamError
from headrace.models import Fault
from headrace.network.answers import judge_status
from headrace.redact import for_display

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
        coded: bool,
    ) -> None:
        """`coded`: the body came with a Content-Encoding and is decoded here."""
        self.status = status
        self.url = url
        """Final URL, after redirects."""
        self.headers = headers
        """Lower-case names, as they came."""
        self.rtt = rtt
        self.coded = coded
        length = headers.get("content-length", "")
        self.length = int(length) if length.isdecimal() and not coded else None
        """Bytes of this body; None where nobody said, or where it is decoded."""
        self._body = body
        self._translate = translate

    def error(self) -> UpstreamError | None:
        """Return what is wrong for one who wanted the content; None for 2xx and 304."""
        return judge_status(self.status, self.headers, self.url)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the bytes; UpstreamError where they end too early."""
        got = 0
        try:
            async for chunk in self._body:
                got += len(chunk)
                if chunk:
                    yield chunk
        except (UpstreamError, asyncio.CancelledError, GeneratorExit):
            raise
        except Exception as error:
            raise self._translate(error) from error
        if self.length is not None and got < self.length:
            message = f"{for_display(self.url)} ended {self.length - got} bytes before its length"
            raise UpstreamError(Fault.CUT, message)
