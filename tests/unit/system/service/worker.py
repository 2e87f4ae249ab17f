"""A worker for the holder's tests: the real server under a little application.

``/slow?S`` streams for S seconds, ``/pid`` tells the pid; the first argument says how it misbehaves
at its start: ``good``, ``crash``, ``hang``, or ``flag:PATH`` (crash until the file is there).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from headrace.gateway import server
from headrace.system.service import listeners

Send = Callable[[dict[str, Any]], Awaitable[None]]
CHUNK = b"x" * 1000


async def application(scope: Any, receive: Any, send: Send) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/slow":
        for _ in range(round(float(scope["query_string"]) * 20)):
            await asyncio.sleep(0.05)
            await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
    if scope["path"] == "/block":
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
    if args.mode.startswith("flag:") and not Path(args.mode[5:]).exists():
        sys.exit(7)
    end = server.serve(
        lambda: application,
        listeners.take(args.fd),
        idle_exit=args.idle,
        watcher=server.LifespanListener(
            ready=lambda: tell(args.control, b"R"),
            alive=lambda: tell(args.control, b"."),
            every=0.5,
        ),
    )
    if end is server.ExitReason.IDLE:
        os.write(args.control, b"I")


main()
