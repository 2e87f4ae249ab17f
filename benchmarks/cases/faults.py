"""The best mirror fails in the middle of a big wheel. The client must not notice."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from benchmarks.bench import Bench, Goal, Row, failing
from benchmarks.calibrate import Failure, practical_rates
from benchmarks.cases.big_file import through_gateway
from benchmarks.corpus import single_wheel
from benchmarks.lab import ORIGIN, UNEVEN, Lab, LabFault, Line, Topology
from benchmarks.lab.topology import PAYLOAD_SHARE
from benchmarks.peers import uv
from benchmarks.stage import Outcome, Stage

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
#: Two of the four give the same wrong bytes.
_LIARS = ("b", "c")
#: Seconds for which the best mirror gives next to nothing, before it is well again.
_DIP = 4.0
#: Where all mirrors refuse: an origin of which it matters what it carries.
_BANNED = Topology({**UNEVEN.lines, ORIGIN: Line(30, 100, 0.5)})
_BAN_SIZE, _BAN_AT = 60_000_000, 1.5
#: What the download takes, nearly: no connection has brought its part by then.
_BAN_SECONDS = 25
_MOST = 8
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
        yield from _collapse(bench, lab, stage, rates, at)
        yield from _liars(bench, lab, stage, rates)
    yield from _ban(bench)


def _collapse(
    bench: Bench, lab: Lab, stage: Stage, rates: dict[str, float], at: float
) -> Iterator[Row]:
    """The best mirror gives next to nothing for some seconds and recovers."""
    size = bench.corpus.big.size
    bound = Failure(_BEST, at, _SLOW_SHARE, at + _DIP).bound(size, rates, UNEVEN.rate())
    outcomes = []
    for _ in range(bench.repeat):
        well = threading.Timer(at + _DIP, lab.restore, (_BEST,))
        well.start()
        with failing(lab, _BEST, LabFault.SLOW, at):
            outcomes.append(through_gateway(bench, lab, stage, "curl", log="collapse"))
        well.join()
    what = f"{_BEST} collapses at {at:.1f} s for {_DIP:.0f} s, bound / time"
    yield _row(bench, what, outcomes, bound, Goal(least=0.88))


def _liars(bench: Bench, lab: Lab, stage: Stage, rates: dict[str, float]) -> Iterator[Row]:
    """Two give the same wrong bytes: the bound is what the others carry."""
    size = bench.corpus.big.size
    bound = size / sum(rate for host, rate in rates.items() if host not in _LIARS)
    for client in ("pip", "uv", "curl") if uv.program() else ("pip", "curl"):
        outcomes = []
        for _ in range(bench.repeat):
            with contextlib.ExitStack() as stack:
                for host in _LIARS:
                    stack.enter_context(failing(lab, host, LabFault.CORRUPT, 0.0))
                outcomes.append(through_gateway(bench, lab, stage, client, log=f"liars-{client}"))
        what = f"{' and '.join(_LIARS)} lie alike, {client}, bound / time"
        yield _row(bench, what, outcomes, bound, Goal(least=0.75))
        honest = [host for host in rates if host not in _LIARS]
        sent = [sum(each.detail["sent"][host] for host in honest) for each in outcomes]
        share = max(sent) * PAYLOAD_SHARE / size
        yield Row(f"{client}: bytes from the honest / file", share, Goal(most=1.1))


def _ban(bench: Bench) -> Iterator[Row]:
    """All mirrors refuse from some time on: the bound is what the origin carries alone."""
    corpus = single_wheel(_BAN_SIZE)
    with bench.lab(_BANNED, corpus) as (lab, stage):
        path = corpus.big.path
        rates = practical_rates(
            lab, path, _BAN_SIZE, connections=_MOST, hosts=[ORIGIN], seconds=_BAN_SECONDS
        )
        carried = rates[ORIGIN]
        outcomes, bounds = [], []
        for _ in range(bench.repeat):
            with contextlib.ExitStack() as stack:
                for host in lab.topology.mirrors:
                    stack.enter_context(failing(lab, host, LabFault.FORBIDDEN, _BAN_AT))
                outcome = through_gateway(bench, lab, stage, "curl", log="ban", wheel=corpus.big)
            given = sum(outcome.detail["sent"][host] for host in lab.topology.mirrors)
            bounds.append(_BAN_AT + (_BAN_SIZE - given * PAYLOAD_SHARE) / carried)
            outcomes.append(outcome)
    what = f"all mirrors: 403 at {_BAN_AT:g} s, bound / time"
    yield _row(bench, what, outcomes, sorted(bounds)[len(bounds) // 2], Goal(least=0.95))


def _row(bench: Bench, what: str, outcomes: list[Outcome], bound: float, goal: Goal) -> Row:
    for outcome in outcomes:
        outcome.detail.update(bound=bound)
        bench.record(outcome)
    middle = sorted(outcomes, key=lambda outcome: outcome.seconds)[len(outcomes) // 2]
    bad = [outcome for outcome in outcomes if not outcome.good]
    trouble = f"{len(bad)} of {len(outcomes)} runs failed" if bad else ""
    note = trouble or f"{middle.seconds:.1f} s, bound {bound:.1f} s"
    return Row(what, None if bad else bound / middle.seconds, goal, note)
