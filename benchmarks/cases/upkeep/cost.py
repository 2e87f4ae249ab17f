"""What it costs to be there: memory while idle and at work, the first answer after a start, and the
processor's time for a gigabyte.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterator

from benchmarks.bench import Bench, Goal, Row
from benchmarks.corpus import single_wheel
from benchmarks.lab.tls import issue
from benchmarks.loopback import served
from benchmarks.peers import curl
from benchmarks.peers.headrace import Gateway
from benchmarks.stage import Outcome, Stage, scratch

TITLE = "cost of being there"

_STARTS, _STARTS_QUICK = 5, 2
_HUGE = 3_000_000_000
_HUGE_QUICK = 300_000_000
_BIG = 1_000_000_000
_BIG_QUICK = 300_000_000
_TURNS, _TURNS_QUICK = 3, 1
_MIRRORS = 4
_MB = 1_000_000


def run(bench: Bench) -> Iterator[Row]:
    """Start gateways, leave one idle, send one wheel of 3 GB through another, and let some more,
    that know nothing, fetch one from an origin and four mirrors that only the processor limits.
    """
    with served(bench.corpus) as origin:
        starts = []
        for _ in range(_STARTS_QUICK if bench.quick else _STARTS):
            with Gateway(Stage(), origin.url, {}) as gateway:
                starts.append(time.monotonic() - gateway.started_at)
            bench.record(Outcome("cold start", starts[-1], 0))
        note = f"process start to first answer; {min(starts) * 1e3:.0f} to {max(starts) * 1e3:.0f}"
        yield Row("cold start", statistics.median(starts) * 1e3, Goal(most=400), note, " ms")
        with Gateway(Stage(), origin.url, {}) as gateway:
            time.sleep(2)
            resting = gateway.resident() / _MB
        bench.record(Outcome("idle", 0, 0, detail={"resident": resting}))
        yield Row("idle, resident", resting, Goal(most=45), "", " MB")
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
    yield Row(f"peak during a wheel of {size:.1f} GB", got, Goal(most=110), note, " MB")
    for what, most in (("plain", 2.0), ("TLS", 3.0)):
        costs, trouble = _processor(bench, what)
        note = trouble or f"cold; {min(costs):.2f} to {max(costs):.2f}"
        got = statistics.median(costs) if costs else None
        yield Row(f"CPU seconds a GB, {what}", got, Goal(most=most), note, " s")


def _processor(bench: Bench, what: str) -> tuple[list[float], str]:
    """Return what the runs that ended well cost, and what is to be said of the others."""
    corpus = single_wheel(_BIG_QUICK if bench.quick else _BIG)
    costs, trouble = [], ""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch())
        certificate = issue(folder / "authority", ["localhost"]) if what == "TLS" else None
        if what == "TLS" and certificate is None:
            return [], "openssl is not installed"
        origin, *mirrors = [
            stack.enter_context(served(corpus, certificate=certificate))
            for _ in range(_MIRRORS + 1)
        ]
        named = {f"mirror-{number}": each.url for number, each in enumerate(mirrors)}
        stage = Stage(authority=certificate.authority if certificate else None)
        for _ in range(max(bench.repeat, _TURNS_QUICK if bench.quick else _TURNS)):
            with Gateway(stage, origin.url, named, keep=bench.log(what)) as gateway:
                curl.get(stage, "page", [f"{gateway.url}/simple/{corpus.big.project}/"])
                before = gateway.cpu()
                url, size = gateway.url + corpus.big.path, corpus.big.size
                outcome = curl.get(stage, what, [url], size=size)
                cost = (gateway.cpu() - before) / size * 1e9
            outcome.detail.update(cpu=cost)
            bench.record(outcome)
            if outcome.good:
                costs.append(cost)
            else:
                trouble = f"exit {outcome.code}"
    return costs, trouble
