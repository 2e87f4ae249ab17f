"""What origins say of objects without giving them: answers to HEAD, remembered and kept.

An answer stands for its `lifetime`; while the origin cannot be asked it stands longer, and is then
called stale. Origins that count what is fetched do not count these questions.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace

from headrace.errors import StoreError, UpstreamError
from headrace.interface.lookups import HeadRequest, LookUpResult
from headrace.models import Document, Fault
from headrace.system.storage.pages import PageStore
from headrace.upstream.auth.origin_credentials import OriginClient
from headrace.upstream.single_flight import SingleFlight

__all__ = ["HeadRequests"]

_log = logging.getLogger("headrace.head_requests")

#: Seconds of silence after which the last known answer is taken.
_PATIENCE = 5.0


class HeadRequests:
    """Single flight by question."""

    def __init__(
        self,
        origin: OriginClient,
        pages: PageStore,
        *,
        told: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Both are shared with everybody else; `told` hears "stale" for each answer that is."""
        self._told = told
        self._origin = origin
        self._pages = pages
        self._clock = clock
        self._flights = SingleFlight[str, Document]()

    async def get(self, head: HeadRequest) -> LookUpResult:
        """Return what the origin says; UpstreamError when it says nothing, or no."""
        known = await asyncio.to_thread(self._pages.get, head.key)
        age = self._clock() - known.fetched_at if known else 0.0
        if known is not None and 0 <= age < head.lifetime:
            return _seen(known)
        try:
            return _seen(await self._flights.do(head.key, lambda: self._ask(head)))
        except UpstreamError as error:
            if error.fault in (Fault.MISSING, Fault.FORBIDDEN):
                raise
            if known is None:
                known = await asyncio.to_thread(self._alike, head)
            if known is None:
                raise
            age = self._clock() - known.fetched_at
            if not 0 <= age < head.stale_if_error:
                raise
            _log.warning("%s: the answer of %.0f s ago stands: %s", head.url, age, error)
            self._told("stale")
            return _seen(known, stale=True)

    def _alike(self, head: HeadRequest) -> Document | None:
        """Return what was said to another client, of a kind that this one takes too."""
        for accept in head.alike:
            page = self._pages.get(replace(head, accept=accept).key)
            kind = page.headers.get("content-type", "").partition(";")[0] if page else ""
            if kind and kind in head.accept:
                return page
        return None

    async def _ask(self, head: HeadRequest) -> Document:
        answer = await self._origin.fetch(
            head.origin,
            head.url,
            method="HEAD",
            headers={"accept": head.accept, "accept-encoding": "identity"},
            timeout=_PATIENCE,
        )
        if error := answer.error():
            raise error
        headers = {name: answer.headers[name] for name in head.keep if name in answer.headers}
        kind = headers.get("content-type", "")
        page = Document(
            answer.url,
            b"",
            kind,
            fetched_at=self._clock(),
            headers=headers,
            private=self._origin.is_private(head.origin, head.url),
        )
        try:
            await asyncio.to_thread(self._pages.put, head.key, page)
        except StoreError as error:
            _log.info("%s is not kept: %s", head.key, error)
        return page


def _seen(page: Document, *, stale: bool = False) -> LookUpResult:
    version = page.headers.get("etag", "")
    return LookUpResult(
        version, page.fetched_at, headers=page.headers, stale=stale, private=page.private
    )
