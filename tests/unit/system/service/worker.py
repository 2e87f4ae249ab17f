"""A worker for the holder's tests: the real server under a little application.

``/slow?S`` streams for S seconds, ``/pid`` tells the pid, ``/block`` stops the event loop, and
``/file?SIZE`` gives what `content` makes, as fast as it is read; ``&wait=PATH`` not before that
file is there, ``&tag=none`` without an entity tag, ``&tag=pid`` with another one in each worker.
The first argument says how it misbehaves at its start: ``good``, ``crash``, ``hang``, ``before``
(it speaks as a worker without a protocol's number did), ``flag:PATH`` (crash until the file is
there), or ``late:PATH`` (it waits for the file).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from headrace.gateway import server
from headrace.system.service import listeners
from headrace.system.service.link import HolderLink

Send = Callable[[dict[str, Any]], Awaitable[None]]
CHUNK = b"x" * 1000
PART = 64 << 10


def content(size: int) -> bytes:
    """Give bytes that are the same in every worker, and nowhere the same in themselves."""
    return random.Random(size).randbytes(size)


def wait_for(paths: list[str]) -> None:
    """Wait until files are there."""
    while not all(Path(path).exists() for path in paths):
        time.sleep(0.01)


async def file(asked: dict[str, list[str]], send: Send) -> None:
    """Give a file, part by part."""
    data = content(int(asked["size"][0]))
    await asyncio.to_thread(wait_for, asked.get("wait", []))
    tag = {"none": None, "pid": f'"{os.getpid()}"'}.get(asked.get("tag", [""])[0], '"same"')
    headers = [(b"content-length", b"%d" % len(data))]
    headers += [(b"etag", tag.encode())] if tag else []
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for start in range(0, len(data), PART):
        part = {"type": "http.response.body", "body": data[start : start + PART]}
        await send({**part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def application(scope: Any, receive: Any, send: Send) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/file":
        await file(parse_qs(scope["query_string"].decode()), send)
        return
    if scope["path"] == "/pid":
        told = str(os.getpid()).encode()
        headers = [(b"content-length", b"%d" % len(told))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": told})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/slow":
        for _ in range(round(float(scope["query_string"]) * 20)):
            await asyncio.sleep(0.05)
            await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
    if scope["path"] == "/block":
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
        await asyncio.sleep(0.05)  # that much arrives
        time.sleep(3600)  # noqa: ASYNC251 - a worker that hangs is what is wanted
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})


def tell(control: int, word: bytes) -> None:
    os.write(control, word)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("mode")
    parser.add_argument("--idle", type=float)
    parser.add_argument("--fd", type=int, action="append")
    parser.add_argument("--control", type=int, required=True)
    args = parser.parse_args()
    if args.mode == "crash":
        sys.exit(7)
    if args.mode == "hang":
        time.sleep(3600)
    if args.mode.startswith("late:"):
        wait_for([args.mode[5:]])
    if args.mode.startswith("flag:") and not Path(args.mode[5:]).exists():
        sys.exit(7)
    before = args.mode == "before"
    end = server.serve(
        lambda: application,
        listeners.take(args.fd),
        idle_exit=args.idle,
        watcher=server.LifespanListener(
            ready=lambda: tell(args.control, b"R"),
            alive=lambda: tell(args.control, b"."),
            every=0.5,
        )
        if before
        else None,
        link=None if before else HolderLink(socket.socket(fileno=args.control)),
    )
    if before and end is server.ExitReason.IDLE:
        tell(args.control, b"I")


main()
