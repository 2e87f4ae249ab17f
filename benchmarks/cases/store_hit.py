"""A file that is in the store already, against nginx with the same file."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import Bench, Goal, Row
from benchmarks.loopback import served
from benchmarks.peers import curl
from benchmarks.peers.headrace import Gateway
from benchmarks.stage import Stage

TITLE = "store hit on loopback"

_TURNS = 5


def run(bench: Bench) -> Iterator[Row]:
    """Compare curl's times, files and all."""
    stage, wheel = Stage(), bench.corpus.big
    with (
        served(bench.corpus) as nginx,
        Gateway(stage, nginx.url, {}, keep=bench.log("gateway")) as gateway,
    ):
        curl.get(stage, "page", [f"{gateway.url}/simple/{wheel.project}/"])
        curl.download(stage, "filling the store", gateway.url, wheel)
        bench.repeat, asked = max(bench.repeat, _TURNS), bench.repeat
        contest = bench.contest(
            {
                "nginx": lambda: curl.get(
                    stage, "nginx", [nginx.url + wheel.path], size=wheel.size
                ),
                "headrace": lambda: curl.get(
                    stage, "headrace", [gateway.url + wheel.path], size=wheel.size
                ),
            }
        )
        bench.repeat = asked
    speeds = {name: wheel.size / contest.seconds(name) / 1e9 for name in contest.runs}
    note = contest.trouble("headrace") or " : ".join(f"{s:.2f} GB/s" for s in speeds.values())
    yield Row("time, headrace / nginx", contest.ratio("headrace", "nginx"), Goal(most=1.3), note)
