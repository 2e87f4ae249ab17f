"""Hundreds of clients at once, on dozens of files that nobody has; against nginx's proxy_pass."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator, Sequence

from benchmarks.bench import Bench, Contest, Goal, Row
from benchmarks.corpus import Wheel, dozens
from benchmarks.loopback import served
from benchmarks.peers import curl
from benchmarks.peers.headrace import Gateway
from benchmarks.stage import Outcome, Stage, scratch

TITLE = "200 clients on 40 files on loopback, nothing known before"

_CLIENTS = 200
_SIZE = 25_000_000
_SIZE_QUICK = 10_000_000
_JSON = "application/vnd.pypi.simple.v1+json"
_RATE = 2_000_000
_MB = 1_000_000


def run(bench: Bench) -> Iterator[Row]:
    """Let each client fetch one file, five clients the same one, all at the same time."""
    runs: list[Outcome] = []
    for what, rate in (("no limit", 0), ("2 MB/s a connection", _RATE)):
        contest = _contest(bench, rate)
        times = [contest.seconds(name) for name in ("headrace", "nginx")]
        note = contest.trouble("headrace") or f"{times[0]:.2f} s : {times[1]:.2f} s"
        ratio = contest.ratio("headrace", "nginx")
        yield Row(f"{what}: headrace / nginx proxy_pass", ratio, Goal(most=1.5), note)
        runs += contest.runs["headrace"]
    moved = max(run.detail["moved"] for run in runs)
    yield Row("clients sent to the origin", moved, Goal(most=0), f"of {_CLIENTS}")
    yield Row("peak", max(run.detail["peak"] for run in runs), Goal(most=200), "", " MB")


def _contest(bench: Bench, rate: int) -> Contest:
    corpus, stage = dozens(_SIZE_QUICK if bench.quick else _SIZE), Stage()
    wheels = corpus.small
    with served(corpus, rate=rate) as origin, served(corpus, proxy_of=origin.url) as proxy:

        def through_headrace() -> Outcome:
            with Gateway(stage, origin.url, {}, keep=bench.log("gateway")) as gateway:
                pages = [f"{gateway.url}/simple/{wheel.project}/" for wheel in wheels]
                curl.get(stage, "pages", pages, accept=_JSON)
                outcome = _crowd(stage, "headrace", gateway.url, wheels)
                outcome.detail["peak"] = gateway.resident(peak=True) / _MB
                return outcome

        return bench.contest(
            {
                "nginx": lambda: _crowd(stage, "nginx", f"{proxy.url}/pass", wheels),
                "headrace": through_headrace,
            }
        )


def _crowd(stage: Stage, name: str, base: str, wheels: Sequence[Wheel]) -> Outcome:
    """Run a curl for each client; `moved` are those who came to their file elsewhere."""
    words = ["curl", "--silent", "--show-error", "--fail", "--location", "--output", "/dev/null"]
    words += ["--write-out", "%{size_download} %{num_redirects}\n"]
    with scratch() as folder:
        environment, start = stage.environment(folder), time.monotonic()
        clients = [
            subprocess.Popen(
                stage.command([*words, base + wheels[number % len(wheels)].path]),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for number in range(_CLIENTS)
        ]
        told = [client.communicate()[0] for client in clients]
        seconds = time.monotonic() - start
    code = max(client.returncode for client in clients)
    ends = [re.search(r"(?m)^(\d+) (\d+)$", each) for each in told]
    sizes = [wheels[number % len(wheels)].size for number in range(_CLIENTS)]
    right = all(end and int(end[1]) == size for end, size in zip(ends, sizes, strict=True))
    moved = sum(int(end[2]) > 0 for end in ends if end)
    words = [each for each, client in zip(told, clients, strict=True) if client.returncode]
    return Outcome(name, seconds, code, right, "".join(words)[-500:], {"moved": moved})
