"""pip resolves a tree of forty packages, pages and metadata over a slow origin."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.bench import Bench, Contest, Goal, Row
from benchmarks.counted import AT_ORIGIN, counting, requests
from benchmarks.lab import ORIGIN, UNEVEN, Lab
from benchmarks.peers import pip
from benchmarks.peers.headrace import Gateway
from benchmarks.stage import Outcome, Stage

TITLE = "pip resolves a tree of 40 packages; origin 200 ms, 2 % loss, https"

_MEDIAN_OF = 5
_COLD, _WARM, _STRICT = "headrace, cold", "headrace, warm", "headrace, origin's pages only"
_ORIGIN = "pip, origin"
_ONCE = (_STRICT, _ORIGIN)


def run(bench: Bench) -> Iterator[Row]:
    """Compare with pip on the best mirror, and with pip on the origin."""
    with bench.lab(UNEVEN) as (lab, stage):
        contenders = _contenders(bench, lab, stage)
        # What is only told for comparison, or is many times slower, says enough with one run.
        once = {name: contenders.pop(name) for name in _ONCE if name in contenders}
        contest = bench.contest(contenders, least=_MEDIAN_OF)
        contest = Contest({**contest.runs, **bench.contest(once).runs})
        best = contest.best("pip, a", "pip, b")
        # A warm gateway's second answer belongs to the run that made it warm.
        rows = [
            (_COLD, best, Goal(most=1.0)),
            (_WARM, best, Goal(most=0.35)),
            (_STRICT, best, None),
        ]
        for mine, other, goal in rows:
            times = f"{contest.seconds(mine):.2f} s : {contest.seconds(other):.2f} s ({other})"
            asked = requests(contest, mine, len(bench.corpus.tree))
            note = contest.trouble(mine) or "; ".join(filter(None, (times, asked)))
            yield Row(f"{mine} / best mirror", contest.ratio(mine, other), goal, note)
        asked_cold = contest.detail(_COLD, AT_ORIGIN)
        if asked_cold is not None:
            count = asked_cold / len(bench.corpus.tree)
            yield Row("requests at the origin a package, cold", count, Goal(most=2.5))
        if _ORIGIN in contest.runs:
            note = f"origin {contest.seconds(_ORIGIN):.1f} s"
            yield Row(f"{_COLD} / origin", contest.ratio(_COLD, _ORIGIN), Goal(most=1.0), note)


def _contenders(bench: Bench, lab: Lab, stage: Stage) -> dict[str, Callable[[], Outcome]]:
    wheel = bench.corpus.tree[0]
    mirrors = {host: lab.url(host, secure=True) for host in lab.topology.mirrors}

    def through(name: str, documents: str) -> Outcome:
        log = bench.log(name.replace(" ", "-"))
        settings = {"documents": documents}
        with Gateway(
            stage, lab.url(ORIGIN, secure=True), mirrors, settings=settings, keep=log
        ) as gateway:
            if name == _WARM:
                pip.resolve(stage, "warming", gateway.url, wheel)
            return pip.resolve(stage, name, gateway.url, wheel)

    contenders: dict[str, Callable[[], Outcome]] = {
        "pip, a": lambda: pip.resolve(stage, "pip, a", lab.url("a", secure=True), wheel),
        "pip, b": lambda: pip.resolve(stage, "pip, b", lab.url("b", secure=True), wheel),
        _COLD: counting(lab, lambda: through(_COLD, "provisional")),
        _WARM: lambda: through(_WARM, "provisional"),
        _STRICT: counting(lab, lambda: through(_STRICT, "origin")),
    }
    if not bench.quick:
        contenders[_ORIGIN] = lambda: pip.resolve(
            stage, _ORIGIN, lab.url(ORIGIN, secure=True), wheel
        )
    return contenders
