"""The lab for machines that allow no namespaces: rate-limited servers on loopback.

It has no packets, so no real loss, queues or slow start: a line's rate, round trip and the rate
that loss would leave one connection are imitated. The table says so wherever it was used.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.lab.base import Lab, Traffic, workroom
from benchmarks.lab.faults import LabFault
from benchmarks.lab.topology import Line, Topology

__all__ = ["LoopbackLab"]

_SOURCE = Path(__file__).parents[2]
_PATIENCE = 10.0


class LoopbackLab(Lab):
    """`root` and `wrong` as in the lab of namespaces; `reason` says why this one is used."""

    def __init__(self, topology: Topology, root: Path, wrong: Path, *, reason: str) -> None:
        self.kind = f"rate-limited loopback servers ({reason})"
        self.topology = topology
        self.folder = workroom("lab")
        self._orders, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._orders.settimeout(_PATIENCE)
        self._server = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.lab.loopback_server", str(far.fileno())],
            cwd=_SOURCE,
            pass_fds=(far.fileno(),),
            stdin=subprocess.DEVNULL,
        )
        far.close()
        self.ports: dict[str, int] = self._order(
            root=str(root),
            wrong=str(wrong),
            folder=str(self.folder),
            access=topology.access,
            lines={host: _wire(line) for host, line in topology.lines.items()},
        )

    def _order(self, **order: Any) -> dict[str, Any]:
        self._orders.send(json.dumps(order).encode())
        result: dict[str, Any] = json.loads(self._orders.recv(1 << 16))
        return result

    def url(self, host: str, *, secure: bool = False) -> str:  # noqa: ARG002 - there is no https
        """Give a host's base URL."""
        return f"http://127.0.0.1:{self.ports[host]}"

    def command(self, words: Sequence[str]) -> list[str]:
        """Run it here: there is no other host."""
        return list(words)

    def fail(self, host: str, fault: LabFault) -> None:
        """Let a host fail from now on."""
        self._order(do="fail", host=host, fault=str(fault))

    def restore(self, host: str) -> None:
        """Make a host well again."""
        self._order(do="fail", host=host, fault="")

    def limit_access(self, rate: float) -> None:
        """Set the shared link to `rate` Mbit/s."""
        self._order(do="access", rate=rate)

    def traffic(self) -> Mapping[str, Traffic]:
        """Count the bytes that each host has sent."""
        return {host: Traffic(count) for host, count in self._order(do="traffic").items()}

    def close(self) -> None:
        """End the servers; they remove the folder."""
        self._orders.close()
        self._server.wait(_PATIENCE)


def _wire(line: Line) -> dict[str, float]:
    return {"rate": line.rate, "rtt": line.rtt, "loss": line.loss}
