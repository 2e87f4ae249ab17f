"""The forward proxy's own throughput: a tunnel, and what is passed on within TLS that it ends.

curl takes the time, from its first connection to its last byte: what a command costs to lead is no
part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from benchmarks.bench import Bench, Goal, Row
from benchmarks.corpus import UNCHECKED
from benchmarks.lab.tls import Certificate, issue
from benchmarks.loopback import Served, served
from benchmarks.peers.led import LedUser
from benchmarks.stage import Outcome, Stage, scratch

TITLE = "the forward proxy on loopback, against plain TLS to nginx"

_TURNS = 3
_SEVERAL = 4
_GOAL = Goal(least=0.5)
_TOLD = re.compile(r"got (\d+) in ([\d.]+)")


def run(bench: Bench) -> Iterator[Row]:
    """Fetch one file over one connection, and the same over several, directly and by both ways."""
    with scratch() as folder:
        certificate = issue(folder / "authority", ["localhost"])
        if certificate is None:
            yield Row("the proxy's throughput", None, _GOAL, "openssl is not installed")
            return
        stage = Stage(authority=certificate.authority)
        yield from _rows(bench, stage, certificate)


def _rows(bench: Bench, stage: Stage, certificate: Certificate) -> Iterator[Row]:
    with (
        served(bench.corpus, certificate=certificate) as origin,
        served(bench.corpus, certificate=certificate) as stranger,
    ):
        user = LedUser(stage, origin.url, {})
        for count in (1, _SEVERAL):
            # Through a tunnel comes what is no origin's; of an origin's what is no package.
            contest = bench.contest(
                {
                    "nginx": partial(_plain, bench, stage, origin, count),
                    "tunnel": partial(_led, bench, user, stranger, count),
                    "intercepted": partial(_led, bench, user, origin, count),
                },
                least=_TURNS,
            )
            many = "one connection" if count == 1 else f"{count} connections, in sum"
            speeds = {
                name: count * bench.corpus.big.size / contest.seconds(name) / 1e9
                for name in contest.runs
            }
            for way in ("tunnel", "intercepted"):
                note = f"{speeds[way]:.2f} : {speeds['nginx']:.2f} GB/s"
                note = contest.trouble(way) or contest.trouble("nginx") or note
                yield Row(f"{way}, {many}", contest.ratio("nginx", way), _GOAL, note)


def _plain(bench: Bench, stage: Stage, server: Served, count: int) -> Outcome:
    with scratch() as folder:
        outcome = stage.run("nginx", _curl(server, count), folder)
    return _timed(outcome, count * bench.corpus.big.size)


def _led(bench: Bench, user: LedUser, server: Served, count: int) -> Outcome:
    name = "intercepted" if server.url == user.origin else "tunnel"
    with scratch() as folder:
        outcome = user.run(name, _curl(server, count), folder, keep=bench.log(name))
    return _timed(outcome, count * bench.corpus.big.size)


def _curl(server: Served, count: int) -> Sequence[str]:
    words = ["curl", "--silent", "--show-error", "--fail", "--parallel", "--parallel-immediate"]
    words += ["--http1.1", "--write-out", "%{stderr}got %{size_download} in %{time_total}\n"]
    for _ in range(count):
        words += ["--output", "/dev/null", f"{server.url}/files/{UNCHECKED}-1.0-py3-none-any.whl"]
    return words


def _timed(outcome: Outcome, size: int) -> Outcome:
    """Take curl's own time: until the last of what it fetched at once was there."""
    told = _TOLD.findall(outcome.told)
    right = sum(int(count) for count, _ in told) == size
    seconds = max((float(each) for _, each in told), default=outcome.seconds)
    return replace(outcome, seconds=seconds, right=right)
