"""One source alone, a mirror or the origin: nothing to gain, and nothing may be lost."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.bench import Bench, Goal, Row
from benchmarks.cases.big_file import through_gateway
from benchmarks.lab import ORIGIN, UNEVEN, Line, Topology
from benchmarks.peers import curl

TITLE = "one source only"


def run(bench: Bench) -> Iterator[Row]:
    """Compare with the plain client of that source."""
    near = Topology({ORIGIN: Line(80, 60)})
    for what, topology, host in (
        ("one mirror", UNEVEN.only("b", ORIGIN), "b"),
        ("no mirror, good origin", near, ORIGIN),
    ):
        with bench.lab(topology) as (lab, stage):
            wheel = bench.corpus.big
            contest = bench.contest(
                {
                    "curl": partial(curl.download, stage, "curl", lab.url(host), wheel),
                    "curl, headrace": partial(through_gateway, bench, lab, stage, "curl"),
                }
            )
        times = [contest.seconds(name) for name in ("curl", "curl, headrace")]
        note = contest.trouble("curl, headrace") or f"{times[0]:.1f} s : {times[1]:.1f} s"
        yield Row(
            f"{what}: curl / headrace",
            contest.ratio("curl", "curl, headrace"),
            Goal(least=0.97),
            note,
        )
