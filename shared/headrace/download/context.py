"""What every download of a process shares."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from headrace.download.connections import ConnectionLimiter
from headrace.models import Artifact, Source, SourceFailed, TransferFinished
from headrace.policy.destinations import of_artifact
from headrace.values import dataclass

if TYPE_CHECKING:
    from headrace.system.storage.store import Store
    from headrace.upstream.client import Client, RangeStream

__all__ = ["DownloadContext"]

_log = logging.getLogger("headrace.transfer")


@dataclass(frozen=True, slots=True)
class DownloadContext:
    """What every download of a process shares."""

    client: Client
    store: Store
    connections: ConnectionLimiter
    report: Callable[..., None]
    observe: Callable[[SourceFailed | TransferFinished], None]
    confirm: Callable[[Artifact], Awaitable[bool]] | None
    headers_for: Callable[[Artifact, Source], Mapping[str, str]]

    def open_range(
        self,
        artifact: Artifact,
        source: Source,
        start: int,
        end: int | None,
        *,
        validator: str | None = None,
        connect_timeout: float,
        first_byte_timeout: float,
    ) -> AbstractAsyncContextManager[RangeStream]:
        """Ask `source` for ``[start, end)`` with the headers that it may see; UpstreamError.

        With a `validator`: of that version alone, else the whole file (If-Range).
        """
        headers = dict(self.headers_for(artifact, source))
        if validator and start:
            headers["if-range"] = validator
        return self.client.open_range(
            source.url,
            start,
            end,
            headers=headers,
            connect_timeout=connect_timeout,
            first_byte_timeout=first_byte_timeout,
            initiator=of_artifact(artifact, source),
        )

    async def confirmed(self, artifact: Artifact) -> bool:
        """Ask for the origin's word on what a provisional page named."""
        try:
            return self.confirm is not None and await self.confirm(artifact)
        except Exception:  # noqa: BLE001 - a plugin's mistake is a no
            _log.exception("%s: asking for the origin's word failed", artifact.name)
            return False
