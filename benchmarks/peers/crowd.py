"""Many clients at once, as one process of plain HTTP/1.1: each takes its files one after another.

``python -m benchmarks.peers.crowd`` reads an order as JSON and writes what came of it. All of them
share one line of a given rate: who has had his share does not read, and TCP stops who sends. A
client that is cut, or that nobody answers, goes on at the next address from the byte that it has,
as installers behind a load balancer do; with one try it is as curl is.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

__all__ = ["Crowd", "Order"]

_PIECE = 64 * 1024
#: Seconds before the second try, doubled for each that follows, as pip's are.
_PAUSE = 0.25
#: Seconds in which nothing comes: then a client counts it as cut, as pip does (15 s).
_SILENCE = 15.0


@dataclass(frozen=True, slots=True)
class Order:
    """What they are to do."""

    clients: Sequence[Sequence[Mapping[str, str]]]
    """For each client its files in turn: ``path`` and ``sha256``."""
    bases: Sequence[str]
    """Where to ask: client n begins with the n-th, round and round."""
    rate: int = 0
    """Bytes a second for all of them together; 0: as they come."""
    tries: int = 1
    """Requests for a file before a client gives up."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """What came of it."""

    seconds: list[float] = field(default_factory=list)
    """For each client, from the common start to its last byte."""
    wrong: int = 0
    """Clients that did not end with the right bytes."""
    size: int = 0
    """Bytes that were right."""
    moved: int = 0
    """Clients that were led elsewhere for a file."""

    @classmethod
    def run(cls, order: Order, *, meanwhile: Callable[[], None] = lambda: None) -> Crowd:
        """Run them in a process of their own; `meanwhile` is called when they have begun."""
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.peers.crowd"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(asdict(order)))
            process.stdin.close()
            process.stdout.readline()
            try:
                meanwhile()
            finally:
                told = process.stdout.read()
        return cls(**json.loads(told))

    def percentile(self, share: float) -> float:
        """Give the time within which this share of the clients were done."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class _Line:
    """One line for all: a time before which the next piece may not be read."""

    def __init__(self, rate: int) -> None:
        self.rate, self.free_at = rate, time.monotonic()

    async def take(self, count: int) -> None:
        if not self.rate:
            return
        self.free_at = max(self.free_at, time.monotonic()) + count / self.rate
        if (wait := self.free_at - time.monotonic()) > 0.002:
            await asyncio.sleep(wait)


class _Client:
    """One of them; `number` says whom it asks now."""

    def __init__(self, order: Order, number: int, line: _Line) -> None:
        self.order, self.number, self.line = order, number, line
        self.moved = False

    async def run(self, began: float) -> tuple[float, int]:
        """Fetch its files; give the time it took and the bytes, none where one was not right."""
        size = 0
        for file in self.order.clients[self.number]:
            got = await self._file(file["path"], file["sha256"])
            if not got:
                return time.monotonic() - began, 0
            size += got
        return time.monotonic() - began, size

    async def _file(self, path: str, sha256: str) -> int:
        self.taken, self.digest = 0, hashlib.sha256()
        for turn in range(self.order.tries):
            try:
                base = self.order.bases[self.number % len(self.order.bases)]
                if await self._request(base + path):
                    return self.taken if self.digest.hexdigest() == sha256 else 0
            except (OSError, EOFError, ValueError):
                pass
            self.number += 1
            await asyncio.sleep(_PAUSE * 2**turn)
        return 0

    async def _request(self, url: str, *, led: bool = False) -> bool:
        """Ask for what is missing; True: all of it is here. `led`: by a redirect."""
        base = urlsplit(url)
        made = socket.socket()
        # A small window: what the line does not carry waits at whoever sends it.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2 * _PIECE)
        made.setblocking(False)
        try:
            async with asyncio.timeout(_SILENCE):
                await asyncio.get_running_loop().sock_connect(
                    made, (str(base.hostname), base.port or 80)
                )
        except BaseException:
            made.close()
            raise
        reader, writer = await asyncio.open_connection(sock=made, limit=_PIECE)
        try:
            lines = [f"GET {base.path} HTTP/1.1", f"Host: {base.netloc}"]
            lines += ["Connection: close", "User-Agent: pip/26.3", "Accept: */*"]
            lines += [f"Range: bytes={self.taken}-"] if self.taken else []
            writer.write("\r\n".join([*lines, "", ""]).encode())
            async with asyncio.timeout(_SILENCE * 4):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status, fields = int(head.split(" ", 2)[1]), _fields(head)
            if status in {301, 302, 303, 307, 308} and not led:
                self.moved = True
                return await self._request(urljoin(url, fields["location"]), led=True)
            if status == 200 and self.taken:
                # Whoever gives no ranges gives all of it again, as installers know.
                self.taken, self.digest = 0, hashlib.sha256()
            elif status != (206 if self.taken else 200):
                raise ValueError(f"status {status}")
            length = int(fields["content-length"])
            while length:
                async with asyncio.timeout(_SILENCE):
                    piece = await reader.read(min(_PIECE, length))
                if not piece:
                    return False
                self.digest.update(piece)
                self.taken += len(piece)
                length -= len(piece)
                await self.line.take(len(piece))
        except KeyError as lacking:
            raise ValueError(f"no {lacking}") from None
        finally:
            writer.close()
        return True


def _fields(head: str) -> dict[str, str]:
    lines = (line.partition(":") for line in head.split("\r\n")[1:])
    return {name.lower(): value.strip() for name, _, value in lines}


async def _all(order: Order) -> Crowd:
    line, began = _Line(order.rate), time.monotonic()
    clients = [_Client(order, number, line) for number in range(len(order.clients))]
    print("begun", flush=True)
    done = await asyncio.gather(*(each.run(began) for each in clients))
    return Crowd(
        [seconds for seconds, _ in done],
        sum(not size for _, size in done),
        sum(size for _, size in done),
        sum(each.moved for each in clients),
    )


def main() -> None:
    """Read the order, run it, say what came of it."""
    table: dict[str, Any] = json.load(sys.stdin)
    print(json.dumps(asdict(asyncio.run(_all(Order(**table))))))


if __name__ == "__main__":
    main()
