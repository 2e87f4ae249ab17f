"""The best mirror fails in the middle of a big wheel. The client must not notice."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import Bench, Goal, Row, failing
from benchmarks.calibrate import Failure, practical_rates
from benchmarks.cases.big_file import through_gateway
from benchmarks.lab import UNEVEN, LabFault

TITLE = "the same while the best mirror fails midway"

_BEST = "b"
#: When each fault comes, as a share of the time that the links would need.
_MIDWAY = 0.3
_SLOW_SHARE = 0.01
_ORDER = (
    LabFault.DEAD,
    LabFault.REFUSE,
    LabFault.SLOW,
    LabFault.CORRUPT,
    LabFault.TRUNCATE,
    LabFault.FORBIDDEN,
    LabFault.RATE_LIMITED,
    LabFault.UNAVAILABLE,
    LabFault.NO_RANGES,
    LabFault.HTML,
)
#: What has gone to the client cannot be called back, so when the whole proves wrong its connection
#: is cut before the end. pip asks again by itself and gets the right bytes; curl does not.
_CUTS = (LabFault.CORRUPT,)
_QUICK = (LabFault.DEAD, LabFault.CORRUPT, LabFault.RATE_LIMITED)


def run(bench: Bench) -> Iterator[Row]:
    """Compare each run with the bound that remains, by rates measured in this run."""
    with bench.lab(UNEVEN) as (lab, stage):
        size = bench.corpus.big.size
        rates = practical_rates(lab, bench.corpus.big.path, size)
        at = _MIDWAY * UNEVEN.bound(size)
        for fault in _QUICK if bench.quick else _ORDER:
            left = _SLOW_SHARE if fault is LabFault.SLOW else 0.0
            # Of a liar nothing can be believed, also not what was right before.
            since = 0.0 if fault in _CUTS else at
            bound = Failure(_BEST, since, left).bound(size, rates, UNEVEN.rate())
            client = "pip" if fault in _CUTS else "curl"
            outcomes = []
            for _ in range(bench.repeat):
                with failing(lab, _BEST, fault, at):
                    outcome = through_gateway(bench, lab, stage, client, log=fault)
                outcome.detail.update(fault=fault, at=at, bound=bound)
                bench.record(outcome)
                outcomes.append(outcome)
            outcomes.sort(key=lambda outcome: outcome.seconds)
            middle = outcomes[len(outcomes) // 2]
            good = all(outcome.good for outcome in outcomes)
            told = f"exit {middle.code}, sha256 {'right' if middle.right else 'WRONG'}"
            note = f"{middle.seconds:.1f} s, bound {bound:.1f} s; {told}"
            got = middle.seconds / bound if good else None
            yield Row(
                f"{_BEST}: {fault} at {at:.1f} s, {client}, time / bound", got, Goal(most=1.1), note
            )
