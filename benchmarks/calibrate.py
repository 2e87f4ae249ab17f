"""What each line gives to the four connections that a mirror is allowed, measured in this run.

That is the practical bound: loss leaves one connection a share of its line, so the sum of the
links' rates is out of reach for everybody who keeps to four connections.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.lab import Lab

__all__ = ["Failure", "practical_rates"]

_CONNECTIONS = 4
_SECONDS = 10


def practical_rates(lab: Lab, path: str, size: int) -> dict[str, float]:
    """Measure bytes per second of every host, all at once, four connections each.

    `path` is that of a big file of `size` bytes which every host has.
    """
    part = size // _CONNECTIONS
    words = ["curl", "--silent", "--max-time", str(_SECONDS), "--output", "/dev/null"]
    words += ["--write-out", "%{size_download} %{time_total}"]
    running: dict[str, list[subprocess.Popen[str]]] = {}
    for host in lab.topology.lines:
        running[host] = []
        for start in range(0, part * _CONNECTIONS, part):
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
    """From `at` seconds on, `host` gives but the share `left` of its rate."""

    host: str
    at: float
    left: float = 0.0

    def bound(self, size: int, rates: Mapping[str, float], ceiling: float) -> float:
        """Seconds for `size` bytes from hosts of these rates behind a link of `ceiling`."""
        before = sum(rates.values())
        after = min(before - rates[self.host] * (1 - self.left), ceiling)
        before = min(before, ceiling)
        if before * self.at >= size:
            return size / before
        return self.at + (size - before * self.at) / after
