"""Sixty small wheels: round trips decide, not bandwidth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.bench import Bench, Goal, Row
from benchmarks.lab import ORIGIN, UNEVEN, Lab
from benchmarks.peers import curl, pip, uv
from benchmarks.peers.headrace import Gateway
from benchmarks.stage import Outcome, Stage

TITLE = "60 wheels of 100 kB, nothing known before, https"

_JSON = "application/vnd.pypi.simple.v1+json"
_DIRECT = ("a", "b")
_GOALS = {"pip": Goal(most=1.0), "uv": Goal(most=1.1), "curl": Goal(most=1.1)}


def run(bench: Bench) -> Iterator[Row]:
    """Compare each client through headrace with the same client on its best mirror."""
    with bench.lab(UNEVEN) as (lab, stage):
        contest = bench.contest(_contenders(bench, lab, stage))
        for client, goal in _GOALS.items():
            mine = f"{client}, headrace"
            if mine not in contest.runs:
                continue
            best = contest.best(*(f"{client}, {host}" for host in _DIRECT))
            times = f"{contest.seconds(mine):.2f} s : {contest.seconds(best):.2f} s ({best})"
            note = contest.trouble(mine) or times
            yield Row(f"{client}: headrace / best mirror", contest.ratio(mine, best), goal, note)


def _contenders(bench: Bench, lab: Lab, stage: Stage) -> dict[str, Callable[[], Outcome]]:
    wheels = bench.corpus.small
    contenders: dict[str, Callable[[], Outcome]] = {}

    def direct(client: str, host: str) -> Outcome:
        fetch = {"pip": pip.download, "uv": uv.install, "curl": curl.download_many}[client]
        return fetch(stage, f"{client}, {host}", lab.url(host, secure=True), wheels)

    def through(client: str) -> Outcome:
        name = f"{client}, headrace"
        mirrors = {host: lab.url(host, secure=True) for host in lab.topology.mirrors}
        with Gateway(
            stage, lab.url(ORIGIN, secure=True), mirrors, keep=bench.log(client)
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
        contenders[f"{client}, headrace"] = partial(through, client)
    return contenders
