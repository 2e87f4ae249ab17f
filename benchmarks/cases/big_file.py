"""One big wheel from four uneven hosts, nothing known before."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from benchmarks.bench import Bench, Goal, Row
from benchmarks.calibrate import practical_rates
from benchmarks.corpus import Wheel
from benchmarks.lab import ORIGIN, UNEVEN, Lab
from benchmarks.lab.topology import PAYLOAD_SHARE
from benchmarks.peers import aria2, curl, pip, uv
from benchmarks.peers.headrace import Gateway
from benchmarks.stage import Outcome, Stage

TITLE = "one big wheel, four uneven hosts, nothing known before"

_ALLOWED = 16
_JSON = "application/vnd.pypi.simple.v1+json"


def run(bench: Bench) -> Iterator[Row]:
    """Compare headrace with the links, with clients of the best mirror, with aria2."""
    with bench.lab(UNEVEN) as (lab, stage):
        wheel = bench.corpus.big
        rates = practical_rates(lab, wheel.path, wheel.size)
        contenders = _contenders(bench, lab, stage)
        contest = bench.contest(contenders)
        bound = UNEVEN.bound(wheel.size)
        practical = wheel.size / sum(rates.values())
        mine = contest.seconds("curl, headrace")
        trouble = contest.trouble("curl, headrace")
        note = f"{mine:.1f} s; links {bound:.1f} s; 4 connections each {practical:.1f} s"
        good = mine != float("inf")
        yield Row(
            "R = bound / time", bound / mine if good else None, Goal(least=0.88), trouble or note
        )
        yield Row("practical bound / time", practical / mine if good else None)
        yield from _price(contest.runs["curl, headrace"], wheel.size)
        for client in ("curl", "pip", "uv"):
            if f"{client}, b" not in contenders:
                continue
            ratio = contest.ratio(f"{client}, headrace", f"{client}, b")
            times = [contest.seconds(f"{client}, {where}") for where in ("headrace", "b")]
            note = contest.trouble(f"{client}, headrace") or f"{times[0]:.1f} s : {times[1]:.1f} s"
            most = 0.6 if client == "curl" else 0.63
            yield Row(f"{client}: headrace / best mirror", ratio, Goal(most=most), note)
        for name in [name for name in contenders if name.startswith("aria2")]:
            ratio = contest.ratio("curl, headrace", name)
            goal = Goal(most=0.6) if name == "aria2 tuned" else None
            note = contest.trouble(name) or f"{name} {contest.seconds(name):.1f} s"
            yield Row(f"headrace / {name}, all four", ratio, goal, note)
        yield from _allowed_more(bench, lab, stage, bound)
        yield from _busy(bench, lab, stage, mine)


def _allowed_more(bench: Bench, lab: Lab, stage: Stage, bound: float) -> Iterator[Row]:
    """The same where whoever runs the hosts allows twice as many connections: over a line that
    loses packets eight carry no more than 0.875 of the four lines together.
    """
    name = "curl, headrace"
    more = {"connections_per_mirror": _ALLOWED, "connections": _ALLOWED * len(UNEVEN.lines)}
    contest = bench.contest(
        {name: lambda: through_gateway(bench, lab, stage, "curl", settings=more)}
    )
    mine, trouble = contest.seconds(name), contest.trouble(name)
    title = f"R, operators allow {_ALLOWED} connections"
    good = mine != float("inf")
    yield Row(title, bound / mine if good else None, Goal(least=0.88), trouble or f"{mine:.1f} s")


def _busy(bench: Bench, lab: Lab, stage: Stage, quiet: float) -> Iterator[Row]:
    """The same while as many processes as there are cores do nothing but compute."""
    with contextlib.ExitStack() as stack:
        for _ in range(os.cpu_count() or 1):
            burner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(burner.wait)
            stack.callback(burner.kill)
        name = "curl, headrace"
        contest = bench.contest({name: lambda: through_gateway(bench, lab, stage, "curl")})
    mine, trouble = contest.seconds(name), contest.trouble(name)
    good = mine != float("inf")
    bound = UNEVEN.bound(bench.corpus.big.size)
    note = trouble or f"{mine:.1f} s; quiet {quiet:.1f} s"
    yield Row("all cores busy, R", bound / mine if good else None, Goal(least=0.82), note)
    yield Row("all cores busy, quiet / busy", quiet / mine if good else None, Goal(least=0.95))


def _price(runs: Sequence[Outcome], size: int) -> Iterator[Row]:
    """What was paid beside time: bytes that were fetched twice, processor, memory."""
    detail = runs[-1].detail
    sent = sum(detail["sent"].values()) * PAYLOAD_SHARE / size
    shares = ", ".join(f"{host} {count / 1e6:.0f}" for host, count in detail["sent"].items())
    yield Row("bytes fetched / bytes of the file", sent, Goal(most=1.03), f"MB: {shares}")
    asked = detail["requests"]
    if asked:
        each = ", ".join(f"{host} {count}" for host, count in asked.items())
        yield Row("requests for the file, all hosts", sum(asked.values()), None, each)
    yield Row("processor time", detail["cpu"], None, f"peak {detail['peak'] / 1e6:.0f} MB", " s")


def _contenders(bench: Bench, lab: Lab, stage: Stage) -> dict[str, Callable[[], Outcome]]:
    wheel = bench.corpus.big
    hosts = [lab.url(host) for host in lab.topology.lines]
    best = lab.url("b")
    contenders: dict[str, Callable[[], Outcome]] = {
        "curl, b": lambda: curl.download(stage, "curl, b", best, wheel),
        "curl, headrace": lambda: through_gateway(bench, lab, stage, "curl"),
        "pip, b": lambda: pip.download(stage, "pip, b", best, [wheel]),
        "pip, headrace": lambda: through_gateway(bench, lab, stage, "pip"),
    }
    if uv.program():
        contenders["uv, b"] = lambda: uv.install(stage, "uv, b", best, [wheel])
        contenders["uv, headrace"] = lambda: through_gateway(bench, lab, stage, "uv")
    if aria2.available():
        for name, settings in aria2.SETTINGS.items():
            if bench.quick and name == "default":
                continue
            title = f"aria2 {name}"
            contenders[title] = partial(aria2.download, stage, title, hosts, wheel, settings)
    return contenders


def through_gateway(
    bench: Bench,
    lab: Lab,
    stage: Stage,
    client: str,
    *,
    log: str = "",
    wheel: Wheel | None = None,
    settings: Mapping[str, int] | None = None,
) -> Outcome:
    """Download the big wheel, or another one, through a gateway that has just been installed.

    curl knows the file's path and asks for the page first, untimed, as any client would have;
    pip and uv are timed from their start to their end.
    """
    wheel = wheel or bench.corpus.big
    name = f"{client}, headrace"
    mirrors = {host: lab.url(host) for host in lab.topology.mirrors}
    before, asked = lab.traffic(), lab.requests(wheel.path)
    kept = bench.log(log or client)
    with Gateway(stage, lab.url(ORIGIN), mirrors, settings=settings, keep=kept) as gateway:
        if client == "curl":
            page = f"{gateway.url}/simple/{wheel.project}/"
            curl.get(stage, "page", [page], accept=_JSON)
            outcome = curl.download(stage, name, gateway.url, wheel)
        elif client == "pip":
            outcome = pip.download(stage, name, gateway.url, [wheel])
        else:
            outcome = uv.install(stage, name, gateway.url, [wheel])
        sent = {h: t.bytes - before[h].bytes for h, t in lab.traffic().items()}
        requests = {host: n - asked[host] for host, n in lab.requests(wheel.path).items()}
        outcome.detail.update(cpu=gateway.cpu(), peak=gateway.resident(peak=True), sent=sent)
        outcome.detail.update(requests=requests)
    return outcome
