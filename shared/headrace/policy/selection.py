"""Which sources work on an artifact, in which order; which are raced, and which is a hedge.

Everything is decided from one reading of the statistics (`reputation.Records`). Sources are ranked
by the time that they are predicted to take for *this* size: a small file is a matter of round
trips, a large one of throughput. Mirrors that nobody measured yet come by the catalogue's guess,
and they are tried where trying costs nothing: beside others on a large file, never alone in front
of a small one. Some of the others are kept in reserve, for when nobody else does well: a good copy
should not be one request away from a file that nobody gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from headrace.models import Mirror, MirrorStats
from headrace.policy import evidence
from headrace.policy.reputation import EVERYTHING, NOTHING, Records, on_probation, standing
from headrace.values import dataclass

__all__ = [
    "DOCUMENT",
    "FAR",
    "SMALL",
    "Order",
    "Standings",
    "hedges",
    "in_reserve",
    "is_known",
    "measured_by",
    "order",
    "predict",
    "select",
    "standings",
    "trusted_rate",
    "worth_racing",
]

#: The object class of pages.
DOCUMENT = "document"

#: Up to this size one source at a time is asked, with the next one as a hedge.
SMALL = 1 << 20
#: Large files: so many mirrors work at a time. More than four bring little and cost others much.
MOST_MIRRORS = 4
#: Beside them, so many that were not measured yet.
MOST_PROBES = 1
#: Small files: the best and its hedge.
MOST_SMALL = 2
#: So many more are kept in reserve.
MOST_RESERVE = 4
#: A measurement older than this is a guess again.
STALE = 24 * 3600.0
#: Seconds of an origin's lowest round trip from which on it is far: a mirror is asked before it.
FAR = 0.1
#: What is assumed where one half was measured and the other not: a far but decent server.
_RTT = 0.3
_RATE = 1 << 20
#: How much worse a source counts that fails always; between, in proportion.
_FAILURE_WEIGHT = 4.0
#: Bytes that an unknown size is taken for.
_TYPICAL = 4 << 20
#: A mirror is a hedge when its round trip is at most this share of the origin's.
_MUCH_NEARER = 0.5
#: A race is worth its requests when at least this share of the mirrors is not measured.
_MOSTLY = 0.5


@dataclass(frozen=True, slots=True)
class Standings:
    """What is known of those who may have an artifact, at one moment."""

    origin: MirrorStats
    mirrors: tuple[MirrorStats, ...]
    """All of them, in the order in which they were named."""
    probation: frozenset[str]
    """Ids of those whose pauses have ended and who have not delivered since."""

    def steady(self, now: float) -> tuple[MirrorStats, ...]:
        """Return the mirrors that may be asked as others are."""
        return tuple(
            each
            for each in self.mirrors
            if each.mirror.id not in self.probation and each.paused_until <= now
        )


@dataclass(frozen=True, slots=True)
class Order:
    """Who is asked for an artifact beside its origin, best first."""

    mirrors: tuple[MirrorStats, ...]
    probation: tuple[MirrorStats, ...]
    """One of these may be tried, behind the others and on one connection."""
    reserve: tuple[MirrorStats, ...] = ()
    """For when none of the others, nor the origin, does well."""


def standings(
    records: Records, origin: Mirror, mirrors: Sequence[Mirror], object_class: str, now: float
) -> Standings:
    """Read what is known of an artifact's origin and of the mirrors that may have it."""
    known = tuple(_near(standing(mirror, object_class, records), records) for mirror in mirrors)
    # One of its pauses may be over while another one is not.
    probation = frozenset(
        each.mirror.id
        for each in known
        for name in (object_class, EVERYTHING)
        if each.paused_until <= now
        and on_probation(records.get((each.mirror.id, name), NOTHING), now)
    )
    return Standings(_near(standing(origin, object_class, records), records), known, probation)


def _near(stats: MirrorStats, records: Records) -> MirrorStats:
    """Add the round trip that a source's pages took, where none of such artifacts is known: the
    page that named one came from there a moment ago.
    """
    if stats.rtt is not None:
        return stats
    page = standing(stats.mirror, DOCUMENT, records)
    return replace(stats, rtt=page.rtt, measured_at=max(stats.measured_at, page.measured_at))


def order(
    known: Standings,
    size: int | None,
    *,
    now: float,
    busy: Mapping[str, int],
    preferred: Sequence[Mirror] | None = None,
    spare_origin: bool = False,
) -> Order:
    """Decide who is asked for `size` bytes; `preferred` is a plugin's order, which wins among those
    that may be asked. `spare_origin`: as `select` has it.
    """
    steady = known.steady(now)
    reserve: tuple[MirrorStats, ...] = ()
    if preferred is None:
        mirrors = select(steady, known.origin, size, now=now, busy=busy, spare_origin=spare_origin)
        reserve = in_reserve(steady, mirrors, size, now=now, busy=busy)
    else:
        by_id = {each.mirror.id: each for each in steady}
        mirrors = tuple(by_id[mirror.id] for mirror in preferred if mirror.id in by_id)
    small = (size or 0) <= SMALL
    probation = () if small else tuple(m for m in known.mirrors if m.mirror.id in known.probation)
    return Order(mirrors, probation, reserve)


def worth_racing(known: Standings, now: float) -> tuple[Mirror, ...]:
    """Return the mirrors to measure, the catalogue's favourites first; none where too few are
    unknown to be worth the requests.
    """
    unknown = [
        each.mirror
        for each in known.steady(now)
        if each.mirror.limits.probe
        and not each.mirror.login
        and not is_known(each, now)
        # What is asked before all others is measured by that.
        and not each.mirror.first
    ]
    if len(unknown) < _MOSTLY * len(known.mirrors):
        return ()
    return tuple(sorted(unknown, key=lambda mirror: first_guess(mirror, now)[:2]))


