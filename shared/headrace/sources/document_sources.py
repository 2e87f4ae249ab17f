"""What is known of who may give a page: its origin, and mirrors that may stand in for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from headrace.interface.hookspecs import Ecosystem
from headrace.models import MirrorStats
from headrace.policy.reputation import standing
from headrace.sources.candidates import ORIGIN, Candidates
from headrace.system.statistics import Statistics

__all__ = ["DocumentSources"]


class DocumentSources:
    """What provisional pages ask (`provisional.MirrorStandings`)."""

    def __init__(
        self, sources: Candidates, statistics: Statistics, network: Callable[[], str]
    ) -> None:
        """All are shared with everybody else; `network` tells the fingerprint of now."""
        self._sources = sources
        self._statistics = statistics
        self._network = network

    def mirrors(self, ecosystem: Ecosystem, object_class: str) -> Sequence[MirrorStats]:
        """All mirrors of an ecosystem, the user's own first."""
        records = self._statistics.snapshot(self._network())
        return [
            standing(mirror, object_class, records)
            for mirror in self._sources.mirrors(ecosystem.name)
        ]

    def origin(self, object_class: str) -> tuple[float | None, float | None]:
        """The origin's rate and round trip."""
        record = self._statistics.snapshot(self._network()).get((ORIGIN, object_class))
        return (record.rate, record.rtt) if record else (None, None)

    def pause(self, mirror_id: str, object_class: str, seconds: float) -> None:
        """Take a right away, across restarts and networks."""
        self._statistics.pause(
            mirror_id, object_class, network=self._network(), until=time.time() + seconds
        )
