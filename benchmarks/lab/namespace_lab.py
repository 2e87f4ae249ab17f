"""The real lab: a network namespace per host, and one process that carries the packets."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.lab import namespaces
from benchmarks.lab.base import Lab, Traffic, workroom
from benchmarks.lab.faults import LabFault
from benchmarks.lab.nginx import Nginx
from benchmarks.lab.tls import issue
from benchmarks.lab.topology import Line, Topology

__all__ = ["NamespaceLab"]

_SOURCE = Path(__file__).parents[2]
_PATIENCE = 10.0
_SLOW = 0.01


class NamespaceLab(Lab):
    """`root` is the tree that all hosts serve, `wrong` one like it with wrong bytes.

    The lab goes with the process that built it, whatever becomes of that, and after `lifetime`
    seconds in any case.
    """

    kind = "network namespaces"

    def __init__(
        self, topology: Topology, root: Path, wrong: Path, *, lifetime: float = 3600, seed: int = 1
    ) -> None:
        self.topology = topology
        self.folder = workroom("lab")
        self.name = "hr" + self.folder.name.rsplit("-", 1)[-1].replace("_", "x")[:8]
        self.hosts = list(topology.lines)
        self.servers: dict[str, Nginx] = {}
        self._orders, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._orders.settimeout(_PATIENCE)
        self._wan: subprocess.Popen[bytes] | None = None
        self._client: subprocess.Popen[bytes] | None = None
        """Runs on the client's host for as long as there is one."""
        try:
            namespaces.create(self.name, self.hosts)
            self._wan = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.lab.wan", str(far.fileno())],
                cwd=_SOURCE,
                pass_fds=(far.fileno(),),
                stdin=subprocess.DEVNULL,
            )
            far.close()
            lines = {host: _wire(line) for host, line in topology.lines.items()}
            plan = {"lab": self.name, "folder": str(self.folder), "lines": lines, "seed": seed}
            self._order(**plan, access=topology.access, lifetime=lifetime)
            control = {host: line.congestion for host, line in topology.lines.items()}
            namespaces.configure(self.name, self.hosts, control)
            self._client = subprocess.Popen(
                [*namespaces.inside(f"{self.name}-{namespaces.CLIENT}"), "sleep", str(lifetime)],
                stdin=subprocess.DEVNULL,
            )
            certificate = issue(self.folder / "tls", self.hosts)
            self.authority = certificate.authority if certificate else None
            for host in self.hosts:
                prefix = namespaces.inside(f"{self.name}-{host}")
                self.servers[host] = Nginx(
                    self.folder / host,
                    root,
                    wrong,
                    prefix=prefix,
                    rate=int(topology.lines[host].each * 1e6 / 8),
                    certificate=certificate,
                )
        except BaseException:
            self.close()
            raise

    def _order(self, **order: Any) -> dict[str, Any]:
        self._orders.send(json.dumps(order).encode())
        answer = self._orders.recv(1 << 16)
        if not answer:
            raise RuntimeError("the lab's network has ended")
        result: dict[str, Any] = json.loads(answer)
        return result

    def url(self, host: str, *, secure: bool = False) -> str:
        """Give a host's base URL; names are known inside the lab only."""
        return f"{'https' if secure and self.authority else 'http'}://{host}"

    def command(self, words: Sequence[str]) -> list[str]:
        """Give the words that run a command on the client's host."""
        assert self._client is not None
        return [*namespaces.beside(self._client.pid), *words]

    @property
    def network(self) -> Path | None:
        """The client's."""
        return namespaces.file_of(f"{self.name}-{namespaces.CLIENT}")

    def shape(self, host: str, line: Line) -> None:
        """Change a host's line while it is in use."""
        self._order(do="shape", host=host, line=_wire(line))

    def fail(self, host: str, fault: LabFault) -> None:
        """Let a host fail from now on."""
        if fault is LabFault.DEAD:
            self._order(do="cut", host=host)
        elif fault is LabFault.SLOW:
            line = self.topology.lines[host]
            self.shape(host, Line(line.rate * _SLOW, line.rtt, line.loss))
        else:
            self.servers[host].fail(fault)

    def restore(self, host: str) -> None:
        """Make a host well again."""
        self._order(do="mend", host=host)
        self.shape(host, self.topology.lines[host])
        self.servers[host].restore()

    def limit_access(self, rate: float) -> None:
        """Set the client's own link to `rate` Mbit/s."""
        self._order(do="access", rate=rate)

    def traffic(self) -> Mapping[str, Traffic]:
        """Count what has left each host's line."""
        answer = self._order(do="traffic")
        return {host: Traffic(**account) for host, account in answer.items()}

    def requests(self, path: str = "") -> Mapping[str, int]:
        """Count, in the servers' logs, how often each host was asked for this path, or at all."""
        return {host: server.requests(path) for host, server in self.servers.items()}

    def close(self) -> None:
        """Stop the servers, then end the network, which removes the rest."""
        for server in self.servers.values():
            server.close()
        if self._client is not None:
            self._client.kill()
            self._client.wait()
        self._orders.close()
        if self._wan is not None:
            self._wan.wait(_PATIENCE)
        namespaces.remove(self.name)


def _wire(line: Line) -> dict[str, float]:
    return {"rate": line.rate, "rtt": line.rtt, "loss": line.loss, "queue": line.queue}
