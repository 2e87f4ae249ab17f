"""One source alone, a mirror or the origin: nothing to gain, and nothing may be lost."""

from __future__ import annotations

from collections.abc import Iterator

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
            base, wheel = lab.url(host), bench.corpus.big
            contest = bench.contest(
                {
                    "curl": lambda s=stage, b=base, w=wheel: curl.download(s, "curl", b, w),  # type: ignore[misc]
                    "curl, headrace": lambda lab=lab, s=stage: through_gateway(
                        bench, lab, s, "curl"
                    ),  # type: ignore[misc]
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
