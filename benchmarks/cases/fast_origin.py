"""An origin so near that there is nothing to gain: the gateway is only in the way."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.bench import Bench, Goal, Row
from benchmarks.corpus import Wheel, single_wheel
from benchmarks.lab.tls import Certificate, issue
from benchmarks.loopback import served
from benchmarks.peers import curl, pip, uv
from benchmarks.peers.headrace import Gateway
from benchmarks.stage import Outcome, Stage, scratch

TITLE = "a fast origin on loopback, no mirrors, nothing known before"

_GIGABIT = 125_000_000
_BIG = 1_000_000_000
_BIG_QUICK = 300_000_000
#: For a gigabyte from an origin that only the processor limits.
_GOALS = {"curl": 0.65, "curl, TLS": 0.60, "uv": 0.7, "pip": 0.9}


def run(bench: Bench) -> Iterator[Row]:
    """Compare clients with and without the gateway, at 1 Gbit/s and without a limit."""
    goals = dict.fromkeys(("pip", "curl"), 0.97)
    yield from _compare(bench, "1 Gbit/s a connection", goals, rate=_GIGABIT)
    goals = {name: least for name, least in _GOALS.items() if name != "uv" or uv.program()}
    yield from _compare(bench, "no limit", goals)


def _compare(bench: Bench, what: str, goals: dict[str, float], *, rate: int = 0) -> Iterator[Row]:
    corpus = bench.corpus if rate else single_wheel(_BIG_QUICK if bench.quick else _BIG)
    for name, least in goals.items():
        with contextlib.ExitStack() as stack:
            certificate: Certificate | None = None
            if name.endswith("TLS"):
                folder = stack.enter_context(scratch())
                certificate = issue(folder / "authority", ["localhost"])
                if certificate is None:
                    yield Row(f"{what}: {name}", None, Goal(least=least), "no openssl")
                    continue
            origin = stack.enter_context(served(corpus, rate=rate, certificate=certificate))
            stage = Stage(authority=certificate.authority if certificate else None)
            client = name.partition(",")[0]
            names = [f"{name}, origin", f"{name}, headrace"]
            contest = bench.contest(
                {
                    names[0]: partial(_fetch, stage, names[0], origin.url, client, corpus.big),
                    names[1]: partial(_through, bench, stage, names[1], origin.url, corpus.big),
                }
            )
        times = [contest.seconds(each) for each in names]
        note = contest.trouble(names[1]) or f"{times[0]:.2f} s : {times[1]:.2f} s"
        yield Row(f"{what}: {name} / headrace", contest.ratio(*names), Goal(least=least), note)


def _through(bench: Bench, stage: Stage, name: str, origin: str, wheel: Wheel) -> Outcome:
    client = name.partition(",")[0]
    with Gateway(stage, origin, {}, keep=bench.log(client)) as gateway:
        if client == "curl":
            curl.get(stage, "page", [f"{gateway.url}/simple/{wheel.project}/"])
        return _fetch(stage, name, gateway.url, client, wheel)


def _fetch(stage: Stage, name: str, base: str, client: str, wheel: Wheel) -> Outcome:
    fetch: dict[str, Callable[[], Outcome]] = {
        "curl": lambda: curl.download(stage, name, base, wheel),
        "uv": lambda: uv.install(stage, name, base, [wheel]),
        "pip": lambda: pip.download(stage, name, base, [wheel]),
    }
    return fetch[client]()
