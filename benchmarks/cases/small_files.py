"""Sixty small wheels: round trips decide, not bandwidth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.bench import Bench, Goal, Row
from benchmarks.counted import counting, requests
from benchmarks.lab import ORIGIN, UNEVEN, Lab
from benchmarks.peers import curl, pip, uv
from benchmarks.peers.headrace import Gateway
from benchmarks.stage import Outcome, Stage

TITLE = "60 wheels of 100 kB, nothing known before, https"

_JSON = "application/vnd.pypi.simple.v1+json"
_DIRECT = ("a", "b")
_GOALS = {"pip": Goal(most=0.95), "uv": Goal(most=1.3), "curl": Goal(most=1.3)}
_STRICT = "pip, headrace, origin's pages only"
_STRICT_GOAL = Goal(most=1.6)
_MEDIAN_OF = 5


def run(bench: Bench) -> Iterator[Row]:
    """Compare each client through headrace with the same client on its best mirror."""
    with bench.lab(UNEVEN) as (lab, stage):
        contest = bench.contest(_contenders(bench, lab, stage), least=_MEDIAN_OF)
        rows = [(f"{client}, headrace", client, goal) for client, goal in _GOALS.items()]
        for mine, client, goal in [*rows, (_STRICT, "pip", _STRICT_GOAL)]:
            if mine not in contest.runs:
                continue
            best = contest.best(*(f"{client}, {host}" for host in _DIRECT))
            times = f"{contest.seconds(mine):.2f} s : {contest.seconds(best):.2f} s ({best})"
            asked = requests(contest, mine, len(bench.corpus.small))
            note = contest.trouble(mine) or "; ".join(filter(None, (times, asked)))
            yield Row(f"{mine} / best mirror", contest.ratio(mine, best), goal, note)


def _contenders(bench: Bench, lab: Lab, stage: Stage) -> dict[str, Callable[[], Outcome]]:
    wheels = bench.corpus.small
    contenders: dict[str, Callable[[], Outcome]] = {}

    def direct(client: str, host: str) -> Outcome:
        fetch = {"pip": pip.download, "uv": uv.install, "curl": curl.download_many}[client]
        return fetch(stage, f"{client}, {host}", lab.url(host, secure=True), wheels)

    def through(client: str, name: str, documents: str) -> Outcome:
        mirrors = {host: lab.url(host, secure=True) for host in lab.topology.mirrors}
        log = bench.log(name.replace(", ", "-").replace(" ", "-").replace("'", ""))
        with Gateway(
            stage,
            lab.url(ORIGIN, secure=True),
            mirrors,
            settings={"documents": documents},
            keep=log,
        ) as gateway:
            if client == "curl":
                # Whoever asks for files has read their pages.
                pages = [f"{gateway.url}/simple/{wheel.project}/" for wheel in wheels]
                curl.get(stage, "pages", pages, accept=_JSON)
                return curl.download_many(stage, name, gateway.url, wheels)
            fetch = pip.download if client == "pip" else uv.install
            return fetch(stage, name, gateway.url, wheels)

    for client in _GOALS:
        if client == "uv" and not uv.program():
            continue
        for host in _DIRECT:
            contenders[f"{client}, {host}"] = partial(direct, client, host)
        name = f"{client}, headrace"
        contenders[name] = counting(lab, partial(through, client, name, "provisional"))
    contenders[_STRICT] = counting(lab, partial(through, "pip", _STRICT, "origin"))
    return contenders
