"""One layer of 600 MB from three uneven mirrors, whose registry counts what is fetched."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import urlsplit

from benchmarks.bench import Bench, Goal, Row, Skip
from benchmarks.calibrate import practical_rates
from benchmarks.corpus.images import ImageTree
from benchmarks.lab import ORIGIN, UNEVEN, Lab
from benchmarks.lab.topology import PAYLOAD_SHARE
from benchmarks.peers import engines
from benchmarks.peers.headrace import Gateway
from benchmarks.stage import Outcome, Stage

TITLE = "an image with one large layer, three uneven mirrors, nothing known before"

_BEST = "b"


def run(bench: Bench) -> Iterator[Row]:
    """Compare headrace with the lines, and with plain pulls from the best mirror."""
    if reason := engines.missing():
        raise Skip(reason)
    image = bench.image
    with bench.lab(UNEVEN, image) as (lab, stage):
        rates = practical_rates(lab, image.path, image.size)
        contenders: dict[str, Callable[[], Outcome]] = {
            "dockerd, b": partial(_plain_dockerd, lab, stage, image),
            "dockerd, headrace": partial(_through, bench, lab, stage, image, "dockerd"),
            "skopeo, b": partial(engines.skopeo_copy, stage, "skopeo, b", _host(lab), image),
            "skopeo, headrace": partial(_through, bench, lab, stage, image, "skopeo"),
        }
        contest = bench.contest(contenders)
    mirrors = [rate for host, rate in rates.items() if host != ORIGIN]
    bound = UNEVEN.bound(image.size, UNEVEN.mirrors)
    practical = image.size / sum(mirrors)
    for engine in ("dockerd", "skopeo"):
        mine, best = f"{engine}, headrace", f"{engine}, b"
        seconds = contest.seconds(mine)
        good = seconds != float("inf")
        note = contest.trouble(mine) or f"{seconds:.1f} s; links {bound:.1f} s"
        goal = Goal(least=0.8) if engine == "skopeo" else None
        yield Row(f"{engine}: bound / time", bound / seconds if good else None, goal, note)
        note = f"4 connections each {practical:.1f} s"
        share = practical / seconds if good else None
        goal = Goal(least=0.9) if engine == "skopeo" else None
        yield Row(f"{engine}: practical bound / time", share, goal, note)
        note = contest.trouble(best) or f"{seconds:.1f} s : {contest.seconds(best):.1f} s"
        ratio = contest.ratio(mine, best)
        yield Row(f"{engine}: headrace / best mirror", ratio, Goal(most=0.7), note)
    sent: dict[str, int] = contest.runs["skopeo, headrace"][-1].detail["sent"]
    shares = ", ".join(f"{host} {count / 1e6:.0f}" for host, count in sent.items())
    got = sum(sent.values()) * PAYLOAD_SHARE / image.size
    yield Row("bytes fetched / bytes of the layer", got, None, f"MB: {shares}")
    yield Row("bytes from the registry", sent[ORIGIN] / image.size, Goal(most=0.001))


def _host(lab: Lab) -> str:
    """Name the best mirror as image names do: without a port or a dot it would be no host."""
    place = urlsplit(lab.url(_BEST)).netloc
    return place if ":" in place else f"{place}:80"


def _plain_dockerd(lab: Lab, stage: Stage, image: ImageTree) -> Outcome:
    mirror = _address(stage, lab.url(_BEST))
    return engines.docker_pull(stage, "dockerd, b", mirror, image, network=lab.network)


def _address(stage: Stage, url: str) -> str:
    """Name a host by its address: dockerd does not see the names of the lab."""
    host = urlsplit(url).hostname or ""
    if host[0].isdigit():
        return url
    words = stage.command(["getent", "ahostsv4", host])
    told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return url.replace(host, told.split()[0])


def _through(bench: Bench, lab: Lab, stage: Stage, image: ImageTree, engine: str) -> Outcome:
    name = f"{engine}, headrace"
    mirrors = {host: lab.url(host) for host in lab.topology.mirrors}
    keep = bench.log(f"gateway-{engine}")
    with Gateway(stage, lab.url(ORIGIN), mirrors, keep=keep, ecosystem="docker") as gateway:
        before = lab.traffic()
        if engine == "dockerd":
            outcome = engines.docker_pull(stage, name, gateway.url, image, network=lab.network)
        else:
            place = f"127.0.0.1:{gateway.port}/docker.io"
            outcome = engines.skopeo_copy(stage, name, place, image)
        sent = {host: t.bytes - before[host].bytes for host, t in lab.traffic().items()}
        outcome.detail.update(sent=sent, cpu=gateway.cpu(), peak=gateway.resident(peak=True))
    return outcome
