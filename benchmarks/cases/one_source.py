"""One source alone, a mirror or the origin: nothing to gain, and nothing may be lost."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.bench import Bench, Goal, Row
from benchmarks.cases.big_file import through_gateway
from benchmarks.corpus import single_wheel
from benchmarks.lab import ORIGIN, UNEVEN, Line, Topology
from benchmarks.peers import aria2, curl

TITLE = "one source only"

#: An origin whose line loses packets, with a file of so many bytes.
_LOSSY, _LOSSY_SIZE = Topology({ORIGIN: Line(8, 200, 2.0)}), 10_000_000
#: Connections that a source is asked over at most, where its operator says nothing.
_MOST = 8
#: An origin that gives so much to each connection.
_EACH = 10.0
_NARROW = Topology({ORIGIN: Line(100, 50, each=_EACH)})


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
    yield from _lossy(bench)
    yield from _narrow(bench)


def _lossy(bench: Bench) -> Iterator[Row]:
    """Compare with aria2, which has all its connections from the beginning."""
    if not aria2.available():
        yield Row("lossy origin", None, None, "aria2 is not installed")
        return
    corpus = single_wheel(_LOSSY_SIZE)
    with bench.lab(_LOSSY, corpus) as (lab, stage):
        peers = {f"aria2, {n} connections": aria2.alone(n) for n in (_MOST, 2 * _MOST)}
        through = partial(through_gateway, bench, lab, stage, "curl", wheel=corpus.big)
        contest = bench.contest(
            {"curl, headrace": through}
            | {
                name: partial(aria2.download, stage, name, [lab.url(ORIGIN)], corpus.big, settings)
                for name, settings in peers.items()
            }
        )
    for name, goal in zip(peers, (Goal(least=0.95), None), strict=True):
        times = [contest.seconds(each) for each in (name, "curl, headrace")]
        note = contest.trouble("curl, headrace") or f"{times[0]:.1f} s : {times[1]:.1f} s"
        ratio = contest.ratio(name, "curl, headrace")
        yield Row(f"lossy origin, 10 MB: {name} / headrace", ratio, goal, note)


def _narrow(bench: Bench) -> Iterator[Row]:
    """Compare with what as many connections as headrace may have would bring from the start."""
    with bench.lab(_NARROW) as (lab, stage):
        through = partial(through_gateway, bench, lab, stage, "curl")
        contest = bench.contest({"curl, headrace": through})
    mine, trouble = contest.seconds("curl, headrace"), contest.trouble("curl, headrace")
    bound = bench.corpus.big.size / (_MOST * _EACH * 1e6 / 8)
    got = bound / mine if mine != float("inf") else None
    note = trouble or f"{mine:.1f} s, bound {bound:.1f} s"
    yield Row(f"{_EACH:g} Mbit/s a connection: bound / time", got, Goal(least=0.92), note)
