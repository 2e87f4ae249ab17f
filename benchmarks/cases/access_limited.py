"""The client's own link is the narrow place: more mirrors gain nothing and must cost nothing."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import Bench, Goal, Row
from benchmarks.cases.big_file import through_gateway
from benchmarks.lab import UNEVEN
from benchmarks.peers import curl

TITLE = "access link of 60 Mbit/s"

_ACCESS = 60.0


def run(bench: Bench) -> Iterator[Row]:
    """Compare with the plain client of the best mirror."""
    with bench.lab(UNEVEN.behind(_ACCESS)) as (lab, stage):
        wheel = bench.corpus.big
        contest = bench.contest(
            {
                "curl, b": lambda: curl.download(stage, "curl, b", lab.url("b"), wheel),
                "curl, headrace": lambda: through_gateway(bench, lab, stage, "curl"),
            }
        )
        times = [contest.seconds(name) for name in ("curl, b", "curl, headrace")]
        note = contest.trouble("curl, headrace") or f"{times[0]:.1f} s : {times[1]:.1f} s"
        yield Row(
            "curl b / headrace", contest.ratio("curl, b", "curl, headrace"), Goal(least=0.97), note
        )
