"""All requests of one download: started where a connection is to be had, ended when told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from headrace.download.connections import host_of
from headrace.download.range_requests import SegmentRequest
from headrace.models import Source
from headrace.transfer import messages as m

if TYPE_CHECKING:
    from headrace.download.task import DownloadTask

__all__ = ["SegmentRequests"]


class SegmentRequests:
    """Performs what the machine says about requests."""

    def __init__(self, run: DownloadTask) -> None:
        """Work for this run."""
        self._run = run
        self._in_flight: dict[int, SegmentRequest] = {}

    def fetch(self, fetch: m.Fetch) -> None:
        """Start a request, or tell the machine that no connection is free for it."""
        run = self._run
        source = run.sources[fetch.source]
        host = host_of(source.url)
        if run.context.connections.take(host, source.connections, source.id):
            self._in_flight[fetch.request] = SegmentRequest(run, fetch, source, host)
        else:
            asyncio.get_running_loop().call_soon(self._denied, fetch, source, host)

    def _denied(self, fetch: m.Fetch, source: Source, host: str) -> None:
        run = self._run

        def wake() -> None:
            run.tell(m.Freed(source.id))

        run.tell(m.Denied(fetch.request))
        if run.context.connections.free(host, source.connections):
            wake()
        else:
            run.context.connections.wait(host, source.connections, run, wake)

    def shrink(self, action: m.Shrink) -> None:
        """Let a request end earlier."""
        if pull := self._in_flight.get(action.request):
            pull.stop = action.end

    def cancel(self, action: m.Cancel) -> None:
        """End a request now."""
        if pull := self._in_flight.pop(action.request, None):
            pull.cancel()

    def cancel_all(self) -> list[asyncio.Task[None]]:
        """End every request; return the tasks that are ending."""
        ending = list(self._in_flight.values())
        for pull in ending:
            pull.cancel()
        return [pull.task for pull in ending]

    def forget(self, request: int, pull: SegmentRequest) -> None:
        """A request has ended."""
        if self._in_flight.get(request) is pull:
            del self._in_flight[request]
