"""What each line gives to so many connections as a mirror is allowed, measured in this run.

That is the practical bound: loss leaves one connection a share of its line, so the sum of the
links' rates is out of reach for everybody who keeps to a few connections.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.lab import Lab

__all__ = ["Failure", "practical_rates"]

_CONNECTIONS = 4
_SECONDS = 10


def practical_rates(
    lab: Lab,
    path: str,
    size: int,
    *,
    connections: int = _CONNECTIONS,
    hosts: Sequence[str] | None = None,
    seconds: float = _SECONDS,
) -> dict[str, float]:
    """Measure bytes per second of every host, or of these, all at once, so many connections each.

    `path` is that of a big file of `size` bytes which every host has. `seconds` is how long: a line
    that loses packets gives more until it has lost the first ones.
    """
    part = size // connections
    words = ["curl", "--silent", "--max-time", str(seconds), "--output", "/dev/null"]
    words += ["--write-out", "%{size_download} %{time_total}"]
    running: dict[str, list[subprocess.Popen[str]]] = {}
    for host in lab.topology.lines if hosts is None else hosts:
        running[host] = []
        for start in range(0, part * connections, part):
            one = [*words, "--range", f"{start}-{start + part - 1}", lab.url(host) + path]
            client = subprocess.Popen(lab.command(one), stdout=subprocess.PIPE, text=True)
            running[host].append(client)
    rates = {}
    for host, clients in running.items():
        told = [client.communicate()[0].split() for client in clients]
        rates[host] = sum(float(size) for size, _ in told) / max(float(time) for _, time in told)
    return rates


@dataclass(frozen=True, slots=True)
class Failure:
    """From `at` seconds on, `host` gives but the share `left` of its rate; `until` it recovers."""

    host: str
    at: float
    left: float = 0.0
    until: float = float("inf")

    def bound(self, size: int, rates: Mapping[str, float], ceiling: float) -> float:
        """Seconds for `size` bytes from hosts of these rates behind a link of `ceiling`."""
        before = sum(rates.values())
        after = min(before - rates[self.host] * (1 - self.left), ceiling)
        before = min(before, ceiling)
        if before * self.at >= size:
            return size / before
        meanwhile = before * self.at + after * (self.until - self.at)
        if meanwhile < size:
            return self.until + (size - meanwhile) / before
        return self.at + (size - before * self.at) / after
