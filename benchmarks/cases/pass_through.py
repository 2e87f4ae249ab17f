"""A file whose page gives no digest: the origin's bytes go through; against nginx's proxy_pass."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import partial
from urllib.parse import urljoin

from benchmarks.bench import Bench, Goal, Row
from benchmarks.corpus import UNCHECKED
from benchmarks.loopback import served
from benchmarks.peers import curl
from benchmarks.peers.headrace import Gateway
from benchmarks.stage import Stage

TITLE = "pass-through on loopback: a file without a digest"

_TURNS = 5


def run(bench: Bench) -> Iterator[Row]:
    """Compare the speeds of curl through both."""
    stage, size = Stage(), bench.corpus.big.size
    with (
        served(bench.corpus) as origin,
        served(bench.corpus, proxy_of=origin.url) as proxy,
        Gateway(stage, origin.url, {}, keep=bench.log("gateway")) as gateway,
    ):
        page = subprocess.run(
            ["curl", "--silent", "--fail", f"{gateway.url}/simple/{UNCHECKED}/"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        link = re.search(r'href="([^"#]+)"', page)
        assert link is not None
        name = link[1].rpartition("/")[2]
        urls = {
            "nginx": f"{proxy.url}/pass/files/{name}",
            "headrace": urljoin(f"{gateway.url}/simple/{UNCHECKED}/", link[1]),
        }
        bench.repeat, asked = max(bench.repeat, _TURNS), bench.repeat
        contest = bench.contest(
            {name: partial(curl.get, stage, name, [url], size=size) for name, url in urls.items()}
        )
        bench.repeat = asked
    speeds = {name: size / contest.seconds(name) / 1e9 for name in contest.runs}
    note = contest.trouble("headrace") or " : ".join(f"{s:.2f} GB/s" for s in speeds.values())
    ratio = contest.ratio("nginx", "headrace")
    yield Row("speed, headrace / nginx proxy_pass", ratio, Goal(least=0.7), note)