def measured_by(
    known: Standings, size: int | None, now: float, busy: Mapping[str, int]
) -> frozenset[str]:
    """Return the ids of the mirrors that the transfer of a large file asks anyway: one request more
    would only be in its way.
    """
    if size is None or size <= SMALL:
        return frozenset()
    chosen = select(known.steady(now), known.origin, size, now=now, busy=busy)
    return frozenset(each.mirror.id for each in chosen)


def hedges(
    records: Records, origin: str, mirrors: Iterable[Mirror], object_class: str, now: float
) -> tuple[Mirror, ...]:
    """Return the mirrors worth asking beside the origin for a small thing: those that are much
    nearer, the nearest first.

    What was learned of a source with any kind of object tells how near it is.
    """
    near: dict[str, float] = {}
    for (source, _), record in records.items():
        if record.rtt is not None:
            near[source] = min(record.rtt, near.get(source, record.rtt))
    limit = near.get(origin, 0.0) * _MUCH_NEARER
    found = [
        mirror
        for mirror in mirrors
        if near.get(mirror.id, limit) < limit
        and standing(mirror, object_class, records).paused_until <= now
    ]
    return tuple(sorted(found, key=lambda mirror: near[mirror.id]))


def is_known(stats: MirrorStats, now: float) -> bool:
    """Whether a source was measured lately on this network."""
    measured = stats.rtt is not None or stats.rate is not None
    return measured and now - stats.measured_at <= STALE


def first_guess(mirror: Mirror, now: float) -> tuple[bool, int, str]:
    """Return the place of a mirror among those that were not measured; lower is tried first."""
    return evidence.is_old(mirror, evidence.day(now)), mirror.rank, mirror.id


def trusted_rate(stats: MirrorStats, now: float) -> float | None:
    """Return the rate that a source may be given work by; None: it is sampled first.

    Where what is known of the mirror is old, an old measurement is not enough either.
    """
    old = evidence.is_old(stats.mirror, evidence.day(now))
    return None if old and not is_known(stats, now) else stats.rate


def predict(stats: MirrorStats, size: int, *, busy: int = 0) -> float:
    """Predict the seconds for `size` bytes from one source.

    Three round trips: a new connection costs two (TCP, TLS). `busy` requests are already running
    there; they share its rate (peak-EWMA's load factor).
    """
    rtt = _RTT if stats.rtt is None else stats.rtt
    rate = max(_RATE if stats.rate is None else stats.rate, 1.0)
    seconds = 3 * rtt + size / rate
    return seconds * (1 + busy) * (1 + _FAILURE_WEIGHT * stats.failures)


def select(
    mirrors: Sequence[MirrorStats],
    origin: MirrorStats,
    size: int | None,
    *,
    now: float,
    busy: Mapping[str, int] | None = None,
    spare_origin: bool = False,
) -> tuple[MirrorStats, ...]:
    """Return the mirrors for an artifact of `size` bytes, best first, without the origin.

    The origin is never in the answer, because it is always asked last and never left out: the
    caller appends it. `origin` tells how it does, so that no mirror slower than it stands before
    it on a small file; unless `spare_origin`: it counts what it is asked for, and a round trip more
    costs its user less than one of the pulls that he has. Paused mirrors are left out. A gateway
    that this machine shares is asked before all others, whatever it takes: that is what it is for.
    """
    wanted = _TYPICAL if size is None else size
    first = [one for one in mirrors if one.mirror.first and one.paused_until <= now]
    known, unknown = _ranked(mirrors, wanted, now, busy)
    if wanted > SMALL:
        chosen = (first + known)[:MOST_MIRRORS]
        missing = MOST_MIRRORS - len(chosen)
        return tuple(chosen + unknown[: missing + MOST_PROBES])
    healthy = is_known(origin, now) and origin.paused_until <= now
    if healthy and not spare_origin:
        limit = _cost(origin, wanted, busy)
        better = [one for one in known if _cost(one, wanted, busy) <= limit]
        return tuple((first + better)[:MOST_SMALL])
    return tuple((first + known + unknown)[:MOST_SMALL])


def in_reserve(
    mirrors: Sequence[MirrorStats],
    chosen: Sequence[MirrorStats],
    size: int | None,
    *,
    now: float,
    busy: Mapping[str, int] | None = None,
) -> tuple[MirrorStats, ...]:
    """Return the best of the mirrors that `select` has not chosen and that may be asked."""
    known, unknown = _ranked(mirrors, _TYPICAL if size is None else size, now, busy)
    ids = {stats.mirror.id for stats in chosen}
    return tuple(one for one in known + unknown if one.mirror.id not in ids)[:MOST_RESERVE]


def _ranked(
    mirrors: Sequence[MirrorStats], size: int, now: float, busy: Mapping[str, int] | None
) -> tuple[list[MirrorStats], list[MirrorStats]]:
    """Sort those that may be asked: the measured by what they cost, the others by a guess."""
    able = [stats for stats in mirrors if stats.paused_until <= now and not stats.mirror.first]
    known = sorted(
        (stats for stats in able if is_known(stats, now)),
        # Rank and id make the order the same in every run.
        key=lambda one: (_cost(one, size, busy), one.mirror.rank, one.mirror.id),
    )
    unknown = sorted(
        (stats for stats in able if not is_known(stats, now)),
        key=lambda stats: first_guess(stats.mirror, now),
    )
    return known, unknown


def _cost(stats: MirrorStats, size: int, busy: Mapping[str, int] | None) -> float:
    return predict(stats, size, busy=(busy or {}).get(stats.mirror.id, 0))
