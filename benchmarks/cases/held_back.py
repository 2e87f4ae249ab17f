"""What it costs that a client which can take nothing back waits for the digest: two versions."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from benchmarks.bench import Bench, Contest, Goal, Row, Skip
from benchmarks.corpus import Tree
from benchmarks.loopback import served
from benchmarks.peers import engines, pip, uv
from benchmarks.peers.headrace import Gateway
from benchmarks.stage import Outcome, Stage

TITLE = "a layer and a wheel from two honest mirrors, against another version of headrace"

#: Names the `headrace` to compare with: that of another environment.
OTHER = "HEADRACE_BENCH_OTHER"
#: Bytes per second of each connection to a mirror.
_RATE = 4_000_000
_ENGINES = ("dockerd", "podman", "skopeo")
_INSTALLERS = ("pip", "uv")


def run(bench: Bench) -> Iterator[Row]:
    """Compare whole pulls and downloads, nothing known before."""
    other = os.environ.get(OTHER)
    if not other:
        raise Skip(f"{OTHER} names no other headrace")
    stage = Stage()
    places = {"this": None, "other": other}
    if reason := engines.missing():
        yield Row("engines", None, None, reason)
    else:
        made = _Made(bench, stage, bench.image, "docker")
        yield from _rows(made, _ENGINES, places)
    installers = _INSTALLERS if uv.program() else _INSTALLERS[:1]
    yield from _rows(_Made(bench, stage, bench.corpus, "python"), installers, places)


def _rows(made: _Made, clients: tuple[str, ...], places: dict[str, str | None]) -> Iterator[Row]:
    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(served(made.tree, rate=_RATE)).url for _ in range(3)]
        contenders: dict[str, Callable[[], Outcome]] = {
            f"{client}, {which}": partial(made.run, client, which, program, urls)
            for client in clients
            for which, program in places.items()
        }
        contest: Contest = made.bench.contest(contenders)
    for client in clients:
        mine, theirs = f"{client}, this", f"{client}, other"
        times = f"{contest.seconds(mine):.2f} s : {contest.seconds(theirs):.2f} s"
        note = contest.trouble(mine) or contest.trouble(theirs) or times
        yield Row(f"{client}: this / other", contest.ratio(mine, theirs), Goal(most=1.05), note)


@dataclass(frozen=True, slots=True)
class _Made:
    bench: Bench
    stage: Stage
    tree: Tree
    ecosystem: str

    def run(self, client: str, which: str, program: str | None, urls: list[str]) -> Outcome:
        """Let a client fetch the large thing through a new gateway."""
        origin, *mirrors = urls
        named = {f"mirror{number}": url for number, url in enumerate(mirrors)}
        keep, name = self.bench.log(f"{client}-{which}"), f"{client}, {which}"
        with Gateway(
            self.stage, origin, named, keep=keep, ecosystem=self.ecosystem, program=program
        ) as gateway:
            image, place = self.bench.image, f"127.0.0.1:{gateway.port}/docker.io"
            if client == "dockerd":
                return engines.docker_pull(self.stage, name, gateway.url, image)
            if client == "podman":
                return engines.podman_pull(self.stage, name, place, image)
            if client == "skopeo":
                return engines.skopeo_copy(self.stage, name, place, image)
            fetch = pip.download if client == "pip" else uv.install
            return fetch(self.stage, name, gateway.url, [self.bench.corpus.big])
