"""What the gateway costs a pull where no line is in the way: registry and engine on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from benchmarks.bench import Bench, Goal, Row, Skip
from benchmarks.corpus.images import ImageTree
from benchmarks.loopback import served
from benchmarks.peers import engines
from benchmarks.peers.headrace import Gateway
from benchmarks.stage import Outcome, Stage

TITLE = "an image with one large layer on loopback, against a pull from nginx itself"

_TURNS = 3


def run(bench: Bench) -> Iterator[Row]:
    """Compare times of pulls with nothing in the gateway's store, and with all of it."""
    if reason := engines.missing():
        raise Skip(reason)
    stage, image = Stage(), bench.image
    with served(image) as nginx, _gateway(bench, stage, nginx.url, "warm") as gateway:
        engines.skopeo_copy(stage, "filling the store", _place(gateway), image)
        pulls = _Pulls(bench, stage, image, nginx.url, gateway)
        bench.repeat, asked = max(bench.repeat, _TURNS), bench.repeat
        contest = bench.contest(
            {
                f"{engine}, {how}": partial(pulls.run, engine, how)
                for engine in ("dockerd", "skopeo")
                for how in ("nginx", "cold", "warm")
            }
        )
        bench.repeat = asked
    for engine in ("dockerd", "skopeo"):
        for how, words in (("warm", "from the store"), ("cold", "nothing known")):
            mine, plain = f"{engine}, {how}", f"{engine}, nginx"
            times = f"{contest.seconds(mine):.2f} s : {contest.seconds(plain):.2f} s"
            goal = Goal(most=1.15) if engine == "dockerd" else None
            ratio = contest.ratio(mine, plain)
            note = contest.trouble(mine) or contest.trouble(plain) or times
            yield Row(f"{engine}, {words}: headrace / nginx", ratio, goal, note)


def _gateway(bench: Bench, stage: Stage, registry: str, name: str) -> Gateway:
    # As a mirror too: the registry itself is in reserve, because it counts.
    return Gateway(stage, registry, {"near": registry}, keep=bench.log(name), ecosystem="docker")


def _place(gateway: Gateway) -> str:
    return f"127.0.0.1:{gateway.port}/docker.io"


@dataclass(frozen=True, slots=True)
class _Pulls:
    bench: Bench
    stage: Stage
    image: ImageTree
    registry: str
    warm: Gateway

    def run(self, engine: str, how: str) -> Outcome:
        """Pull from nginx, through a new gateway, or through one that has everything."""
        name = f"{engine}, {how}"
        if how == "nginx":
            return self._by(engine, name, self.registry, self.registry.partition("://")[2])
        if how == "warm":
            return self._by(engine, name, self.warm.url, _place(self.warm))
        with _gateway(self.bench, self.stage, self.registry, "cold") as cold:
            return self._by(engine, name, cold.url, _place(cold))

    def _by(self, engine: str, name: str, mirror: str, place: str) -> Outcome:
        if engine == "dockerd":
            return engines.docker_pull(self.stage, name, mirror, self.image)
        return engines.skopeo_copy(self.stage, name, place, self.image)
