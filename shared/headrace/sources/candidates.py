"""Where an artifact may come from, now and on this network: trust, experience, order.

`choose` answers from memory and never waits. `report` takes what every request taught. `race`
starts the first measurement in the background.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote, urljoin

from headrace.config import Settings
from headrace.fleet_settings import GATEWAY, mirror_of
from headrace.foreign import UnreadableError, foreign
from headrace.interface.hookspecs import Ecosystem
from headrace.interface.manager import Plugins
from headrace.models import (
    Artifact,
    Fault,
    Mirror,
    MirrorStats,
    Source,
    SourceFailed,
    TransferFinished,
)
from headrace.policy import evidence, selection, source_conditions
from headrace.policy.absent_collections import Absence, AbsentCollections
from headrace.policy.destinations import of_mirror
from headrace.policy.lru import LRUCache
from headrace.policy.missing_objects import MissingObjects
from headrace.policy.source_conditions import SourceReport
from headrace.policy.trust import may_be_hedged_at, may_supply_bytes
from headrace.sources.probes import ProbeTarget, run_race
from headrace.system.absences import AbsenceFile
from headrace.system.statistics import Statistics
from headrace.upstream.client import Client
from headrace.upstream.objects.bucket import BUCKET, Bucket

__all__ = ["ORIGIN", "Candidates", "mirrors_in_use"]

_log = logging.getLogger("headrace.sources")

#: The id of the origin in sources, statistics and logs.
ORIGIN = "origin"
#: Seconds between two races of one ecosystem on one network: the unmeasured rest waits for
#: transfers of its own.
_RACE_INTERVAL = 600.0
#: Artifacts of which it is remembered to which collection they belong.
_MOST = 4096
#: Characters of a path that stand for themselves (RFC 3986 section 3.3).
_AS_IT_IS = "/:@!$&'()*+,;=~"
#: Connections to a host whose operator names no number.
_POLITE = 8


def mirrors_in_use(
    plugins: Plugins, settings: Settings, ecosystem: str, today: dt.date
) -> tuple[Mirror, ...]:
    """Return the shared gateway, where there is one, the user's own mirrors, then the plugins' that
    are used on this day.
    """
    own = [*mirror_of(settings.fleet, ecosystem)]
    own += [mirror for mirror in settings.mirrors if mirror.ecosystem == ecosystem]
    shipped = plugins.mirrors(ecosystem) if settings.catalogue else []
    off = {*settings.disabled_mirrors, ORIGIN}
    return evidence.in_use((*own, *shipped), today, named=settings.enabled_mirrors, off=off)


class Candidates:
    """Chooses the sources of artifacts."""

    def __init__(
        self,
        plugins: Plugins,
        settings: Settings,
        statistics: Statistics,
        client: Client,
        network: str | Callable[[], str],
        *,
        live: Callable[[], Settings] | None = None,
        may_be_asked: Callable[[Mirror], bool] = lambda mirror: not mirror.login,
        busy: Mapping[str, int] | None = None,
        absences: AbsenceFile | None = None,
        bucket: Bucket | None = None,
        fellow: Callable[[Artifact], tuple[Mirror, str] | None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`network` is the fingerprint of the network, or what tells the one of now; `live` tells
        which mirrors the user wants now, where that is not what `settings` say.

        `may_be_asked` tells whether a mirror would let us in; `busy` is a live table of the
        requests that run at each source. `absences` keeps who lacks what as a whole; `bucket` is
        where a fleet keeps its files, and `fellow` tells which other replica brings one just now.
        """
        self._fellow = fellow
        self._bucket = bucket
        self._plugins = plugins
        self._statistics = statistics
        self._client = client
        self._network = network if callable(network) else lambda: network
        self._clock = clock
        self._live = live or (lambda: settings)
        self._mirrors: dict[str, tuple[dt.date, Settings, tuple[Mirror, ...]]] = {}
        self._lacking = MissingObjects()
        self._absent = AbsentCollections()
        self._absences = absences or AbsenceFile(None)
        self._absent.restore(self._absences.load(), clock())
        self._members = LRUCache[str, tuple[str, int | None]](_MOST)
        """By an artifact's path: its collection and its size."""
        self._raced: dict[tuple[str, str], float] = {}
        self._races: set[asyncio.Task[int]] = set()
        """Of sources that have not delivered since; there are not more than sources."""
        self._may_be_asked = may_be_asked
        self._busy = {} if busy is None else busy

    # ------------------------------------------------------------------ choosing

    def mirrors(self, ecosystem: str) -> tuple[Mirror, ...]:
        """Return the mirrors in use: the user's own first, then the plugins' that are not off."""
        today = evidence.day(self._clock())
        wanted = self._live()
        made_on, made_of, found = self._mirrors.get(ecosystem, (None, None, ()))
        if made_on != today or made_of is not wanted:
            found = mirrors_in_use(self._plugins, wanted, ecosystem, today)
            if self._bucket is not None:
                found = (self._bucket.mirror(ecosystem), *found)
            self._mirrors[ecosystem] = today, wanted, found
        return found

    def own(self) -> tuple[Mirror, ...]:
        """Return the mirrors of the user's own, also those that are not used."""
        return self._live().mirrors

    def keeps(self, artifact: Artifact, ecosystem: Ecosystem, mirror: Mirror) -> bool:
        """Whether a mirror has a place for an artifact, as far as its layout tells."""
        return _located(ecosystem, artifact, mirror) is not None

    def is_old(self, mirror_id: str, ecosystem: str) -> bool:
        """Whether what is known of a mirror that is in use is old."""
        today = evidence.day(self._clock())
        return any(m.id == mirror_id and evidence.is_old(m, today) for m in self.mirrors(ecosystem))

    def choose(
        self, artifact: Artifact, ecosystem: Ecosystem, *, idle: bool = False
    ) -> tuple[Source, ...]:
        """Return the sources for an artifact, best first; the origin is always in, and last.

        A source whose pause has just ended is given to one request at a time, on one connection,
        behind the others. In reserve are some of those that would not be asked otherwise. `idle`:
        as if nothing ran at any of them, for whoever waits for a turn there.
        """
        now, network = self._clock(), self._network()
        known, urls = self._standings(artifact, ecosystem, network, now)
        steady = known.steady(now)
        chosen = selection.order(
            known,
            artifact.size,
            now=now,
            busy={} if idle else self._busy,
            preferred=self._plugins.order_mirrors(artifact, steady) if steady else None,
            spare_origin=artifact.origin_counts,
        )
        sources = [self._source(stats, urls[stats.mirror.id], now) for stats in chosen.mirrors]
        sources.extend(self._try_one(chosen.probation, urls, artifact, network, now))
        # A line that is shared is spared: the others wait while the shared gateway does well.
        shared = bool(chosen.mirrors) and chosen.mirrors[0].mirror.first
        sources[1:] = [replace(each, reserve=shared) for each in sources[1:]]
        alone = not sources
        sources.extend(
            replace(self._source(stats, urls[stats.mirror.id], now), reserve=True)
            for stats in chosen.reserve
        )
        sources.append(
            Source(
                ORIGIN,
                artifact.url,
                is_origin=True,
                connections=self._live().connections_per_mirror or _POLITE,
                rate=known.origin.rate,
                rtt=known.origin.rtt,
                reserve=(artifact.origin_counts or shared) and not alone,
            )
        )
        return tuple(sources)

    def hedge_mirror(self, artifact: Artifact, ecosystem: Ecosystem) -> ProbeTarget | None:
        """Return the mirror worth asking while the origin is asked for a small thing.

        That is the nearest one, if it is much nearer than the origin; None: the origin is enough.
        """
        now = self._clock()
        able = [
            mirror
            for mirror in self.mirrors(artifact.ecosystem)
            if not mirror.login
            and may_be_hedged_at(artifact, mirror)
            and not self._lacks(mirror, artifact, now)
        ]
        records = self._statistics.snapshot(self._network())
        for mirror in selection.hedges(records, ORIGIN, able, artifact.object_class, now):
            url = _located(ecosystem, artifact, mirror)
            if url is not None:
                return ProbeTarget(mirror.id, url, of_mirror(mirror))
        return None

    def _lacks(self, mirror: Mirror, artifact: Artifact, now: float) -> bool:
        if mirror.layout == BUCKET:
            return False  # it fills from moment to moment, and knows itself what it lacks
        if self._absent.lacks(mirror.id, artifact.collection, artifact.size, now):
            return True
        row = _row(artifact.object_class, artifact.collection)
        return self._lacking.lacks(mirror.id, artifact.path, now) or self._lacking.stands_still(
            mirror.id, row, now
        )

    def _places(
        self, artifact: Artifact, ecosystem: Ecosystem, now: float
    ) -> list[tuple[Mirror, str]]:
        """List the mirrors that may be asked and may have it, with its URL there."""
        places = [] if (fellow := self._fellow(artifact)) is None else [fellow]
        for mirror in self.mirrors(artifact.ecosystem):
            if not may_supply_bytes(artifact, mirror) or not self._may_be_asked(mirror):
                continue
            if self._lacks(mirror, artifact, now):
                continue
            url = self._place(ecosystem, artifact, mirror)
            if url is not None:
                places.append((mirror, url))
        return places

    def _place(self, ecosystem: Ecosystem, artifact: Artifact, mirror: Mirror) -> str | None:
        if mirror.layout != BUCKET:
            return _located(ecosystem, artifact, mirror)
        known = self._bucket is not None and artifact.digest is not None
        return self._bucket.place(artifact.digest) if known else None  # type: ignore[union-attr, arg-type]

    def _standings(
        self, artifact: Artifact, ecosystem: Ecosystem, network: str, now: float
    ) -> tuple[selection.Standings, dict[str, str]]:
        """Ask the statistics, once; return what is known, and the file's URL at each mirror."""
        if artifact.collection:
            self._members.put(artifact.path, (artifact.collection, artifact.size))
        places = self._places(artifact, ecosystem, now)
        origin = Mirror(ORIGIN, artifact.ecosystem, artifact.origin.url, "origin")
        known = selection.standings(
            self._statistics.snapshot(network),
            origin,
            [mirror for mirror, _ in places],
            artifact.object_class,
            now,
        )
        return known, {mirror.id: url for mirror, url in places}

    def _try_one(
        self,
        probation: Sequence[MirrorStats],
        urls: Mapping[str, str],
        artifact: Artifact,
        network: str,
        now: float,
    ) -> list[Source]:
        for stats in probation:
            source_id = stats.mirror.id
            if self._statistics.take_probation(source_id, artifact.object_class, network, now):
                return [self._source(stats, urls[source_id], now, connections=1)]
        return []

    def _source(
        self, stats: MirrorStats, url: str, now: float, *, connections: int | None = None
    ) -> Source:
        limit = self._most_connections(stats.mirror)
        return Source(
            stats.mirror.id,
            url,
            connections=max(1, limit if connections is None else connections),
            rate=selection.trusted_rate(stats, now),
            rtt=stats.rtt,
            home=urljoin(url, "/") if stats.mirror.layout == BUCKET else stats.mirror.url,
            own=stats.mirror.own,
            operator=stats.mirror.operator,
        )

    def _most_connections(self, mirror: Mirror) -> int:
        """What its operator allows, if he names a number, and never more than the user wants."""
        wanted, allowed = self._live().connections_per_mirror, mirror.limits.connections
        if allowed is None:
            allowed = wanted if mirror.own and wanted else _POLITE
        return min(allowed, wanted or allowed)

    # ------------------------------------------------------------------ learning

    def report(
        self,
        source_id: str,
        object_class: str,
        *,
        bytes: int = 0,  # noqa: A002 - the word of the contract
        seconds: float = 0.0,
        rtt: float | None = None,
        fault: Fault | None = None,
        retry_after: float | None = None,
        path: str | None = None,
        cut_at: int | None = None,
    ) -> None:
        """Take one request that ended; `path` is the artifact's, so that what it lacks is known.

        `seconds` from the request to its last byte; `fault` None: it delivered. With `cut_at`
        nothing ended: it is at how many bytes of the artifact all of its answers did.
        """
        if source_id == BUCKET and fault is Fault.MISSING:
            return  # it says nothing against a bucket that it is not full yet
        now = self._clock()
        collection, size = self._members.get(path or "") or ("", None)
        if cut_at is not None:
            if collection and source_id != ORIGIN:
                self._absent.cut(source_id, collection, cut_at, now)
                self._absences.keep(self._absent.rows())
            return
        if path is not None and fault is Fault.MISSING:
            self._lacking.missing(source_id, _row(object_class, collection), path, now)
        elif fault is None and bytes:
            self._lacking.found(source_id, _row(object_class, collection), path)
        if collection and path and source_id != ORIGIN:
            if fault is Fault.FORBIDDEN and self._absent.refused(source_id, collection, size, now):
                self._absences.keep(self._absent.rows())
                return  # what it says of one repository is nothing against the mirror
            self._learn_of(source_id, collection, path, fault, bytes, now)
        self._statistics.observe(
            source_id,
            object_class,
            network=self._network(),
            bytes=bytes,
            seconds=seconds,
            rtt=rtt,
            fault=fault,
            retry_after=retry_after,
            now=now,
        )

    def _learn_of(  # noqa: PLR0917 - all that one request told
        self,
        source_id: str,
        collection: str,
        path: str,
        fault: Fault | None,
        count: int,
        now: float,
    ) -> None:
        before = self._absent.rows()
        if fault is Fault.MISSING:
            self._absent.missing(source_id, collection, path, now)
        elif fault is None and count:
            self._absent.gave(source_id, collection, count)
        if (rows := self._absent.rows()) != before:
            self._absences.keep(rows)

    def absent(self, source_id: str) -> list[Absence]:
        """Return what a source lacks as a whole, as far as that still counts."""
        now = self._clock()
        return [row for row in self._absent.rows() if row.source == source_id and row.until > now]

    def notice(self, event: SourceFailed | TransferFinished) -> None:
        """Learn from an event what concerns one artifact: who lacks it, who has it after all."""
        artifact = event.artifact
        if isinstance(event, TransferFinished):
            for source_id, count in event.bytes_by_source.items():
                if count:
                    row = _row(artifact.object_class, artifact.collection)
                    self._lacking.found(source_id, row, artifact.path)
        elif event.fault is Fault.MISSING:
            now = self._clock()
            row = _row(artifact.object_class, artifact.collection)
            self._lacking.missing(event.source, row, artifact.path, now)

    def standing(self, source_id: str) -> SourceReport:
        """Say, for people, how a source stands on this network."""
        network = self._network()
        records = self._statistics.snapshot(network)
        last = self._statistics.last_fault(source_id, network)
        return source_conditions.report(source_id, records, self._clock(), last)

    # ------------------------------------------------------------------ racing

    def race(self, artifact: Artifact, ecosystem: Ecosystem) -> None:
        """Start the first race in the background, where most candidates are not measured, nor soon
        will be by the transfer itself.

        At most one at a time and one in ten minutes for each network and ecosystem. Must be
        called on the event loop; returns at once.
        """
        now, network = self._clock(), self._network()
        if now - self._raced.get((network, artifact.ecosystem), -_RACE_INTERVAL) < _RACE_INTERVAL:
            return
        known, urls = self._standings(artifact, ecosystem, network, now)
        if any(each.mirror.first for each in known.steady(now)):
            return  # nobody else is going to be asked
        at_work = selection.measured_by(known, artifact.size, now, self._busy)
        mirrors = [m for m in selection.worth_racing(known, now) if m.id not in at_work]
        if not mirrors:
            return
        self._raced[network, artifact.ecosystem] = now
        task = asyncio.get_running_loop().create_task(
            run_race(
                self._client,
                [ProbeTarget(mirror.id, urls[mirror.id], of_mirror(mirror)) for mirror in mirrors],
                object_class=artifact.object_class,
                path=artifact.path,
                size=artifact.size,
                accept=artifact.accept,
                report=self.report,
            ),
            name=f"race {artifact.name}",
        )
        self._races.add(task)
        task.add_done_callback(self._race_ended)

    def _race_ended(self, task: asyncio.Task[int]) -> None:
        self._races.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("the race failed: %r", error)

    async def aclose(self) -> None:
        """Stop a race that is running."""
        for task in list(self._races):
            task.cancel()
        await asyncio.gather(*self._races, return_exceptions=True)


def _row(object_class: str, collection: str) -> str:
    """Say what a row of missing files is of: a mirror may lack one repository alone."""
    return f"{object_class} {collection}" if collection else object_class


def _located(ecosystem: Ecosystem, artifact: Artifact, mirror: Mirror) -> str | None:
    """Return the artifact's URL at a mirror; None where it has none, or none can be made."""
    if mirror.layout == GATEWAY:
        return None if artifact.origin.private else mirror.url + quote(artifact.path, _AS_IT_IS)
    try:
        with foreign("a place at a mirror"):
            return ecosystem.locate(artifact, mirror)
    except UnreadableError as error:
        _log.warning("%s is not asked for %s: %s", mirror.id, artifact.name, error.message)
        return None
