"""An origin so near that there is nothing to gain: the gateway is only in the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks.bench import Bench, Goal, Row
from benchmarks.loopback import served
from benchmarks.peers import curl, pip
from benchmarks.peers.headrace import Gateway
from benchmarks.stage import Outcome, Stage

TITLE = "a fast origin on loopback, no mirrors, nothing known before"

_GIGABIT = 125_000_000


def run(bench: Bench) -> Iterator[Row]:
    """Compare pip and curl with and without the gateway, at 1 Gbit/s and without a limit."""
    for what, rate in (("1 Gbit/s a connection", _GIGABIT), ("no limit", 0)):
        with served(bench.corpus, rate=rate) as origin:
            contest = bench.contest(_contenders(bench, origin.url))
        for client in ("pip", "curl"):
            goal = Goal(least=0.97)
            names = [f"{client}, origin", f"{client}, headrace"]
            times = [contest.seconds(name) for name in names]
            note = contest.trouble(names[1]) or f"{times[0]:.2f} s : {times[1]:.2f} s"
            yield Row(f"{what}: {client} / headrace", contest.ratio(*names), goal, note)


def _contenders(bench: Bench, origin: str) -> dict[str, Callable[[], Outcome]]:
    stage, wheel = Stage(), bench.corpus.big

    def through(client: str) -> Outcome:
        name = f"{client}, headrace"
        with Gateway(stage, origin, {}, keep=bench.log(client)) as gateway:
            if client == "pip":
                return pip.download(stage, name, gateway.url, [wheel])
            curl.get(stage, "page", [f"{gateway.url}/simple/{wheel.project}/"])
            return curl.download(stage, name, gateway.url, wheel)

    return {
        "pip, origin": lambda: pip.download(stage, "pip, origin", origin, [wheel]),
        "pip, headrace": lambda: through("pip"),
        "curl, origin": lambda: curl.download(stage, "curl, origin", origin, wheel),
        "curl, headrace": lambda: through("curl"),
    }
