"""All hosts of the loopback lab in one process: ``python -m benchmarks.lab.loopback_server FD``.

It ends with the process at the other end of the socket that it inherited.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import re
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

from benchmarks.lab.faults import LabFault
from benchmarks.lab.topology import PAYLOAD_SHARE

_PIECE = 16_384
_SEGMENT = 1448
_SLOW = 0.01
#: Seconds of unused time that a sender may make up for: timers are late.
_LENIENCE = 0.05
_JSON = "application/vnd.pypi.simple.v1+json"


class Narrows:
    """A shared transmitter: whoever wants to send waits for the turn of its bytes."""

    def __init__(self, rate: float) -> None:
        self.rate = rate * PAYLOAD_SHARE * 1e6 / 8
        self.free_at = 0.0

    def book(self, size: int, now: float) -> float:
        """Take the next turn for `size` bytes; say when their last bit is through."""
        self.free_at = max(self.free_at, now - _LENIENCE) + size / self.rate
        return self.free_at


class Host:
    """One imitated host: its line, its fault, its files."""

    def __init__(self, line: dict[str, float], access: Narrows, root: Path, wrong: Path) -> None:
        self.line = line
        self.access = access
        self.root, self.wrong = root, wrong
        self.narrows = Narrows(line["rate"])
        self.fault = ""
        self.sent = 0
        self.alive = asyncio.Event()
        self.alive.set()
        self.open: set[asyncio.StreamWriter] = set()

    def fail(self, fault: str) -> None:
        """Fail from now on; an empty word: be well."""
        self.fault = fault
        if fault == LabFault.DEAD:
            self.alive.clear()
        else:
            self.alive.set()
        share = _SLOW if fault == LabFault.SLOW else 1.0
        self.narrows.rate = Narrows(self.line["rate"] * share).rate
        if fault == LabFault.REFUSE:
            for writer in self.open:
                writer.transport.abort()

    def one_connection(self) -> Narrows:
        """Imitate what random loss leaves one connection (Mathis et al. 1997)."""
        if not self.line["loss"]:
            return Narrows(1e6)
        loss, rtt = self.line["loss"] / 100, self.line["rtt"] / 1000
        return Narrows(1.22 * _SEGMENT * 8 / (rtt * math.sqrt(loss)) / 1e6 / PAYLOAD_SHARE)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        if self.fault == LabFault.REFUSE:
            writer.transport.abort()
            return
        self.open.add(writer)
        own = self.one_connection()
        await asyncio.sleep(self.line["rtt"] / 1000)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(self.line["rtt"] / 1000)
                if not await self.answer(head.decode("latin-1"), writer, own):
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # The client has gone, or the lab is coming down.
        finally:
            self.open.discard(writer)
            writer.close()

    async def answer(self, head: str, writer: asyncio.StreamWriter, own: Narrows) -> bool:
        """Answer one request; False when the connection is to end."""
        method, path, _ = head.split(" ", 2)
        if self.fault.isdigit():
            again = "Retry-After: 30\r\n" if self.fault == LabFault.RATE_LIMITED else ""
            writer.write(f"HTTP/1.1 {self.fault} no\r\n{again}Content-Length: 0\r\n\r\n".encode())
            return True
        if self.fault == LabFault.HTML:
            page = b"<html>Please log in.</html>"
            kind = f"Content-Type: text/html\r\nContent-Length: {len(page)}"
            writer.write(f"HTTP/1.1 200 OK\r\n{kind}\r\n\r\n".encode() + page)
            return True
        file, kind = self.find(path, head)
        if file is None:
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return True
        size = file.stat().st_size
        asked = re.search(r"\r\nrange: bytes=(\d+)-(\d*)\r\n", head, re.IGNORECASE)
        if self.fault == LabFault.NO_RANGES:
            asked = None
        start = int(asked[1]) if asked else 0
        end = min(int(asked[2]) + 1, size) if asked and asked[2] else size
        part = f"Content-Range: bytes {start}-{end - 1}/{size}\r\n" if asked else ""
        writer.write(
            f"HTTP/1.1 {'206 Partial Content' if asked else '200 OK'}\r\nContent-Type: {kind}\r\n"
            f"{part}Accept-Ranges: bytes\r\nContent-Length: {end - start}\r\n\r\n".encode()
        )
        if method == "HEAD":
            return True
        half = self.fault == LabFault.TRUNCATE
        await self.send(file, start, start + (end - start) // 2 if half else end, writer, own)
        return not half

    def find(self, path: str, head: str) -> tuple[Path | None, str]:
        """Give the file for a path, and its content type."""
        wrong = self.fault == LabFault.CORRUPT and path.startswith("/packages/")
        file = (self.wrong if wrong else self.root) / path.lstrip("/")
        kind = "application/octet-stream"
        if path.startswith("/simple/"):
            kind = _JSON if _JSON in head else "text/html"
            file = file / ("index.json" if kind == _JSON else "index.html")
        return (file if ".." not in file.parts and file.is_file() else None), kind

    async def send(
        self, file: Path, start: int, end: int, writer: asyncio.StreamWriter, own: Narrows
    ) -> None:
        """Send a part of a file at the pace of the narrowest transmitter on its way."""
        loop = asyncio.get_running_loop()
        with file.open("rb") as source:
            source.seek(start)
            while start < end:
                piece = source.read(min(_PIECE, end - start))
                start += len(piece)
                now = loop.time()
                turns = (own, self.narrows, self.access)
                through = max(turn.book(len(piece), now) for turn in turns)
                await asyncio.sleep(through - now)
                await self.alive.wait()
                writer.write(piece)
                await writer.drain()
                self.sent += len(piece)


async def _serve(orders: socket.socket, plan: dict[str, Any]) -> None:
    access = Narrows(plan["access"])
    root, wrong = Path(plan["root"]), Path(plan["wrong"])
    hosts = {name: Host(line, access, root, wrong) for name, line in plan["lines"].items()}
    ports = {}
    for name, host in hosts.items():
        server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
        ports[name] = server.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    orders.setblocking(False)
    answer: dict[str, Any] = ports
    while True:
        await loop.sock_sendall(orders, json.dumps(answer).encode())
        message = await loop.sock_recv(orders, 1 << 16)
        if not message:
            return
        order, answer = json.loads(message), {}
        match order["do"]:
            case "fail":
                hosts[order["host"]].fail(order["fault"])
            case "access":
                access.rate = Narrows(order["rate"]).rate
            case "traffic":
                answer = {name: host.sent for name, host in hosts.items()}


def main() -> None:
    orders = socket.socket(fileno=int(sys.argv[1]))
    plan = json.loads(orders.recv(1 << 16))
    try:
        with contextlib.suppress(ConnectionError):
            asyncio.run(_serve(orders, plan))
    finally:
        shutil.rmtree(plan["folder"], ignore_errors=True)


if __name__ == "__main__":
    main()
