"""The process that is the lab's network: it carries every packet between the namespaces.

It is told what to do over one socket that it inherited, and that socket is also its lifeline: when
the builder of the lab is gone, or the lab has lived for too long, it removes the lab and ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import shutil
import socket
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.lab import namespaces
from benchmarks.lab.link import Link
from benchmarks.lab.tun import open_tun

__all__ = ["Wan", "main"]

#: Packets taken from one device before the others get their turn.
_BURST = 64
_LONGEST_SLEEP = 0.2
_MESSAGE = 1 << 16


class Wan:
    """The lines to all hosts and the access link before the client."""

    def __init__(self, lab: str, hosts: list[str], access: float, seed: int) -> None:
        self.chance = random.Random(seed).random
        self.client = open_tun(f"{lab}-{namespaces.CLIENT}")
        self.access = Link(self.chance)
        self.limit_access(access)
        self.device = {host: open_tun(f"{lab}-{host}") for host in hosts}
        self.down = {host: Link(self.chance) for host in hosts}
        self.up = {host: Link(self.chance) for host in hosts}
        self.host_of = {
            socket.inet_aton(namespaces.address(hosts, host)): host for host in self.device
        }
        self.poller = select.epoll()
        for device in (self.client, *self.device.values()):
            self.poller.register(device, select.EPOLLIN)

    def limit_access(self, rate: float) -> None:
        """Set the access link's rate in Mbit/s; 0: unlimited."""
        self.access.shape(rate=rate, delay=0, queue=50)

    def shape(self, host: str, line: dict[str, float]) -> None:
        """Set a host's line. Only the way towards the client is narrow and lossy."""
        half = line["rtt"] / 2
        self.down[host].shape(rate=line["rate"], delay=half, loss=line["loss"], queue=line["queue"])
        self.up[host].shape(rate=0, delay=half)

    def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """Carry out one order of the lab and answer it."""
        match order["do"]:
            case "shape":
                self.shape(order["host"], order["line"])
            case "access":
                self.limit_access(order["rate"])
            case "cut":
                self.down[order["host"]].cut()
                self.up[order["host"]].cut()
            case "mend":
                self.down[order["host"]].mend()
                self.up[order["host"]].mend()
            case "traffic":
                return {host: _account(link) for host, link in self.down.items()}
            case unknown:
                raise ValueError(unknown)
        return {}

    def deliver(self, now: float) -> float:
        """Move on what has arrived at the end of a link; say when the next packet will."""
        soonest = now + _LONGEST_SLEEP
        for host, link in self.down.items():
            for packet in link.due(now):
                self.access.offer(packet, now)
            soonest = min(soonest, link.next_at)
            link = self.up[host]  # noqa: PLW2901 - the two directions of one line
            for packet in link.due(now):
                _send(self.device[host], packet)
            soonest = min(soonest, link.next_at)
        for packet in self.access.due(now):
            _send(self.client, packet)
        return min(soonest, self.access.next_at)

    def collect(self, device: int) -> None:
        """Take what a host has sent."""
        sender = next((h for h, d in self.device.items() if d == device), None)
        for _ in range(_BURST):
            try:
                packet = os.read(device, 65536)
            except BlockingIOError:
                return
            if packet[0] >> 4 != 4:
                continue
            if sender is not None:
                self.down[sender].offer(packet, time.monotonic())
            elif host := self.host_of.get(packet[16:20]):
                self.up[host].offer(packet, time.monotonic())

    def run(self, orders: socket.socket, until: float) -> None:
        """Carry packets until the other end of `orders` is closed or the time has come."""
        self.poller.register(orders, select.EPOLLIN)
        devices = {self.client, *self.device.values()}
        while (now := time.monotonic()) < until:
            soonest = self.deliver(now)
            for ready, _ in self.poller.poll(max(0.0, soonest - time.monotonic())):
                if ready in devices:
                    self.collect(ready)
                    continue
                message = orders.recv(_MESSAGE)
                if not message:
                    return
                orders.send(json.dumps(self.obey(json.loads(message))).encode())


def _account(link: Link) -> dict[str, int]:
    return {
        "bytes": link.delivered,
        "packets": link.packets,
        "dropped": link.dropped,
        "lost": link.lost,
    }


def _send(device: int, packet: bytes) -> None:
    # A host that is going away takes nothing any more; the packet is lost like any other.
    with contextlib.suppress(OSError):
        os.write(device, packet)


def _be_punctual() -> None:
    # A line must not get slower because the machine is busy: go before ordinary processes.
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def main() -> None:
    """Run as ``python -m benchmarks.lab.wan DESCRIPTOR``; the first message says what to build."""
    orders = socket.socket(fileno=int(sys.argv[1]))
    plan = json.loads(orders.recv(_MESSAGE))
    os.setsid()
    try:
        wan = Wan(plan["lab"], list(plan["lines"]), plan["access"], plan["seed"])
        for host, line in plan["lines"].items():
            wan.shape(host, line)
        orders.send(b"{}")
        _be_punctual()
        with contextlib.suppress(ConnectionError):
            wan.run(orders, time.monotonic() + plan["lifetime"])
    finally:
        namespaces.remove(plan["lab"])
        shutil.rmtree(Path(plan["folder"]), ignore_errors=True)


if __name__ == "__main__":
    main()
