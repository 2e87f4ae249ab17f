"""An index page that is in the store."""

from __future__ import annotations

import http.client
import statistics
import time
from collections.abc import Iterator

from benchmarks.bench import Bench, Goal, Row
from benchmarks.loopback import served
from benchmarks.peers.headrace import Gateway
from benchmarks.stage import Outcome, Stage

TITLE = "index page from the store"

_ROUNDS = 500
_HEADERS = {"Accept": "application/vnd.pypi.simple.v1+json", "Accept-Encoding": "gzip"}


def run(bench: Bench) -> Iterator[Row]:
    """Take the time of each request on a connection that is kept."""
    with (
        served(bench.corpus) as origin,
        Gateway(Stage(), origin.url, {}, keep=bench.log("gateway")) as gateway,
    ):
        for what, wheel in (("8 kB", bench.corpus.small[0]), ("540 kB", bench.corpus.tree[3])):
            path = f"/simple/{wheel.project}/"
            times = sorted(_times(gateway.port, path))
            nginx = sorted(_times(int(origin.url.rsplit(":", 1)[1]), path))
            middle, late = statistics.median(times), times[len(times) * 99 // 100]
            note = f"p99 {late * 1e3:.2f} ms; nginx p50 {statistics.median(nginx) * 1e3:.2f} ms"
            bench.record(Outcome(f"page of {what}", middle, 0, detail={"p99": late}))
            yield Row(f"page of {what}, p50", middle * 1e3, Goal(most=2.0), note, " ms")


def _times(port: int, path: str) -> list[float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    times = []
    for _ in range(_ROUNDS + 1):
        start = time.perf_counter()
        connection.request("GET", path, headers=_HEADERS)
        answer = connection.getresponse()
        answer.read()
        times.append(time.perf_counter() - start)
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status}")
    connection.close()
    return times[1:]
