"""What it costs to be there: memory while idle and at work, and the first answer after a start."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from benchmarks.bench import Bench, Goal, Row
from benchmarks.corpus import single_wheel
from benchmarks.loopback import served
from benchmarks.peers import curl
from benchmarks.peers.headrace import Gateway
from benchmarks.stage import Outcome, Stage

TITLE = "cost of being there"

_STARTS = 5
_HUGE = 3_000_000_000
_HUGE_QUICK = 1_000_000_000
_MB = 1_000_000


def run(bench: Bench) -> Iterator[Row]:
    """Start gateways, leave one idle, and send one wheel of 3 GB through another."""
    with served(bench.corpus) as origin:
        starts = []
        for _ in range(_STARTS):
            with Gateway(Stage(), origin.url, {}) as gateway:
                starts.append(time.monotonic() - gateway.started_at)
            bench.record(Outcome("cold start", starts[-1], 0))
        note = f"process start to first answer; {min(starts) * 1e3:.0f} to {max(starts) * 1e3:.0f}"
        yield Row("cold start", statistics.median(starts) * 1e3, Goal(most=400), note, " ms")
        with Gateway(Stage(), origin.url, {}) as gateway:
            time.sleep(2)
            resting = gateway.resident() / _MB
        bench.record(Outcome("idle", 0, 0, detail={"resident": resting}))
        yield Row("idle, resident", resting, Goal(most=60), "", " MB")
    corpus = single_wheel(_HUGE_QUICK if bench.quick else _HUGE)
    stage = Stage(patience=400)
    with served(corpus) as origin, served(corpus) as mirror:
        mirrors = {"near": mirror.url}
        with Gateway(stage, origin.url, mirrors, keep=bench.log("huge")) as gateway:
            curl.get(stage, "page", [f"{gateway.url}/simple/{corpus.big.project}/"])
            outcome = curl.download(stage, "huge wheel", gateway.url, corpus.big)
            peak = gateway.resident(peak=True) / _MB
            outcome.detail.update(peak=peak, cpu=gateway.cpu())
            bench.record(outcome)
    size = corpus.big.size / 1e9
    note = f"{outcome.seconds:.1f} s" if outcome.good else f"exit {outcome.code}"
    got = peak if outcome.good else None
    yield Row(f"peak during a wheel of {size:.0f} GB", got, Goal(most=150), note, " MB")
