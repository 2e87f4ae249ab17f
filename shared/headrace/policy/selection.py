"""Which sources work on an artifact, in which order.

Sources are ranked by the time that they are predicted to take for *this* size: a small file is a
matter of round trips, a large one of throughput. Mirrors that nobody measured yet come by the
catalogue's guess, and they are tried where trying costs nothing: beside others on a large file,
never alone in front of a small one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headrace.models import Mirror, MirrorStats
from headrace.policy import evidence

__all__ = ["SMALL", "first_guess", "is_known", "predict", "select", "trusted_rate"]

#: Up to this size one source at a time is asked, with the next one as a hedge.
SMALL = 1 << 20
#: Large files: so many mirrors work at a time. More than four bring little and cost others much.
MOST_MIRRORS = 4
#: Beside them, so many that were not measured yet.
MOST_PROBES = 1
#: Small files: the best and its hedge.
MOST_SMALL = 2
#: A measurement older than this is a guess again.
STALE = 24 * 3600.0
#: What is assumed where one half was measured and the other not: a far but decent server.
_RTT = 0.3
_RATE = 1 << 20
#: How much worse a source counts that fails always; between, in proportion.
_FAILURE_WEIGHT = 4.0
#: Bytes that an unknown size is taken for.
_TYPICAL = 4 << 20


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


def predict(stats: MirrorStats, size: int, *, connected: bool = False, busy: int = 0) -> float:
    """Predict the seconds for `size` bytes from one source.

    A new connection costs two more round trips (TCP, TLS). `busy` requests are already running
    there; they share its rate (peak-EWMA's load factor).
    """
    rtt = _RTT if stats.rtt is None else stats.rtt
    rate = max(_RATE if stats.rate is None else stats.rate, 1.0)
    trips = rtt * (1 if connected else 3)
    seconds = trips + size / rate
    return seconds * (1 + busy) * (1 + _FAILURE_WEIGHT * stats.failures)


def select(
    mirrors: Sequence[MirrorStats],
    origin: MirrorStats,
    size: int | None,
    *,
    now: float,
    busy: Mapping[str, int] | None = None,
) -> tuple[MirrorStats, ...]:
    """Return the mirrors for an artifact of `size` bytes, best first, without the origin.

    The origin is never in the answer, because it is always asked last and never left out: the
    caller appends it. `origin` tells how it does, so that no mirror slower than it stands before
    it on a small file. Paused mirrors are left out.
    """
    load = busy or {}
    wanted = _TYPICAL if size is None else size

    def cost(stats: MirrorStats) -> tuple[float, int, str]:
        # Rank and id make the order the same in every run.
        running = load.get(stats.mirror.id, 0)
        return predict(stats, wanted, busy=running), stats.mirror.rank, stats.mirror.id

    open_ones = [stats for stats in mirrors if stats.paused_until <= now]
    known = sorted((stats for stats in open_ones if is_known(stats, now)), key=cost)
    unknown = sorted(
        (stats for stats in open_ones if not is_known(stats, now)),
        key=lambda stats: first_guess(stats.mirror, now),
    )
    if wanted > SMALL:
        chosen = known[:MOST_MIRRORS]
        missing = MOST_MIRRORS - len(chosen)
        return tuple(chosen + unknown[: missing + MOST_PROBES])
    healthy = is_known(origin, now) and origin.paused_until <= now
    if healthy:
        limit = cost(origin)[0]
        return tuple(stats for stats in known if cost(stats)[0] <= limit)[:MOST_SMALL]
    return tuple((known + unknown)[:MOST_SMALL])
