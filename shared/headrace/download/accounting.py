"""What one download tells statistics, plugins and the log: bytes, times, faults by source."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable

from headrace.errors import UpstreamError
from headrace.models import Artifact, Fault, Source, SourceFailed, TransferFinished
from headrace.values import dataclass

__all__ = ["Accounting"]

_log = logging.getLogger("headrace.transfer")

#: Answers that end at one place in a file: whoever gives them gives no more of it.
_SEVERAL = 3


@dataclass(slots=True)
class _Account:
    """One source's: the time in which it worked at all is what its rate is reckoned by."""

    bytes: int = 0
    busy: float = 0.0
    requests: int = 0
    since: float = 0.0


class Accounting:
    """Kept for one download; `sources` may grow meanwhile."""

    def __init__(
        self,
        artifact: Artifact,
        sources: dict[str, Source],
        report: Callable[..., None],
        observe: Callable[[SourceFailed | TransferFinished], None],
        corrupt_sources: Iterable[str] = (),
    ) -> None:
        """`report` goes to the statistics, `observe` to the plugins."""
        self._artifact = artifact
        self._sources = sources
        self._report = report
        self._observe = observe
        self._accounts: dict[str, _Account] = {}
        self._faults: Counter[str] = Counter()
        self._cuts: dict[str, list[int]] = {}
        """By source, where in the file its answers ended early."""
        self._reached: Counter[str] = Counter()
        """By source, to where in the file it has given bytes."""
        self.corrupt_sources = set(corrupt_sources)
        """Sources that gave wrong bytes, to this task or to an earlier one for the same file."""
        self.refusal: UpstreamError | None = None
        """How the origin failed when it was asked last."""
        self.refused = asyncio.Event()
        """The origin has failed at least once."""

    def origin_said(self, error: UpstreamError | None) -> None:
        """Note how the origin did; None: well."""
        self.refusal = error
        if error is not None:
            self.refused.set()

    def began(self, source: str, now: float) -> None:
        """A request to `source` begins."""
        account = self._accounts.setdefault(source, _Account())
        if not account.requests:
            account.since = now
        account.requests += 1

    def answered(self, source: Source, rtt: float) -> None:
        """The head of an answer is here, `rtt` seconds after the request."""
        self._tell(source, rtt=rtt)

    def ended(self, source: str, start: int, received: int, now: float) -> None:
        """A request for what begins at `start` ended, well or not, after `received` bytes."""
        account = self._accounts[source]
        if received:
            self._reached[source] = max(self._reached[source], start + received)
        account.bytes += received
        account.requests -= 1
        if not account.requests:
            account.busy += now - account.since

    def count_fault(
        self,
        source: str,
        fault: Fault,
        detail: str,
        retry_after: float | None = None,
        at: int | None = None,
    ) -> None:
        """Tell everybody about a failure; `at` is where in the file the bytes ended."""
        if fault is Fault.CUT and at is not None:
            self._cuts.setdefault(source, []).append(at)
        _log.info("%s: %s: %s %s", self._artifact.name, source, fault.value, detail)
        self._faults[f"{source}:{fault.value}"] += 1
        if fault is Fault.WRONG_BYTES:
            self.corrupt_sources.add(source)
        self._observe(SourceFailed(self._artifact, source, fault, detail))
        if known := self._sources.get(source):
            self._tell(known, fault=fault, retry_after=retry_after)

    def finished(self, size: int, seconds: float) -> None:
        """The file is whole and right."""
        given = {source: account.bytes for source, account in self._accounts.items()}
        # First, so that nobody compares it with a rate that it made itself.
        self._observe(TransferFinished(self._artifact, size, seconds, given, dict(self._faults)))
        for source, account in self._accounts.items():
            # What a corrupt source gave says nothing about what it is worth.
            if account.bytes and account.busy > 0 and source not in self.corrupt_sources:
                self._tell(self._sources[source], bytes=account.bytes, seconds=account.busy)
            if limit := self._ends_at(source):
                self._tell(self._sources[source], cut_at=limit)

    def _ends_at(self, source: str) -> int:
        """Return where in the file a source's answers end, each of several; 0: nowhere. One that
        fails for another reason ends anywhere, and others of its requests get further.
        """
        cuts = self._cuts.get(source, ())
        if len(cuts) < _SEVERAL or self._reached[source] > min(cuts):
            return 0
        return min(cuts)

    def _tell(self, source: Source, **observation: object) -> None:
        artifact = self._artifact
        self._report(source.id, artifact.object_class, path=artifact.path, **observation)
