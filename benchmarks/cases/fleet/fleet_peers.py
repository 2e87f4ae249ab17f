"""headrace as many machines' cache, beside devpi, proxpi, nginx' proxy_cache and docker-registry:
throughput with nothing kept and with all of it kept, what the origin is asked, and what becomes of
the clients when it dies in the middle.
"""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from urllib.parse import urlsplit

from benchmarks.bench import Bench, Goal, Row, Skip
from benchmarks.corpus.corpus import dozens
from benchmarks.corpus.images import single_layer
from benchmarks.peers import neighbours
from benchmarks.peers.crowd import Crowd, Order
from benchmarks.peers.headrace import Gateway
from benchmarks.peers.origin import Origin, origin
from benchmarks.stage import Outcome, Stage

TITLE = "60 clients on 20 files: headrace and what else a fleet could have"

_CLIENTS, _FILES = 60, 20
_SIZE, _SIZE_QUICK = 10_000_000, 2_000_000
_LAYER, _LAYER_QUICK = 100_000_000, 20_000_000
_PULLS = 20
#: Where all is kept; nothing kept is once alone.
_TURNS = 5
#: Bytes a second of each connection to the origin, where it is to die in the middle.
_SLOW = 2_000_000
_AWAY = 1.0
#: Who only gives what it keeps is limited by the clients here, as all are; nobody may be behind by
#: more than what two runs of one contender differ.
_GOAL = 1.25


def run(bench: Bench) -> Iterator[Row]:
    """Run each contender alone, with stores of its own."""
    if shutil.which("nginx") is None:
        raise Skip("nginx is not installed here")
    keep = bench.log("gateway")
    peers = neighbours.indexes(keep)
    for name, why in neighbours.missing().items():
        yield Row(f"{name}", 0, None, why)
    corpus = dozens(_SIZE_QUICK if bench.quick else _SIZE)
    wheels = corpus.small[:_FILES]
    asked = [wheels[number % _FILES] for number in range(_CLIENTS)]
    cold: dict[str, float] = {}
    warm: dict[str, float] = {}
    given: dict[str, float] = {}
    with origin(corpus) as source:
        for name, peer in peers.items():
            with peer(source.url) as index:
                order = _order(neighbours.links(index, wheels), [w.sha256 for w in asked])
                source.forget()
                cold[name] = _took(bench, f"{name} cold", order)
                sent = source.given()
                given[name] = sum(sent[w.path] for w in wheels) / sum(w.size for w in wheels)
                warm[name] = _took(bench, f"{name} warm", order, turns=_TURNS)
    yield from _rows("cold", cold)
    yield from _rows("warm", warm)
    for name, times in given.items():
        goal = Goal(most=1.05) if name == "headrace" else None
        yield Row(f"{name}: origin's bytes / bytes of all files", times, goal)
    yield from _images(bench)
    yield from _dying(bench)


def _order(links: Sequence[str], digests: Sequence[str], tries: int = 1) -> Order:
    base = urlsplit(links[0])
    clients = [
        [{"path": urlsplit(links[number % len(links)]).path, "sha256": digest}]
        for number, digest in enumerate(digests)
    ]
    return Order(clients, [f"{base.scheme}://{base.netloc}"], 0, tries)


def _took(bench: Bench, name: str, order: Order, *, turns: int = 1) -> float:
    """Give the seconds until the last client was done, the median of so many turns; infinity where
    one did not end well.
    """
    return statistics.median(_turn(bench, name, order) for _ in range(turns))


def _turn(bench: Bench, name: str, order: Order) -> float:
    crowd = Crowd.run(order)
    seconds = max(crowd.seconds)
    told = f"{crowd.wrong} of {len(crowd.seconds)} clients did not end well"
    detail = {"wrong": crowd.wrong, "moved": crowd.moved}
    bench.record(Outcome(name, seconds, 0, crowd.wrong == 0, told, detail))
    return seconds if not crowd.wrong else float("inf")


def _rows(what: str, took: Mapping[str, float]) -> Iterator[Row]:
    mine, most = took["headrace"], _GOAL
    for name in took:
        if name == "headrace":
            continue
        if float("inf") in (mine, took[name]):
            broken = "headrace" if mine == float("inf") else name
            goal = Goal(most=most) if broken == "headrace" else None
            yield Row(f"{what}: headrace / {name}", None, goal, f"{broken} left clients without")
            continue
        note = f"{mine:.2f} s : {took[name]:.2f} s"
        yield Row(f"{what}: headrace / {name}", mine / took[name], Goal(most=most), note)


def _images(bench: Bench) -> Iterator[Row]:
    """Twenty pulls of one layer at once."""
    if shutil.which("docker-registry") is None:
        yield Row("docker-registry", 0, None, "not installed here")
        return
    tree = single_layer(_LAYER_QUICK if bench.quick else _LAYER)
    digest = tree.layer.partition(":")[2]
    gateway = partial(
        Gateway, Stage(), mirrors={}, keep=bench.log("images"), ecosystem="docker", serve={}
    )
    took: dict[str, dict[str, float]] = {"cold": {}, "warm": {}}
    given: dict[str, float] = {}
    with origin(tree) as source:
        for name in ("headrace", "docker-registry"):
            manager: AbstractContextManager[Gateway] | AbstractContextManager[str]
            manager = gateway(source.url) if name == "headrace" else neighbours.registry(source.url)
            with manager as made:
                base = made if isinstance(made, str) else made.url
                neighbours.ask(f"{base}/v2/{tree.name.replace(':', '/manifests/')}", _MANIFEST)
                order = _order([base + tree.path], [digest] * _PULLS)
                source.forget()
                took["cold"][name] = _took(bench, f"{name} cold", order)
                given[name] = source.given()[tree.path] / tree.size
                took["warm"][name] = _took(bench, f"{name} warm", order, turns=_TURNS)
    yield from _rows("a layer cold", took["cold"])
    yield from _rows("a layer warm", took["warm"])
    for name, times in given.items():
        goal = Goal(most=1.05) if name == "headrace" else None
        yield Row(f"{name}: origin's bytes / the layer's", times, goal)


_MANIFEST = {"Accept": "application/vnd.oci.image.manifest.v1+json"}


def _dying(bench: Bench) -> Iterator[Row]:
    """Kill the origin in the middle of a file, and have it back a second later."""
    corpus = dozens(_SIZE_QUICK if bench.quick else _SIZE)
    wheels = corpus.small[:_FILES]
    peers = neighbours.indexes(bench.log("dying"))
    with origin(corpus, rate=_SLOW) as source:
        for name, peer in peers.items():
            for what, tries in (("curl", 1), ("pip", 5)):
                with peer(source.url) as index:
                    links = neighbours.links(index, wheels)
                    order = _order(links, [wheel.sha256 for wheel in wheels], tries)
                    crowd = Crowd.run(order, meanwhile=partial(_die, source, wheels[0].size))
                goal = Goal(most=0) if name == "headrace" else None
                row = f"origin dies, {name}: {what}s without the file"
                led = f", {crowd.moved} led to the origin itself" if crowd.moved else ""
                yield Row(row, crowd.wrong, goal, f"of {_FILES}{led}")


def _die(source: Origin, size: int) -> None:
    time.sleep(0.5 * size / _SLOW)
    source.kill()
    time.sleep(_AWAY)
    source.restart()
