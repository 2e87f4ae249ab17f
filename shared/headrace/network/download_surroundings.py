"""What every download of a process shares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.models import Artifact, Source, SourceFailed, TransferFinished
from headrace.network.download_limits import Connections

if TYPE_CHECKING:
    from headrace.network.client import Client
    from headrace.system.store import Store

__all__ = ["Surroundings"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every download of a process shares."""

    client: Client
    store: Store
    connections: Connections
    report: Callable[..., None]
    observe: Callable[[SourceFailed | TransferFinished], None]
    confirm: Callable[[Artifact], Awaitable[bool]] | None
    headers_for: Callable[[Artifact, Source], Mapping[str, str]]
